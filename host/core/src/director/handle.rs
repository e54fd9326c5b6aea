//! Taking in what happened.

use std::net::SocketAddr;
use std::time::Instant;

use tracing::{debug, error, warn};

use super::event::{Effect, Input};
use super::machine::Director;
use crate::health::ServerHealth;
use crate::model::{OnDown, ServiceKey};
use crate::state::{BackendId, Subject};
use crate::sync::{Damage, RefusedChange};

impl Director {
    /// Takes in what happened.
    pub fn handle(&mut self, input: Input, now: Instant) {
        if !self.heeds(&input) {
            return;
        }
        match input {
            Input::Health {
                service,
                server,
                health,
            } => self.health(service, server, health, now),
            Input::SchedulerDone {
                service,
                generation,
                result,
                took,
            } => self.scheduler_done(service, generation, (result, took), now),
            Input::Read(read) => {
                for (key, damage) in self.sync.read_done(read, now) {
                    self.report_damage(&key, damage);
                }
            }
            Input::Applied { outcome, took, .. } => {
                self.sync.charge(took, now);
                if let Some(refused) = self.sync.applied(outcome, now) {
                    self.report_refused(&refused);
                }
            }
            Input::Touched => self.sync.mark_stale(),
            Input::Hairpin(networks) => {
                self.hairpin_networks = networks;
                self.want_hairpin();
            }
            Input::Offload(interfaces) => self.sync.want_offload(interfaces),
            Input::Counted(counts) => self.counted(&counts, now),
            Input::QueueServed {
                service,
                generation,
                outcome,
            } => self.queue_served(service, generation, outcome, now),
            Input::VerdictFailed {
                service,
                generation,
                problem,
            } => self.verdict_failed(service, generation, problem, now),
        }
    }

    fn health(&mut self, key: ServiceKey, server: SocketAddr, health: ServerHealth, now: Instant) {
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        let on_down = service.spec.on_down;
        let Some(change) = service.set_health(server, health, now) else {
            return;
        };
        self.wake_to_grow(key, now);
        self.effects.extend(change.run);
        if let Some(why) = change.for_quorum {
            self.review_quorum(key, || why);
        }
        if !change.changed {
            self.facts_changed(key, now);
            return;
        }
        if change.went_down && on_down == OnDown::Kill {
            self.pending_flow_kills.add(key, change.id);
        }
        self.servers_changed(key, change.takes_less);
    }

    /// Flushes the flows of servers that the kernel sends nothing new to.
    pub(super) fn flush_flows(&mut self) {
        let Some(held) = self.sync.held_state() else {
            return;
        };
        let services = &self.services;
        let is_up = |key: &ServiceKey, id: BackendId| {
            services.get(key).is_some_and(|service| {
                let mut servers = service.servers.iter();
                servers.any(|server| server.id == id && server.up())
            })
        };
        for (key, id) in self.pending_flow_kills.flush(held, is_up) {
            debug!(service = %key, backend = %id, "flushing its flows");
            self.effects.push(Effect::KillFlows(id));
        }
    }

    fn report_refused(&self, refused: &RefusedChange) {
        let RefusedChange { subject, why, wait } = refused;
        match subject {
            Subject::Service(key) => {
                let name = self.service_name(key);
                error!(service = name, listen = %key, error = why, retry_in = ?wait,
                    "the kernel refuses this service, which stays as it was there; the others go on");
            }
            Subject::Hairpin | Subject::Offload | Subject::Timeouts => {
                error!(error = why, retry_in = ?wait, "the kernel refuses {subject}; the services go on");
            }
        }
    }

    fn service_name(&self, key: &ServiceKey) -> &str {
        self.services
            .get(key)
            .map_or("", |service| service.spec.name.as_str())
    }

    fn report_damage(&self, key: &ServiceKey, damage: Damage) {
        let name = self.service_name(key);
        warn!(service = name, listen = %key, "the kernel's rules were touched by someone else: it {damage}; repairing");
    }
}
