//! Weighted least connections: the server with the fewest connections for its weight.
use evenkeel_sdk::{
    Backend, BackendId, Backends, Decision, Facts, Flow, Greedy, Plan, Ratio, Scheduler, least,
    register_scheduler,
};

#[derive(Default)]
struct WeightedLeastConnections(Greedy);

/// What a server has to do for its weight: an open connection counts as much as 256 that are closing
/// (IPVS).
fn load(backend: &Backend) -> Ratio {
    let overhead = u64::from(backend.counts.active) * 256 + u64::from(backend.counts.inactive);
    Ratio::new(overhead, backend.weight)
}

impl Scheduler for WeightedLeastConnections {
    type Settings = ();
    const DECISIONS: &'static [Decision] = &[Decision::Plan, Decision::PerConnection];
    const FACTS: Facts = Facts::CONNECTIONS;

    fn new((): ()) -> Result<Self, String> {
        Ok(Self::default())
    }

    fn plan(&mut self, backends: &Backends) -> Plan {
        self.0.plan(backends, load)
    }

    fn pick(&mut self, _: &Flow, backends: &Backends) -> Option<BackendId> {
        least(backends, load)
    }
}

register_scheduler!(
    WeightedLeastConnections,
    "wlc",
    "the server with the fewest connections for its weight"
);

#[cfg(test)]
mod tests;
