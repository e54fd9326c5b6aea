//! What counts of connections change: a server's thresholds, and what its scheduler is told.

use std::collections::BTreeSet;
use std::time::Instant;

use tracing::{debug, info};

use super::machine::Director;
use super::server::RealServer;
use crate::connections::Counts;
use crate::model::ServiceKey;
use crate::state::{BackendId, Selector, Spread};

impl Director {
    /// Nobody will follow the counts of connections any more: plans that were made for the next moment only give way
    /// to what holds for long, shares by weight.
    pub fn leave(&mut self) {
        let keys: Vec<ServiceKey> = self.services.keys().copied().collect();
        for key in keys {
            let Some(service) = self.services.get_mut(&key) else {
                continue;
            };
            let counts = service.supervisor.facts().connections;
            let follows = matches!(&service.last_good, Some(Spread::Slots { selector, .. }) if *selector == Selector::Sequence);
            if counts && follows {
                service.last_good = None;
                self.want(key);
            }
        }
    }

    /// Whether anybody wants to know how many connections there are: a scheduler, or a threshold.
    #[must_use]
    pub fn wants_counts(&self) -> bool {
        self.services.values().any(|service| {
            let limited = |it: &RealServer| it.spec.upper_threshold.is_some();
            service.supervisor.facts().connections || service.servers.iter().any(limited)
        })
    }

    /// Whether a scheduler wants to know how long checks take.
    #[must_use]
    pub fn wants_latency(&self) -> bool {
        let mut services = self.services.values();
        services.any(|service| service.supervisor.facts().latency)
    }

    /// Keeps the count of a server that is not configured, for as long as it has connections.
    pub(super) fn keep_count(&mut self, id: BackendId, counts: Counts) {
        if counts.all() > 0 {
            self.left_counts.insert(id, counts);
        } else {
            self.left_counts.remove(&id);
        }
    }

    pub(super) fn counted(&mut self, counts: &[(BackendId, Counts)], now: Instant) {
        let mut changed: BTreeSet<ServiceKey> = BTreeSet::new();
        for (id, counts) in counts {
            let Some(service) = self
                .owners
                .get(id)
                .and_then(|key| self.services.get_mut(key))
            else {
                self.keep_count(*id, *counts);
                continue;
            };
            let key = service.spec.key;
            let Some(server) = service.servers.iter_mut().find(|server| server.id == *id) else {
                continue;
            };
            changed.insert(key);
            if server.count(*counts) {
                let (service, server, full) = (&service.spec.name, &server.spec.name, server.full);
                if full {
                    info!(
                        service,
                        server,
                        connections = counts.all(),
                        "the server is at its upper threshold: no new connections"
                    );
                } else {
                    debug!(
                        service,
                        server,
                        connections = counts.all(),
                        "the server takes new connections again"
                    );
                }
                self.servers_changed(key, full);
            }
        }
        for key in changed {
            self.facts_changed(key, now);
        }
    }
}
