mod check;
mod properties;
mod server;

use std::time::{Duration, Instant};

use super::*;
use crate::model::{CheckTiming, ChecksRequired};

const SECOND: Duration = Duration::from_secs(1);

/// Any instant to count from.
#[expect(clippy::disallowed_methods, reason = "only differences to it matter")]
fn epoch() -> Instant {
    Instant::now()
}

/// The article's: `delay_loop 6`, `connect_timeout 3`, `nb_get_retry 3`, `delay_before_retry 3`.
fn article() -> CheckTiming {
    CheckTiming {
        interval: 6 * SECOND,
        timeout: 3 * SECOND,
        retries: 3,
        retry_delay: 3 * SECOND,
        rise: 1,
        alpha: false,
        fast_interval: None,
        down_interval: None,
        warmup: None,
    }
}

fn unfit() -> Outcome {
    Outcome::Unhealthy("connection refused".to_owned())
}

fn plugin_fault() -> Outcome {
    Outcome::Unknown("trapped".to_owned())
}

/// One check, run when it is due.
struct Run {
    machine: CheckMachine,
    epoch: Instant,
    now: Instant,
}

impl Run {
    fn new(timing: CheckTiming) -> Self {
        Self::from(timing, None)
    }

    fn adopted(timing: CheckTiming, initial: impl Fn(Instant) -> InitialHealth) -> Self {
        let epoch = epoch();
        Self::from(timing, Some(initial(epoch)))
    }

    fn from(timing: CheckTiming, initial: Option<InitialHealth>) -> Self {
        let epoch = initial.as_ref().map_or_else(epoch, |initial| initial.since);
        let machine = CheckMachine::new("tcp", timing, initial.as_ref(), epoch, 0);
        Self {
            machine,
            epoch,
            now: epoch,
        }
    }

    /// Runs the next check; it takes that long. No jitter.
    fn check_taking(&mut self, took: Duration, outcome: Outcome) -> Option<Transition> {
        self.now = self.now.max(self.machine.poll_at());
        self.machine.start(self.now);
        self.now += took;
        self.machine.finish(self.now, outcome, 0)
    }

    fn check(&mut self, outcome: Outcome) -> Option<Transition> {
        self.check_taking(Duration::ZERO, outcome)
    }

    /// From the beginning to the next check.
    fn next(&self) -> Duration {
        self.machine.poll_at() - self.epoch
    }

    fn is_up(&self) -> bool {
        self.machine.health().up
    }
}

#[test]
fn a_share_of_a_weight_is_rounded_but_never_to_nothing() {
    let cases = [
        ((100, 100), 100),
        ((100, 50), 50),
        ((1, 50), 1),
        ((1, 1), 1),
        ((3, 50), 2),
        ((3, 49), 1),
        ((10, 0), 0),
        ((0, 100), 0),
        ((0, 50), 0),
        ((5, 200), 5),
        ((65_535, 99), 64_880),
        ((u32::MAX, 100), u32::MAX),
    ];
    for ((weight, share), effective) in cases {
        assert_eq!(
            effective_weight(weight, share),
            effective,
            "{share} % of {weight}"
        );
    }
}
