//! Never queue: an idle server, if there is one; otherwise the shortest expected delay.
use evenkeel_sdk::{
    Backend, BackendId, Backends, Decision, Facts, Flow, Greedy, Plan, Ratio, Scheduler, least,
    register_scheduler,
};

#[derive(Default)]
struct NeverQueue(Greedy);

/// How long the new connection would wait: not at all at an idle server, however slow that is.
fn delay(backend: &Backend) -> Ratio {
    let ahead = match backend.counts.active {
        0 => 0,
        active => u64::from(active) + 1,
    };
    Ratio::new(ahead, backend.weight)
}

impl Scheduler for NeverQueue {
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
    NeverQueue,
    "nq",
    "an idle server if there is one, otherwise the shortest expected delay"
);

#[cfg(test)]
mod tests;
