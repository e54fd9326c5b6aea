//! Sends a new connection to a server at random, a server of weight 2 twice as often as one of weight 1.
use evenkeel_sdk::{Backend, Backends, Plan, Scheduler, Shares, register_scheduler, settings};

/// The most slots of a plan, unless there are more servers. Weights that need more are rounded.
const MAX_SLOTS: u32 = 4096;

settings! {
    /// What can be configured: `settings = { least-weight = 2 }`.
    pub struct Settings {
        /// Servers with less weight than this get no connections.
        #[range(1..=65_535)]
        least_weight: u32 = 1,
    }
}

/// One for each service.
pub struct MyScheduler(Settings);

impl Scheduler for MyScheduler {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        Ok(Self(settings))
    }

    /// Called when servers come, go or change their weight. The kernel follows the plan until the next call.
    fn plan(&mut self, backends: &Backends) -> Plan {
        let least = self.0.least_weight;
        let chosen: Vec<&Backend> = backends.taking().filter(|it| it.weight >= least).collect();
        let weights: Vec<u32> = chosen.iter().map(|server| server.weight).collect();
        let slots = Shares::of(&weights, MAX_SLOTS).slots;
        Plan::random(chosen.iter().map(|server| server.id).zip(slots))
    }
}

register_scheduler!(MyScheduler, "{{name}}", "at random, by weight");

#[cfg(test)]
mod tests {
    use evenkeel_sdk::testing::SchedulerTest;

    use super::*;

    #[test]
    fn servers_get_connections_by_weight() {
        let mut test = SchedulerTest::<MyScheduler>::new(&[]).unwrap();
        test.backends(&[("a", 3), ("b", 1), ("draining", 0)]);
        assert_eq!(test.counts(), [("a".to_owned(), 3), ("b".to_owned(), 1)].into());
    }

    #[test]
    fn servers_of_less_weight_than_configured_get_none() {
        let mut test = SchedulerTest::<MyScheduler>::new(&[("least-weight", 2.into())]).unwrap();
        test.backends(&[("a", 3), ("b", 1)]);
        assert_eq!(test.counts().into_keys().collect::<Vec<_>>(), ["a"]);
    }
}
