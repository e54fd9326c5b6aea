//! Only one of the master's links fails.

use std::time::Duration;

use anyhow::Result;
use evenkeel_tests::{Article, Watch};

use super::super::tell::seconds;
use super::directors::{BACKUP, MASTER};
use super::limits::SLACK;
use super::stage::Stage;
use super::takeover::later;

/// For so long a director may be seen with one address and not the other: they are set one after the other.
const MOMENT: Duration = Duration::from_millis(100);

impl Stage {
    pub(super) fn one_link_fails(&mut self) -> Result<()> {
        self.teller
            .chapter("Only the master's private link fails: both addresses move, together");
        let watch = Watch::start(&self.directors.nodes, &Article::VIRTUAL)?;
        let seen = self.watch(|stage| {
            stage.directors.nodes[MASTER].cut("eth1")?;
            stage.teller.say("eth1 of the director has no carrier");
            let took = stage.directors.wait_alone(BACKUP)?;
            stage.teller.say(&format!(
                "the backup alone has both addresses {}",
                later(took)
            ));
            stage.status(MASTER)
        })?;
        let sightings = watch.stop()?;
        self.teller.promise(
            sightings.divided() <= MOMENT && sightings.moves() == 1,
            &format!(
                "no director had one of the two for longer than a moment ({:.1} ms)",
                sightings.divided().as_secs_f64() * 1e3
            ),
        );
        self.teller.promise(
            seen.gap <= SLACK,
            &format!("the service was away for {}", seconds(seen.gap)),
        );
        self.tell_requests(&seen.requests);
        self.directors.nodes[MASTER].mend("eth1")?;
        let took = self.directors.wait_alone(MASTER)?;
        self.teller.say(&format!(
            "the link is back, and the addresses {}",
            later(took)
        ));
        Ok(())
    }
}
