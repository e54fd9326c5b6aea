//! Overflow: the server of the greatest weight, until it has more connections than its weight; then the
//! next.
use std::cmp::Reverse;
use std::collections::BTreeMap;

use evenkeel_sdk::{
    Backend, BackendId, Backends, Decision, Facts, Flow, Greedy, Plan, Scheduler,
    register_scheduler,
};

#[derive(Default)]
struct Overflow(Greedy);

/// The greatest weight first; none for a server that has overflowed, which is so when it has more open
/// connections than its weight (IPVS: as many are not too many).
fn rank(backend: &Backend) -> Option<Reverse<u32>> {
    (backend.counts.active <= backend.weight).then_some(Reverse(backend.weight))
}

impl Scheduler for Overflow {
    type Settings = ();
    const DECISIONS: &'static [Decision] = &[Decision::Plan, Decision::PerConnection];
    const FACTS: Facts = Facts::CONNECTIONS;

    fn new((): ()) -> Result<Self, String> {
        Ok(Self::default())
    }

    fn plan(&mut self, backends: &Backends) -> Plan {
        // Of equal weights the first is filled before the next, where a plan would take turns.
        let places: BTreeMap<BackendId, usize> = (backends.iter().map(|b| b.id)).zip(0..).collect();
        self.0.plan_where(backends, |backend| {
            Some((rank(backend)?, places.get(&backend.id)))
        })
    }

    fn pick(&mut self, _: &Flow, backends: &Backends) -> Option<BackendId> {
        let left = backends.taking().filter_map(|b| Some((rank(b)?, b.id)));
        left.min_by_key(|(rank, _)| *rank).map(|(_, id)| id)
    }
}

register_scheduler!(
    Overflow,
    "ovf",
    "the server of the greatest weight until it has more connections than that, then the next"
);

#[cfg(test)]
mod tests;
