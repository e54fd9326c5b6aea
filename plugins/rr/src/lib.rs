//! Round robin: every real server gets a connection in turn.
use evenkeel_sdk::{Backends, Plan, Scheduler, register_scheduler};

struct RoundRobin;

impl Scheduler for RoundRobin {
    type Settings = ();

    fn new((): ()) -> Result<Self, String> {
        Ok(Self)
    }

    fn plan(&mut self, backends: &Backends) -> Plan {
        Plan::sequence(backends.taking())
    }
}

register_scheduler!(RoundRobin, "rr", "each server in turn, weights above 0 counting the same");
