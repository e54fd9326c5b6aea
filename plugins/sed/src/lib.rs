//! Shortest expected delay: the server that would have the fewest open connections for its weight, the
//! new one included.
use evenkeel_sdk::{
    Backend, BackendId, Backends, Decision, Facts, Flow, Greedy, Plan, Ratio, Scheduler, least,
    register_scheduler,
};

#[derive(Default)]
struct ShortestExpectedDelay(Greedy);

/// How long the new connection would wait.
fn delay(backend: &Backend) -> Ratio {
    Ratio::new(u64::from(backend.counts.active) + 1, backend.weight)
}

impl Scheduler for ShortestExpectedDelay {
    type Settings = ();
    const DECISIONS: &'static [Decision] = &[Decision::Plan, Decision::PerConnection];
    const FACTS: Facts = Facts::CONNECTIONS;

    fn new((): ()) -> Result<Self, String> {
        Ok(Self::default())
    }

    fn plan(&mut self, backends: &Backends) -> Plan {
        self.0.plan(backends, delay)
    }

    fn pick(&mut self, _: &Flow, backends: &Backends) -> Option<BackendId> {
        least(backends, delay)
    }
}

register_scheduler!(
    ShortestExpectedDelay,
    "sed",
    "the fewest open connections for the weight, the new one included"
);

#[cfg(test)]
mod tests;
