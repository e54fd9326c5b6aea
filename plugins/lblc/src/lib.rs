//! Locality-based least connections: an address keeps its server, until that is overloaded.
use std::net::IpAddr;
use std::time::Duration;

use evenkeel_sdk::cache::Cache;
use evenkeel_sdk::{
    BackendId, Backends, Decision, Facts, Flow, Plan, Scheduler, choice, now, register_scheduler,
    settings,
};

mod load;

choice! {
    /// Which address keeps its server.
    pub enum Key {
        /// The virtual address.
        Destination = "destination",
        /// The client's.
        Source = "source",
    }
}

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
        load::fallback(backends)
    }

    fn pick(&mut self, flow: &Flow, backends: &Backends) -> Option<BackendId> {
        let now = now();
        let address = self.key.of(flow);
        let known = self.servers.touch(address, now);
        if let Some(server) = known.and_then(|id| backends.get(*id))
            && server.weight > 0
            && !load::is_overloaded(server, backends)
        {
            return Some(server.id);
        }
        let server = load::least(backends.iter())?.id;
        self.servers.insert(address, server, now);
        Some(server)
    }
}

impl Key {
    /// The address of a connection.
    fn of(&self, flow: &Flow) -> IpAddr {
        match self {
            Self::Destination => flow.destination.ip(),
            Self::Source => flow.source.ip(),
        }
    }
}

register_scheduler!(
    Locality,
    "lblc",
    "an address keeps its server until that is overloaded; then the least loaded one"
);

#[cfg(test)]
mod tests;
