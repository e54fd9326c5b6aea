//! What happens in the demo.

mod directors;
mod end;
mod handover;
mod limits;
mod link;
mod migration;
mod servers;
mod stage;
mod takeover;
mod watch;

use anyhow::Result;
use evenkeel_tests::Paths;

use self::directors::Directors;
use self::stage::Stage;

/// Tells the story; an error if a promise was broken.
pub(crate) fn tell(paths: Paths) -> Result<()> {
    let mut stage = Stage::set(paths)?;
    let told = play(&mut stage);
    if told.is_err() {
        for (name, log) in stage.directors.logs() {
            stage.teller.say(&format!("The log of the {name}:"));
            stage.teller.quote(&log);
        }
    }
    told?;
    stage.teller.end()
}

fn play(stage: &mut Stage) -> Result<()> {
    stage.check()?;
    stage.begin()?;
    stage.in_turn()?;
    stage.a_server_fails_and_returns()?;
    stage.the_master_dies("An advert a second, as in the article", Directors::SLOW)?;
    stage.it_returns()?;
    stage.take_keepalived_conf()?;
    stage.quicker()?;
    stage.the_master_dies("The same with ten adverts a second", Directors::QUICK)?;
    stage.it_returns()?;
    stage.hand_over()?;
    stage.one_link_fails()?;
    stage.finish()
}
