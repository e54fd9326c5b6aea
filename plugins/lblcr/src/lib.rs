//! Locality-based least connections with replication: an address keeps a set of servers, which grows
//! while they are overloaded and shrinks with time.
use std::time::Duration;

use evenkeel_sdk::cache::Cache;
use evenkeel_sdk::locality::{self, Key};
use evenkeel_sdk::{
    BackendId, Backends, Decision, Facts, Flow, Plan, Scheduler, now, register_scheduler, settings,
};

mod set;

use crate::set::Set;

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
        locality::fallback(backends)
    }

    fn pick(&mut self, flow: &Flow, backends: &Backends) -> Option<BackendId> {
        let now = now();
        let address = self.key.of(flow);
        let Some(set) = self.sets.touch(address, now) else {
            let server = locality::least(backends.iter())?.id;
            self.sets.insert(address, Set::new(server, now), now);
            return Some(server);
        };
        // The server is chosen first, so the one that is taken out may still get this connection.
        let server = locality::least(set.usable(backends));
        set.shrink(backends, self.timeout, now);
        if let Some(server) = server
            && !locality::is_overloaded(server, backends)
        {
            return Some(server.id);
        }
        let server = locality::least(backends.iter())?.id;
        set.add(server, now);
        Some(server)
    }
}

register_scheduler!(
    Replication,
    "lblcr",
    "an address keeps a set of servers, which grows while they are overloaded"
);

#[cfg(test)]
mod tests;
