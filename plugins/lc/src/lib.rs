//! Least connections: the server with the fewest connections, whatever its weight.
use evenkeel_sdk::{Backend, Backends, ByLoad, Greedy, Plan, register_scheduler};

#[derive(Default)]
struct LeastConnections(Greedy);

impl ByLoad for LeastConnections {
    type Load = u64;

    fn load(backend: &Backend) -> u64 {
        backend.counts.overhead()
    }

    fn spread(&mut self, backends: &Backends) -> Plan {
        self.0.plan(backends, Self::load)
    }
}

register_scheduler!(
    LeastConnections,
    "lc",
    "the server with the fewest connections, weights above 0 counting the same"
);

#[cfg(test)]
mod tests;
