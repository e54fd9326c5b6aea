//! Shares by what checks report: the less of a signal a server has, the more connections it gets.
use evenkeel_sdk::{
    Backends, Facts, Plan, Scheduler, Selector, Shares, count, gauge, register_scheduler, settings,
};

settings! {
    /// What can be configured.
    pub struct Settings {
        /// The signal's name.
        signal: String = "cpu",
    }
}

/// The scheduler.
pub struct BySignal {
    signal: String,
}

/// The slots of a plan.
const SLOTS: u32 = 100;

impl Scheduler for BySignal {
    type Settings = Settings;
    const FACTS: Facts = Facts::SIGNALS;

    fn new(settings: Settings) -> Result<Self, String> {
        Ok(Self {
            signal: settings.signal,
        })
    }

    fn plan(&mut self, backends: &Backends) -> Plan {
        count("plans", 1);
        let values = || backends.taking().map(|it| it.signal(&self.signal));
        let most = values().flatten().fold(0.0, f64::max);
        gauge("most", most);
        // One of which nothing is known has as much as the one that has most.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "1 to 1000"
        )]
        let room = |value: Option<f64>| {
            let part = value.unwrap_or(most).max(0.0) / most.max(f64::MIN_POSITIVE);
            ((1.0 - part) * 1000.0).max(1.0) as u32
        };
        let weights: Vec<u32> = values().map(room).collect();
        let slots = Shares::of(&weights, SLOTS).slots;
        let ids = backends.taking().map(|it| it.id);
        Plan::table(Selector::Random, ids.zip(slots))
    }
}

register_scheduler!(
    BySignal,
    "by-signal",
    "the less of a signal, the more connections"
);

#[cfg(test)]
mod tests {
    use evenkeel_sdk::testing::{self, SchedulerTest};

    use super::*;

    #[test]
    fn who_reports_less_gets_more() {
        let mut test = SchedulerTest::<BySignal>::new(&[]).unwrap();
        test.backends(&[("a", 1), ("b", 1)]);
        test.signals_of("a", &[("cpu", 0.25)]);
        test.signals_of("b", &[("cpu", 0.5), ("queue", 9.0)]);
        let counts = test.counts();
        assert!(counts["a"] > 9 * counts["b"], "{counts:?}");
        assert_eq!(testing::metrics()["most"], 0.5);
    }

    #[test]
    fn without_signals_all_are_alike() {
        let mut test = SchedulerTest::<BySignal>::new(&[]).unwrap();
        test.backends(&[("a", 1), ("b", 1)]);
        let counts = test.counts();
        assert_eq!(counts["a"], counts["b"]);
    }
}
