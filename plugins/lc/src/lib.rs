//! Least connections: the server with the fewest connections, whatever its weight.
use evenkeel_sdk::{
    Backend, BackendId, Backends, Decision, Facts, Flow, Greedy, Plan, Scheduler, least,
    register_scheduler,
};

#[derive(Default)]
struct LeastConnections(Greedy);

/// What a server has to do: an open connection counts as much as 256 that are closing (IPVS).
fn overhead(backend: &Backend) -> u64 {
    u64::from(backend.counts.active) * 256 + u64::from(backend.counts.inactive)
}

impl Scheduler for LeastConnections {
    type Settings = ();
    const DECISIONS: &'static [Decision] = &[Decision::Plan, Decision::PerConnection];
    const FACTS: Facts = Facts::CONNECTIONS;

    fn new((): ()) -> Result<Self, String> {
        Ok(Self::default())
    }

    fn plan(&mut self, backends: &Backends) -> Plan {
        self.0.plan(backends, overhead)
    }

    fn pick(&mut self, _: &Flow, backends: &Backends) -> Option<BackendId> {
        least(backends, overhead)
    }
}

register_scheduler!(
    LeastConnections,
    "lc",
    "the server with the fewest connections, weights above 0 counting the same"
);

#[cfg(test)]
mod tests;
