//! Locality-based least connections with replication: an address keeps a set of servers, which grows
//! while they are overloaded and shrinks with time.
use std::net::IpAddr;
use std::time::Duration;

use evenkeel_sdk::cache::Cache;
use evenkeel_sdk::{
    BackendId, Backends, Decision, Facts, Flow, Plan, Scheduler, choice, now, register_scheduler,
    settings,
};

mod load;
mod set;

use crate::set::Set;

choice! {
    /// Which address keeps its servers.
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
        /// Which address keeps its servers: that of the service, or the client's.
        key: Key = Key::Destination,
        /// How long an address that has no new connections keeps its servers, and how long a set stays
        /// as it is before its most loaded server is taken out.
        timeout: Duration = Duration::from_secs(24 * 60 * 60),
        /// The most addresses that are remembered.
        #[range(1..=65_536)]
        entries: u32 = 16_384,
    }
}

/// The scheduler.
pub struct Replication {
    key: Key,
    timeout: Duration,
    sets: Cache<Set>,
}

impl Scheduler for Replication {
    type Settings = Settings;

    const DECISIONS: &'static [Decision] = &[Decision::PerConnection];
    const FACTS: Facts = Facts::CONNECTIONS;

    fn new(settings: Settings) -> Result<Self, String> {
        let most = usize::try_from(settings.entries).unwrap_or(usize::MAX);
        Ok(Self {
            key: settings.key,
            timeout: settings.timeout,
            sets: Cache::new(most, settings.timeout),
        })
    }

    fn plan(&mut self, backends: &Backends) -> Plan {
        load::fallback(backends)
    }

    fn pick(&mut self, flow: &Flow, backends: &Backends) -> Option<BackendId> {
        let now = now();
        let address = self.key.of(flow);
        let Some(set) = self.sets.touch(address, now) else {
            let server = load::least(backends.iter())?.id;
            self.sets.insert(address, Set::new(server, now), now);
            return Some(server);
        };
        // The server is chosen first, so the one that is taken out may still get this connection.
        let server = load::least(set.usable(backends));
        set.shrink(backends, self.timeout, now);
        if let Some(server) = server
            && !load::is_overloaded(server, backends)
        {
            return Some(server.id);
        }
        let server = load::least(backends.iter())?.id;
        set.add(server, now);
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
    Replication,
    "lblcr",
    "an address keeps a set of servers, which grows while they are overloaded"
);

#[cfg(test)]
mod tests;
