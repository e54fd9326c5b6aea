//! Failover: everything to the usable server of the greatest weight.
use std::cmp::Reverse;

use evenkeel_sdk::{
    BackendId, Backends, Decision, Flow, Plan, Scheduler, least, register_scheduler,
};

struct Failover;

/// Of equals the first in the configuration.
fn first(backends: &Backends) -> Option<BackendId> {
    least(backends, |backend| Reverse(backend.weight))
}

impl Scheduler for Failover {
    type Settings = ();
    const DECISIONS: &'static [Decision] = &[Decision::Plan, Decision::PerConnection];
    const DETERMINISTIC: bool = true;
    const STATELESS: bool = true;

    fn new((): ()) -> Result<Self, String> {
        Ok(Self)
    }

    fn plan(&mut self, backends: &Backends) -> Plan {
        Plan::sequence(first(backends))
    }

    fn pick(&mut self, _: &Flow, backends: &Backends) -> Option<BackendId> {
        first(backends)
    }
}

register_scheduler!(
    Failover,
    "fo",
    "everything to the usable server of the greatest weight"
);

#[cfg(test)]
mod tests;
