//! At random, by weight.
use evenkeel_sdk::{Backends, Plan, Scheduler, Shares, register_scheduler};

/// The most slots of a table whose weights need more.
const MAX_SLOTS: u32 = 8192;

struct Random;

impl Scheduler for Random {
    type Settings = ();
    const DETERMINISTIC: bool = true;
    const STATELESS: bool = true;

    fn new((): ()) -> Result<Self, String> {
        Ok(Self)
    }

    fn plan(&mut self, backends: &Backends) -> Plan {
        let weights: Vec<u32> = backends.taking().map(|backend| backend.weight).collect();
        let ids = backends.taking().map(|backend| backend.id);
        Plan::random(ids.zip(Shares::of(&weights, MAX_SLOTS).slots))
    }
}

register_scheduler!(Random, "random", "at random, by weight");

#[cfg(test)]
mod tests;
