//! Locality-based least connections: an address keeps its server, until that is overloaded.
use std::time::Duration;

use evenkeel_sdk::cache::Cache;
use evenkeel_sdk::locality::{self, Key};
use evenkeel_sdk::{
    BackendId, Backends, Decision, Facts, Flow, Plan, Scheduler, now, register_scheduler, settings,
};

settings! {
    /// What can be configured.
    pub struct Settings {
        /// Which address keeps its server: that of the service, or the client's.
        key: Key = Key::Destination,
        /// How long an address that has no new connections keeps its server.
        timeout: Duration = Duration::from_secs(24 * 60 * 60),
        /// The most addresses that are remembered.
        #[range(1..=65_536)]
        entries: u32 = 16_384,
    }
}

/// The scheduler.
pub struct Locality {
    key: Key,
    servers: Cache<BackendId>,
}

impl Scheduler for Locality {
    type Settings = Settings;

    const DECISIONS: &'static [Decision] = &[Decision::PerConnection];
    const FACTS: Facts = Facts::CONNECTIONS;

    fn new(settings: Settings) -> Result<Self, String> {
        let most = usize::try_from(settings.entries).unwrap_or(usize::MAX);
        Ok(Self {
            key: settings.key,
            servers: Cache::new(most, settings.timeout),
        })
    }

    fn plan(&mut self, backends: &Backends) -> Plan {
        locality::fallback(backends)
    }

    fn pick(&mut self, flow: &Flow, backends: &Backends) -> Option<BackendId> {
        let now = now();
        let address = self.key.of(flow);
        let known = self.servers.touch(address, now);
        if let Some(server) = known.and_then(|id| backends.get(*id))
            && server.weight > 0
            && !locality::is_overloaded(server, backends)
        {
            return Some(server.id);
        }
        let server = locality::least(backends.iter())?.id;
        self.servers.insert(address, server, now);
        Some(server)
    }
}

register_scheduler!(
    Locality,
    "lblc",
    "an address keeps its server until that is overloaded; then the least loaded one"
);

#[cfg(test)]
mod tests;
