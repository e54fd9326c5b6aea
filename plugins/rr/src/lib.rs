//! Round robin: every real server gets a connection in turn.
use evenkeel_sdk::{Backends, Plan, Scheduler, register_scheduler};

struct RoundRobin;

impl Scheduler for RoundRobin {
    type Settings = ();
    const DETERMINISTIC: bool = true;
    const STATELESS: bool = true;

    fn new((): ()) -> Result<Self, String> {
        Ok(Self)
    }

    fn plan(&mut self, backends: &Backends) -> Plan {
        Plan::sequence(backends.taking())
    }
}

register_scheduler!(
    RoundRobin,
    "rr",
    "each server in turn, weights above 0 counting the same"
);

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_sdk::testing::{SchedulerTest, scheduler_manifest};

    #[test]
    fn every_server_that_takes_connections_has_one_slot_in_the_configurations_order() {
        let mut test = SchedulerTest::<RoundRobin>::new(&[]).unwrap();
        test.backends(&[("b", 5), ("a", 1), ("draining", 0), ("c", 1)]);
        assert_eq!(test.slots(), ["b", "a", "c"]);
    }

    #[test]
    fn without_a_server_that_takes_connections_they_are_refused() {
        let mut test = SchedulerTest::<RoundRobin>::new(&[]).unwrap();
        assert_eq!(test.plan(), Plan::None);
        test.backends(&[("draining", 0)]);
        assert_eq!(test.plan(), Plan::None);
    }

    #[test]
    fn it_has_no_settings() {
        assert!(scheduler_manifest::<RoundRobin>().settings.is_empty());
        assert!(SchedulerTest::<RoundRobin>::new(&[("weight", 1.into())]).is_err());
    }
}
