//! A group of one server, which is another one every 200 ms although nothing has changed.
use std::time::Duration;

use evenkeel_sdk::{Backends, Group, Plan, Scheduler, register_scheduler};

/// How long each server has all connections.
const TURN: Duration = Duration::from_millis(200);

/// The scheduler.
pub struct Turning(usize);

impl Scheduler for Turning {
    type Settings = ();

    fn new((): ()) -> Result<Self, String> {
        Ok(Self(0))
    }

    fn plan(&mut self, backends: &Backends) -> Plan {
        self.0 += 1;
        let taking: Vec<_> = backends.taking().collect();
        let Some(now) = taking.get(self.0 % taking.len().max(1)) else {
            return Plan::None;
        };
        Plan::groups([Group::sequence([now.id])]).refresh(TURN)
    }
}

register_scheduler!(Turning, "turning", "one server after the other");

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_sdk::testing::SchedulerTest;

    #[test]
    fn without_servers_there_is_no_plan() {
        let mut test = SchedulerTest::<Turning>::new(&[]).unwrap();
        test.backends(&[]);
        assert_eq!(test.plan(), Plan::None);
    }
}
