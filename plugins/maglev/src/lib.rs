//! Maglev hashing with exact weights: a client's address (and port) chooses a slot of a table in which a
//! server's coming, going or change of weight changes little more than its own slots.
use std::net::SocketAddr;

use evenkeel_sdk::{
    Backend, BackendId, Backends, Decision, Flow, Plan, Scheduler, Selector, register_scheduler,
    settings,
};

mod table;

settings! {
    /// What can be configured.
    pub struct Settings {
        /// Slots, a prime number. A hundred times the number of servers keeps shares within a percent.
        #[range(2..=65_521)]
        size: u32 = 4093,
        /// Whether the client's port is hashed too: a client's connections go to several servers.
        port: bool = false,
    }
}

/// The scheduler.
pub struct Maglev {
    settings: Settings,
    /// Whose each slot is.
    slots: Vec<BackendId>,
}

impl Scheduler for Maglev {
    type Settings = Settings;

    const DECISIONS: &'static [Decision] = &[Decision::Plan, Decision::PerConnection];

    fn new(settings: Settings) -> Result<Self, String> {
        if !table::is_prime(settings.size) {
            let near = (2..=settings.size).rev().find(|n| table::is_prime(*n));
            return Err(format!(
                "size = {} is not a prime number; {} is",
                settings.size,
                near.unwrap_or(2)
            ));
        }
        Ok(Self {
            settings,
            slots: Vec::new(),
        })
    }

    fn plan(&mut self, backends: &Backends) -> Plan {
        self.fill(backends);
        let selector = if self.settings.port {
            Selector::HashFlow
        } else {
            Selector::HashSource
        };
        Plan::table(selector, self.slots.iter().copied())
    }

    fn pick(&mut self, flow: &Flow, backends: &Backends) -> Option<BackendId> {
        let port = if self.settings.port {
            flow.source.port()
        } else {
            0
        };
        let client = SocketAddr::new(flow.source.ip(), port);
        let slot = usize::try_from(table::slot(client, self.settings.size)).ok()?;
        let takes = |id: &BackendId| backends.get(*id).is_some_and(|backend| backend.weight > 0);
        if !self.slots.get(slot).is_some_and(takes) {
            self.fill(backends);
        }
        self.slots.get(slot).copied()
    }
}

impl Maglev {
    fn fill(&mut self, backends: &Backends) {
        let servers: Vec<&Backend> = backends.taking().collect();
        self.slots = table::fill(&servers, self.settings.size)
            .into_iter()
            .map(|server| servers[server].id)
            .collect();
    }
}

register_scheduler!(
    Maglev,
    "maglev",
    "a client keeps its server, by a Maglev table with exact weights"
);

#[cfg(test)]
mod moves;
#[cfg(test)]
mod tests;
