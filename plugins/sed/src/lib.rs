//! Shortest expected delay: the server that would have the fewest open connections for its weight, the
//! new one included.
use evenkeel_sdk::{Backend, Backends, ByLoad, Greedy, Plan, Ratio, register_scheduler};

#[derive(Default)]
struct ShortestExpectedDelay(Greedy);

impl ByLoad for ShortestExpectedDelay {
    type Load = Ratio;

    /// How long the new connection would wait.
    fn load(backend: &Backend) -> Ratio {
        Ratio::new(u64::from(backend.counts.active) + 1, backend.weight)
    }

    fn spread(&mut self, backends: &Backends) -> Plan {
        self.0.plan(backends, Self::load)
    }
}

register_scheduler!(
    ShortestExpectedDelay,
    "sed",
    "the fewest open connections for the weight, the new one included"
);

#[cfg(test)]
mod tests;
