//! The master dies, and returns.

use std::time::Duration;

use anyhow::Result;

use super::super::tell::seconds;
use super::directors::{BACKUP, MASTER};
use super::limits::SLACK;
use super::stage::Stage;

impl Stage {
    /// `bound`: how long the backup hears nothing before it takes over.
    pub(super) fn the_master_dies(&mut self, how: &str, bound: Duration) -> Result<()> {
        self.teller
            .chapter(&format!("{how}: the master is killed, its cables are cut"));
        let seen = self.watch(|stage| {
            stage.directors.kill(MASTER)?;
            stage.teller.say("kill -9, and both links are down");
            let took = stage.directors.wait_has(BACKUP)?;
            stage
                .teller
                .say(&format!("the backup has both addresses {}", later(took)));
            Ok(())
        })?;
        self.teller.promise(
            seen.gap <= bound + SLACK,
            &format!(
                "the service was away for {} (3 intervals and the skew of priority 80: {} at most)",
                seconds(seen.gap),
                seconds(bound)
            ),
        );
        self.tell_requests(&seen.requests);
        let spread = self.ask(20)?;
        let even = spread.len() == 2 && spread.values().all(|count| *count == 10);
        self.teller
            .promise(even, "the backup serves, in turn, as the master did");
        self.status(BACKUP)
    }

    pub(super) fn it_returns(&mut self) -> Result<()> {
        self.teller
            .chapter("It returns: its priority is higher, so it takes over again");
        let seen = self.watch(|stage| {
            stage.directors[MASTER].start()?;
            for interface in ["eth0", "eth1"] {
                stage.directors.nodes[MASTER].mend(interface)?;
            }
            stage
                .teller
                .say("its daemon runs again, and its cables are plugged in");
            let took = stage.directors.wait_alone(MASTER)?;
            stage.teller.say(&format!(
                "the director alone has both addresses again {}",
                later(took)
            ));
            Ok(())
        })?;
        self.tell_unnoticed(&seen);
        Ok(())
    }
}

pub(super) fn later(time: Duration) -> String {
    format!("{} later", seconds(time))
}
