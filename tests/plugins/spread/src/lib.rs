//! As many neighbouring slots for each server as its weight says, taken by the configured selector.
use evenkeel_sdk::{Backends, Plan, Scheduler, Selector, choice, register_scheduler, settings};

choice! {
    /// Which slot a new connection takes.
    pub enum By {
        /// See [`Selector::Sequence`].
        Sequence = "sequence",
        /// See [`Selector::Random`].
        Random = "random",
        /// See [`Selector::HashSource`].
        HashSource = "hash-source",
        /// See [`Selector::HashFlow`].
        HashFlow = "hash-flow",
    }
}

settings! {
    /// What can be configured.
    pub struct Settings {
        /// Which slot a new connection takes.
        selector: By = By::Sequence,
    }
}

/// The scheduler.
pub struct Spread(Selector);

impl Scheduler for Spread {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        Ok(Self(match settings.selector {
            By::Sequence => Selector::Sequence,
            By::Random => Selector::Random,
            By::HashSource => Selector::HashSource,
            By::HashFlow => Selector::HashFlow,
        }))
    }

    fn plan(&mut self, backends: &Backends) -> Plan {
        Plan::table(
            self.0,
            backends.iter().map(|backend| (backend.id, backend.weight)),
        )
    }
}

register_scheduler!(Spread, "spread", "slots by weight, with any selector");

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_sdk::testing::SchedulerTest;

    #[test]
    fn slots_are_by_weight_and_the_selector_is_the_configured_one() {
        for (word, selector) in [
            ("sequence", Selector::Sequence),
            ("random", Selector::Random),
            ("hash-source", Selector::HashSource),
            ("hash-flow", Selector::HashFlow),
        ] {
            let mut test = SchedulerTest::<Spread>::new(&[("selector", word.into())]).unwrap();
            test.backends(&[("a", 2), ("b", 0), ("c", 1)]);
            assert_eq!(test.plan().as_table().unwrap().selector, selector);
            assert_eq!(test.slots(), ["a", "a", "c"]);
        }
    }
}
