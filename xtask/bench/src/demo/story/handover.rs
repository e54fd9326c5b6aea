//! A planned handover.

use anyhow::Result;

use super::directors::{BACKUP, MASTER};
use super::stage::Stage;
use super::takeover::later;

impl Stage {
    pub(super) fn hand_over(&mut self) -> Result<()> {
        self.teller
            .chapter("Work on the master: evenkeel vrrp resign, and resume");
        let seen = self.watch(|stage| {
            for (order, holder) in [("resign", BACKUP), ("resume", MASTER)] {
                stage.directors[MASTER].vrrp(order, None)?;
                let took = stage.directors.wait_alone(holder)?;
                let name = stage.directors.nodes[holder].name();
                stage.teller.say(&format!(
                    "{order}: the {name} alone has both addresses {}",
                    later(took)
                ));
                if order == "resign" {
                    stage.status(MASTER)?;
                }
            }
            Ok(())
        })?;
        self.tell_unnoticed(&seen);
        Ok(())
    }
}
