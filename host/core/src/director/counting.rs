//! What counts of connections change: a server's thresholds, and what its scheduler is told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use tracing::{debug, info};

use super::machine::Director;
use super::server::RealServer;
use crate::connections::Counts;
use crate::model::ServiceKey;
use crate::scheduler::DirectorRole;
use crate::state::BackendId;

impl Director {
    /// Whether anybody wants to know how many connections there are: a scheduler, or a threshold.
    #[must_use]
    pub fn wants_counts(&self) -> bool {
        self.services.values().any(|service| {
            let limited = |it: &RealServer| it.spec.upper_threshold.is_some();
            let facts = service.facts();
            facts.connections || facts.traffic || service.servers.iter().any(limited)
        })
    }

    /// Whether a scheduler wants to know how much is sent.
    #[must_use]
    pub fn wants_traffic(&self) -> bool {
        let mut services = self.services.values();
        services.any(|service| service.facts().traffic)
    }

    /// Whether a scheduler wants to know what checks measure.
    #[must_use]
    pub fn wants_measurements(&self) -> bool {
        let mut services = self.services.values();
        services.any(|service| service.facts().measurements())
    }

    /// The services whose address is on another director: what the kernel still knows of their connections is not
    /// counted, for schedulers, thresholds and reports.
    pub fn set_elsewhere(&mut self, services: BTreeSet<ServiceKey>, now: Instant) {
        let changed: Vec<ServiceKey> = self
            .elsewhere
            .symmetric_difference(&services)
            .copied()
            .collect();
        for key in changed {
            let Some(service) = self.services.get_mut(&key) else {
                continue;
            };
            let elsewhere = services.contains(&key);
            let (mut filled, mut freed) = (false, false);
            for server in &mut service.servers {
                if server.set_elsewhere(elsewhere) {
                    filled |= server.full;
                    freed |= !server.full;
                    log_full(&service.spec.name, server);
                }
            }
            if filled || freed {
                self.servers_changed(key, filled);
            }
            self.facts_changed(key, now);
        }
        self.elsewhere = services;
    }

    /// This director's role for each service whose address belongs to a VRRP instance: schedulers are told of it.
    pub fn set_roles(&mut self, roles: BTreeMap<ServiceKey, DirectorRole>) {
        self.roles = roles;
        for (key, service) in &mut self.services {
            let role = self.roles.get(key).copied().unwrap_or_default();
            let second = service.second.as_mut();
            let second = second.is_some_and(|it| it.set_director_role(role));
            if service.supervisor.set_role(role) | second {
                self.needs_plan.insert(*key);
            }
        }
    }

    pub(super) fn role(&self, key: &ServiceKey) -> DirectorRole {
        self.roles.get(key).copied().unwrap_or_default()
    }

    /// The services whose address is on another director, as last set.
    #[must_use]
    pub fn elsewhere(&self) -> &BTreeSet<ServiceKey> {
        &self.elsewhere
    }

    /// Their servers.
    #[must_use]
    pub fn servers_elsewhere(&self) -> BTreeSet<BackendId> {
        let services = self.elsewhere.iter();
        let services = services.filter_map(|key| self.services.get(key));
        services
            .flat_map(|service| &service.servers)
            .map(|server| server.id)
            .collect()
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
            if server.count(*counts, now) {
                let full = server.full;
                log_full(&service.spec.name, server);
                self.servers_changed(key, full);
            }
        }
        for key in changed {
            self.facts_changed(key, now);
        }
    }
}

/// A server has reached its upper threshold, or is below its lower one again.
fn log_full(service: &str, server: &RealServer) {
    let connections = server.counts().all();
    let (server, full) = (&server.spec.name, server.full);
    if full {
        info!(
            service,
            server, connections, "the server is at its upper threshold: no new connections"
        );
    } else {
        debug!(
            service,
            server, connections, "the server takes new connections again"
        );
    }
}
