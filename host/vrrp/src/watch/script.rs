//! A script whose exit status says how something is.

use evenkeel_core::model::{Script, Tracked};
use evenkeel_core::vrrp::Reading;
use tokio::time::{Instant, MissedTickBehavior};

use super::readings::Readings;
use crate::program::{self, Abandoned, Ended, KILL_DELAY, Place};

/// Runs it again and again in its place, and tells what that says. An earlier run that is still there, killed or not
/// even started, is no reason for a second one; once it has had the time to end, each interval is a failure.
pub(super) async fn watch(script: Script, place: Place, readings: Readings) {
    let mut judge = Judge::new(script.rise, script.fall);
    // One that takes longer than its interval is not run twice at a time.
    let mut ticks = tokio::time::interval(script.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut began = Instant::now();
    loop {
        ticks.tick().await;
        let ended = if place.runs() == 0 {
            began = Instant::now();
            let Script {
                command, timeout, ..
            } = &script;
            program::run(&place, command, *timeout, Abandoned::Ends).await
        } else if began.elapsed() < script.timeout + KILL_DELAY {
            continue;
        } else {
            Ended::StillThere
        };
        let Some(well) = judge.take(ended.well()) else {
            continue;
        };
        let name = &script.name;
        if well {
            tracing::info!(script = name, "tracked script succeeds");
        } else {
            tracing::warn!(script = name, "tracked script fails: {ended}");
        }
        let reading = if well { Reading::Up } else { Reading::Down };
        let tracked = Tracked::Script(name.clone());
        if readings.send((tracked, reading)).is_err() {
            return;
        }
    }
}

/// Makes up its mind from results in a row.
struct Judge {
    rise: u32,
    fall: u32,
    well: Option<bool>,
    /// Results in a row that say otherwise.
    against: u32,
}

impl Judge {
    fn new(rise: u32, fall: u32) -> Self {
        Self {
            rise,
            fall,
            well: None,
            against: 0,
        }
    }

    /// Returns how it is when that has changed. The first result is believed at once, as keepalived does it.
    fn take(&mut self, success: bool) -> Option<bool> {
        let needed = match self.well {
            None => 1,
            Some(well) if well == success => {
                self.against = 0;
                return None;
            }
            Some(true) => self.fall,
            Some(false) => self.rise,
        };
        self.against = self.against.saturating_add(1);
        if self.against < needed {
            return None;
        }
        self.against = 0;
        self.well = Some(success);
        self.well
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(rise: u32, fall: u32, results: &str) -> String {
        let mut judge = Judge::new(rise, fall);
        let said = results
            .chars()
            .map(|result| match judge.take(result == '+') {
                Some(true) => 'U',
                Some(false) => 'D',
                None => '.',
            });
        said.collect()
    }

    #[test]
    fn the_first_result_is_believed_at_once() {
        assert_eq!(judge(3, 3, "+"), "U");
        assert_eq!(judge(3, 3, "-"), "D");
    }

    #[test]
    fn so_many_failures_in_a_row_make_it_failed_and_so_many_successes_well() {
        assert_eq!(judge(2, 3, "+--+---+-++"), "U.....D...U");
    }

    #[test]
    fn one_is_enough_where_one_is_configured() {
        assert_eq!(judge(1, 1, "+-+--+"), "UDUD.U");
    }
}
