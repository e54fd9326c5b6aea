//! Taking in a configuration: what stays as it is keeps its state.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use evenkeel_core::approximate;
use evenkeel_core::manifest::Decision;
use evenkeel_core::model::{OnDown, Service, ServiceKey};
use evenkeel_core::quorum::Quorum;
use evenkeel_core::state::{Spread, State};
use evenkeel_runtime::BackendFacts;
use tracing::error;

use super::seat::Seat;
use super::service::{self, RealServer, VirtualService};
use super::{Director, Effect, counting, pause, stop_picking};
use crate::prepare::Prepared;

impl Director {
    /// Makes the configuration the one in force: services, servers and schedulers that stay as they are keep their state.
    ///
    /// `adopted` is what the kernel held at the start of the daemon; nothing afterwards.
    pub(crate) fn configure(&mut self, prepared: Prepared, adopted: Option<&State>, now: Instant) {
        let resync = pause(self.kind, prepared.model.daemon.resync);
        self.sync.set_resync(resync, now);
        let mut schedulers = prepared.schedulers;
        let mut old = std::mem::take(&mut self.services);
        self.order = prepared
            .model
            .services
            .iter()
            .map(|service| service.key)
            .collect();
        for spec in prepared.model.services {
            let key = spec.key;
            let mut before = old.remove(&key);
            let servers = self.servers_of(&spec, before.as_mut());
            match schedulers.remove(&key) {
                Some(new) => {
                    self.seats += 1;
                    let last_good = match before {
                        Some(before) => before.last_good,
                        None => adopted
                            .and_then(|state| state.services.get(&key))
                            .map(|state| state.spread.clone())
                            .filter(|spread| *spread != Spread::Refuse),
                    };
                    let quorum = Quorum::new(&spec, service::live_weight(&servers));
                    self.effects.push(Effect::Quorum {
                        service: spec.name.clone(),
                        reached: quorum.reached(),
                    });
                    let (plugin, settings) = (new.plugin, new.settings);
                    let seat =
                        Seat::new(self.seats, plugin, settings, new.scheduler, spec.decision);
                    let for_good = spec.decision != Decision::PerConnection;
                    self.effects.push(stop_picking(key, for_good));
                    self.opening.remove(&key);
                    let service = VirtualService {
                        quorum,
                        queue: self.queues.of(&spec),
                        picking: false,
                        spec,
                        seat,
                        servers,
                        last_good,
                        asked_about: Vec::new(),
                        problem: None,
                    };
                    self.services.insert(key, service);
                    self.unanswered.insert(key);
                    self.news(key, false);
                }
                None => {
                    let Some(mut service) = before else {
                        error!(
                            service = spec.name,
                            "bug: a new service without a scheduler"
                        );
                        continue;
                    };
                    if spec.decision != service.seat.decision() || spec.snat != service.spec.snat {
                        service.picking = false;
                        self.opening.remove(&key);
                        let for_good = spec.decision != Decision::PerConnection;
                        self.effects.push(stop_picking(key, for_good));
                    }
                    service.seat.decide(spec.decision);
                    service.queue = self.queues.of(&spec);
                    service.spec = spec;
                    service.servers = servers;
                    self.effects.push(service.quorum_now());
                    self.services.insert(key, service);
                    self.news(key, true);
                }
            }
        }
        for (key, service) in old {
            for server in &service.servers {
                self.forget(key, service.spec.on_down, server);
            }
            self.unanswered.remove(&key);
            self.opening.remove(&key);
            self.queues.release(&key);
            self.effects.push(stop_picking(key, true));
            self.sync.want(key, None);
        }
        self.pace = counting::pace(self.services.len());
        self.want_hairpin();
        let timeouts = prepared.model.ipvs_timeouts;
        self.sync
            .want_timeouts(approximate::timeouts(self.kind, timeouts));
    }

    /// The servers of a service as now configured: those that it had before keep their number and health.
    fn servers_of(
        &mut self,
        spec: &Service,
        before: Option<&mut VirtualService>,
    ) -> Vec<RealServer> {
        let mut known: BTreeMap<SocketAddr, RealServer> = before
            .map(|service| std::mem::take(&mut service.servers))
            .unwrap_or_default()
            .into_iter()
            .map(|server| (server.spec.address, server))
            .collect();
        let mut servers = Vec::with_capacity(spec.servers.len());
        for server in &spec.servers {
            let Some(id) = self.ids.get(spec.key, server.address) else {
                error!(
                    service = spec.name,
                    server = server.name,
                    "no number is left for this server; it is not used"
                );
                continue;
            };
            let old = known.remove(&server.address);
            let counts = old.as_ref().map(|old| old.counts).unwrap_or_default();
            let full = old.as_ref().is_some_and(|old| old.full);
            let health = old.and_then(|old| old.health);
            let mut server = RealServer {
                health: health.filter(|_| !server.checks.is_empty()),
                spec: server.clone(),
                id,
                counts,
                full,
                told: BackendFacts::default(),
            };
            // The thresholds may be others now.
            server.count(counts);
            self.owners.insert(id, spec.key);
            servers.push(server);
        }
        for gone in known.into_values() {
            self.forget(spec.key, spec.on_down, &gone);
        }
        servers
    }

    /// A server is no longer configured.
    fn forget(&mut self, key: ServiceKey, on_down: OnDown, server: &RealServer) {
        self.ids.release(key, server.spec.address);
        self.owners.remove(&server.id);
        if on_down == OnDown::Kill {
            self.doomed.entry(key).or_default().push(server.id);
        }
    }
}
