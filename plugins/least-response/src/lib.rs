//! Least response time: the server with the least product of latency, as health checks measure it, and
//! open connections.
use std::time::Duration;

use evenkeel_sdk::{
    Backend, BackendId, Backends, Decision, Facts, Flow, Greedy, Plan, Ratio, Scheduler, least,
    register_scheduler, settings,
};

settings! {
    /// What can be configured.
    pub struct Settings {
        /// Latencies below this count as this: what is faster does not tell servers apart.
        floor: Duration = Duration::from_millis(1),
    }
}

/// The scheduler.
pub struct LeastResponse {
    /// In microseconds.
    floor: u64,
    greedy: Greedy,
}

impl LeastResponse {
    /// A server's latency in microseconds, if it is known.
    fn latency(&self, backend: &Backend) -> Option<u64> {
        let micros = backend.counts.latency?.as_micros();
        // Anything longer than an hour is as bad; the product with 2^32 connections fits 64 bits.
        let most = u64::from(u32::MAX);
        Some(
            u64::try_from(micros)
                .unwrap_or(most)
                .clamp(self.floor, most),
        )
    }

    /// The latency of servers that were not measured yet: the others' average, so that they get their
    /// part but no flood.
    fn usual(&self, backends: &Backends) -> u64 {
        let known = backends.taking().filter_map(|b| self.latency(b));
        let (sum, count) = known.fold((0_u64, 0), |(sum, count), l| (sum + l, count + 1));
        sum.checked_div(count).unwrap_or(self.floor)
    }

    /// Latency times connections, the new one included, for the weight.
    fn cost(&self, backend: &Backend, usual: u64) -> Ratio {
        let latency = self.latency(backend).unwrap_or(usual);
        let connections = u64::from(backend.counts.active) + 1;
        Ratio::new(latency.saturating_mul(connections), backend.weight)
    }
}

impl Scheduler for LeastResponse {
    type Settings = Settings;
    const DECISIONS: &'static [Decision] = &[Decision::Plan, Decision::PerConnection];
    const FACTS: Facts = Facts::CONNECTIONS.and(Facts::LATENCY);

    fn new(settings: Settings) -> Result<Self, String> {
        let floor = u64::try_from(settings.floor.as_micros()).unwrap_or(u64::MAX);
        if floor > u64::from(u32::MAX) {
            return Err("floor is longer than an hour".to_owned());
        }
        Ok(Self {
            // Without any latency the number of connections would not count.
            floor: floor.max(1),
            greedy: Greedy::default(),
        })
    }

    fn plan(&mut self, backends: &Backends) -> Plan {
        let usual = self.usual(backends);
        let mut greedy = std::mem::take(&mut self.greedy);
        let plan = greedy.plan(backends, |backend| self.cost(backend, usual));
        self.greedy = greedy;
        plan
    }

    fn pick(&mut self, _: &Flow, backends: &Backends) -> Option<BackendId> {
        let usual = self.usual(backends);
        least(backends, |backend| self.cost(backend, usual))
    }
}

register_scheduler!(
    LeastResponse,
    "least-response",
    "the least latency (as checks measure it) times open connections, for the weight"
);

#[cfg(test)]
mod tests;
