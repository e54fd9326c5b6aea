//! Weighted least connections: the server with the fewest connections for its weight.
use evenkeel_sdk::{Backend, Backends, ByLoad, Greedy, Plan, Ratio, register_scheduler};

#[derive(Default)]
struct WeightedLeastConnections(Greedy);

impl ByLoad for WeightedLeastConnections {
    type Load = Ratio;

    fn load(backend: &Backend) -> Ratio {
        Ratio::new(backend.counts.overhead(), backend.weight)
    }

    fn spread(&mut self, backends: &Backends) -> Plan {
        self.0.plan(backends, Self::load)
    }
}

register_scheduler!(
    WeightedLeastConnections,
    "wlc",
    "the server with the fewest connections for its weight"
);

#[cfg(test)]
mod tests;
