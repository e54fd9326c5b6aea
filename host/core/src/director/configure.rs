//! Taking in a configuration: what stays as it is keeps its state.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use tracing::error;

use super::event::{DirectorConfig, Effect, NewScheduler};
use super::machine::{self, Director};
use super::server::RealServer;
use super::service::{self, VirtualService};
use super::supervisor::SchedulerSupervisor;
use crate::approximate;
use crate::manifest::Decision;
use crate::model::{OnDown, Service, ServiceKey};
use crate::quorum::Quorum;
use crate::scheduler::BackendFacts;
use crate::state::{Spread, State};

impl Director {
    /// Makes the configuration the one in force: services, servers and schedulers that stay as they are keep their
    /// state.
    ///
    /// `adopted` is what the kernel held at the start of the daemon; nothing afterwards.
    pub fn configure(&mut self, config: DirectorConfig, adopted: Option<&State>, now: Instant) {
        let resync = machine::resync(self.kind, config.resync);
        self.sync.set_resync(resync, now);
        let mut schedulers = config.schedulers;
        let mut old = std::mem::take(&mut self.services);
        self.order = config.services.iter().map(|service| service.key).collect();
        for spec in config.services {
            let mut before = old.remove(&spec.key);
            let servers = self.servers_of(&spec, before.as_mut());
            match (schedulers.remove(&spec.key), before) {
                (Some(new), before) => {
                    let last_good = match before {
                        Some(before) => before.last_good,
                        None => adopted_spread(adopted, &spec.key),
                    };
                    self.replace_service(spec, servers, new, last_good);
                }
                (None, Some(before)) => self.keep_service(before, spec, servers),
                (None, None) => error!(
                    service = spec.name,
                    "bug: a new service without a scheduler"
                ),
            }
        }
        for (key, service) in old {
            self.remove_service(key, &service);
        }
        self.update_interval = machine::update_interval(self.services.len());
        self.want_hairpin();
        self.sync
            .want_timeouts(approximate::timeouts(self.kind, config.ipvs_timeouts));
        self.sync.retry();
    }

    /// A service that is new, or gets another scheduler.
    fn replace_service(
        &mut self,
        spec: Service,
        servers: Vec<RealServer>,
        new: NewScheduler,
        last_good: Option<Spread>,
    ) {
        let key = spec.key;
        let quorum = Quorum::new(&spec, service::live_weight(&servers));
        self.effects.push(Effect::Quorum {
            service: spec.name.clone(),
            reached: quorum.reached(),
        });
        let generation = self.next_generation();
        let supervisor = SchedulerSupervisor::new(
            generation,
            new.plugin,
            new.settings,
            new.scheduler,
            spec.decision,
        );
        self.stop_queue(key, spec.decision != Decision::PerConnection);
        self.opening_queues.remove(&key);
        let service = VirtualService {
            quorum,
            queue: self.queues.of(&spec),
            queue_served: false,
            spec,
            supervisor,
            servers,
            last_good,
            planned_for: Vec::new(),
            problem: None,
        };
        self.services.insert(key, service);
        self.awaiting_first_plan.insert(key);
        self.servers_changed(key, false);
    }

    /// A service whose scheduler stays.
    fn keep_service(
        &mut self,
        mut service: VirtualService,
        spec: Service,
        servers: Vec<RealServer>,
    ) {
        let key = spec.key;
        if spec.decision != service.supervisor.decision() || spec.snat != service.spec.snat {
            service.queue_served = false;
            self.opening_queues.remove(&key);
            self.stop_queue(key, spec.decision != Decision::PerConnection);
        }
        service.supervisor.decide(spec.decision);
        service.queue = self.queues.of(&spec);
        service.spec = spec;
        service.servers = servers;
        service.update_quorum();
        self.effects.push(Effect::Quorum {
            service: service.spec.name.clone(),
            reached: service.quorum.reached(),
        });
        self.services.insert(key, service);
        self.servers_changed(key, true);
    }

    /// A service is no longer configured.
    fn remove_service(&mut self, key: ServiceKey, service: &VirtualService) {
        for server in &service.servers {
            self.forget(key, service.spec.on_down, server);
        }
        self.awaiting_first_plan.remove(&key);
        self.timers.clear(key);
        self.opening_queues.remove(&key);
        self.queues.release(&key);
        self.stop_queue(key, true);
        self.sync.want(key, None);
    }

    /// The servers of a service as now configured: those that it had before keep their number and health.
    fn servers_of(
        &mut self,
        spec: &Service,
        before: Option<&mut VirtualService>,
    ) -> Vec<RealServer> {
        let mut old: BTreeMap<SocketAddr, RealServer> = before
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
            let old = old.remove(&server.address);
            let counts = old.as_ref().map(|old| old.counts).unwrap_or_default();
            let full = old.as_ref().is_some_and(|old| old.full);
            let health = old.and_then(|old| old.health);
            let mut server = RealServer {
                health: health.filter(|_| !server.checks.is_empty()),
                spec: server.clone(),
                id,
                counts,
                full,
                reported: BackendFacts::default(),
            };
            // The thresholds may be others now.
            server.count(counts);
            self.owners.insert(id, spec.key);
            servers.push(server);
        }
        for gone in old.into_values() {
            self.forget(spec.key, spec.on_down, &gone);
        }
        servers
    }

    /// A server is no longer configured.
    fn forget(&mut self, key: ServiceKey, on_down: OnDown, server: &RealServer) {
        self.ids.release(key, server.spec.address);
        self.owners.remove(&server.id);
        if on_down == OnDown::Kill {
            self.pending_flow_kills.add(key, server.id);
        }
    }
}

/// How the kernel spread a service's connections when the daemon started.
fn adopted_spread(adopted: Option<&State>, key: &ServiceKey) -> Option<Spread> {
    let state = adopted?.services.get(key)?;
    (state.spread != Spread::Refuse).then(|| state.spread.clone())
}
