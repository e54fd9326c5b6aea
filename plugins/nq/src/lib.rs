//! Never queue: an idle server, if there is one; otherwise the shortest expected delay.
use evenkeel_sdk::{Backend, Backends, ByLoad, Greedy, Plan, Ratio, register_scheduler};

#[derive(Default)]
struct NeverQueue(Greedy);

impl ByLoad for NeverQueue {
    type Load = Ratio;

    /// How long the new connection would wait: not at all at an idle server, however slow that is.
    fn load(backend: &Backend) -> Ratio {
        let ahead = match backend.counts.active {
            0 => 0,
            active => u64::from(active) + 1,
        };
        Ratio::new(ahead, backend.weight)
    }

    fn spread(&mut self, backends: &Backends) -> Plan {
        self.0.plan(backends, Self::load)
    }
}

register_scheduler!(
    NeverQueue,
    "nq",
    "an idle server if there is one, otherwise the shortest expected delay"
);

#[cfg(test)]
mod tests;
