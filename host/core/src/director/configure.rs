//! Taking in a configuration: what stays as it is keeps its state.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Instant;

use tracing::error;

use super::event::{DirectorConfig, NewScheduler};
use super::machine::{self, Director};
use super::quorum::QuorumState;
use super::server::RealServer;
use super::service::VirtualService;
use super::supervisor::SchedulerSupervisor;
use crate::approximate;
use crate::connections::Rate;
use crate::manifest::Decision;
use crate::model::{IpvsTimeouts, OnDown, Service, ServiceKey};
use crate::state::{BackendId, Spread, State};

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
        for mut spec in config.services {
            let mut before = old.remove(&spec.key);
            let servers = self.servers_of(&mut spec, before.as_deref_mut());
            match (schedulers.remove(&spec.key), before) {
                (Some(new), Some(before)) => {
                    let as_before = Service {
                        decision: before.supervisor.decision(),
                        ..spec.clone()
                    };
                    self.keep_service(before, as_before, servers);
                    self.replace_scheduler(&spec, new);
                }
                (Some(new), None) => {
                    let last_good = adopted_spread(adopted, &spec.key);
                    self.add_service(spec, servers, new, last_good);
                }
                (None, Some(mut before)) => {
                    before.refused = None;
                    let spec = before.supervisor.decision_of(spec);
                    self.keep_service(before, spec, servers);
                }
                (None, None) => error!(
                    service = spec.name,
                    "bug: a new service without a scheduler"
                ),
            }
        }
        for (key, service) in old {
            self.remove_service(key, &service);
        }
        let mut seconds = config.seconds;
        for key in self.order.clone() {
            // A new configuration has a new plan made in any case.
            self.review_pool(key, now);
            self.configure_second(key, seconds.remove(&key), now);
        }
        if let Some(adopted) = adopted {
            self.remove_adopted(adopted);
        }
        let seconds = self.services.values().filter(|it| it.second.is_some());
        let schedulers = self.services.len() + seconds.count();
        self.update_interval = machine::update_interval(schedulers);
        self.want_hairpin();
        let timeouts = IpvsTimeouts {
            expire_quiescent: self.expires_quiescent(),
            ..config.ipvs_timeouts
        };
        self.sync
            .want_timeouts(approximate::timeouts(self.kind, timeouts));
        self.sync.retry();
    }

    /// Whether IPVS is to forget the clients of servers of weight 0: if a service wants it. It is everybody's setting,
    /// so it is left as it is if none does, unless one did before.
    fn expires_quiescent(&self) -> Option<bool> {
        if self.services.values().any(|it| it.moves_clients()) {
            return Some(true);
        }
        let before = self.sync.wanted().timeouts.expire_quiescent;
        before.map(|_| false)
    }

    /// A service that is new.
    fn add_service(
        &mut self,
        spec: Service,
        servers: Vec<RealServer>,
        new: NewScheduler,
        last_good: Option<Spread>,
    ) {
        let key = spec.key;
        let generation = self.next_generation();
        let mut supervisor = SchedulerSupervisor::new(
            generation,
            new.plugin,
            new.settings,
            new.scheduler,
            spec.decision,
            self.role(&key),
        );
        if let Some(state) = new.saved {
            supervisor.import(state);
        }
        self.stop_queue(key, spec.decision != Decision::PerConnection);
        self.opening_queues.remove(&key);
        let service = Box::new(VirtualService {
            quorum: QuorumState::default(),
            queue: self.queues.of(&spec),
            queue_served: false,
            spec,
            supervisor,
            second: None,
            servers,
            pool: None,
            scaled: false,
            last_good,
            planned_for: Vec::new(),
            planned_weights: None,
            plans: 0,
            planned_at: None,
            plan_refused: None,
            problem: None,
            kept: None,
            refused: None,
        });
        self.services.insert(key, service);
        self.awaiting_first_plan.insert(key);
        self.review_quorum(key, configured);
        self.servers_changed(key, false);
    }

    /// A service whose scheduler stays, for the time being.
    fn keep_service(
        &mut self,
        mut service: Box<VirtualService>,
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
        self.services.insert(key, service);
        self.review_quorum(key, configured);
        self.servers_changed(key, true);
    }

    /// A service is no longer configured.
    fn remove_service(&mut self, key: ServiceKey, service: &VirtualService) {
        for server in &service.servers {
            self.forget(key, service.spec.on_down, server);
        }
        self.awaiting_first_plan.remove(&key);
        self.awaiting_canary.remove(&key);
        self.timers.clear(key);
        self.growing.clear(key);
        self.opening_queues.remove(&key);
        self.queues.release(&key);
        self.stop_queue(key, true);
        self.sync.want(key, None);
    }

    /// The servers of a service as now configured, which are taken out of `spec`: those that it had before keep their
    /// number and health.
    fn servers_of(
        &mut self,
        spec: &mut Service,
        before: Option<&mut VirtualService>,
    ) -> Vec<RealServer> {
        let mut old: BTreeMap<SocketAddr, RealServer> = before
            .map(|service| std::mem::take(&mut service.servers))
            .unwrap_or_default()
            .into_iter()
            .map(|server| (server.spec.address, server))
            .collect();
        let configured = std::mem::take(&mut spec.servers);
        let mut servers = Vec::with_capacity(configured.len());
        for server in configured {
            let Some(id) = self.ids.get(spec.key, server.address) else {
                error!(
                    service = spec.name,
                    server = server.name,
                    "no number is left for this server; it is not used"
                );
                continue;
            };
            let old = old.remove(&server.address);
            let left = self.left_counts.remove(&id).unwrap_or_default();
            let counted = old.as_ref().map_or(left, |old| old.counted);
            let full = old.as_ref().is_some_and(|old| old.full);
            let (slow_start, duty) = old
                .as_ref()
                .map_or_else(Default::default, |old| (old.slow_start, old.duty));
            let (health, rate, per_minute) = match old {
                Some(old) => (old.health, old.rate, old.per_minute),
                None => (None, Rate::default(), 0),
            };
            let mut server = RealServer {
                health: health.filter(|_| !server.checks.is_empty()),
                spec: server,
                id,
                counted,
                rate,
                per_minute,
                elsewhere: self.elsewhere.contains(&spec.key),
                duty,
                slow_start,
                steps: None,
                scale: 1,
                full,
                reported: None,
            };
            server.refill();
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
        self.keep_count(server.id, server.counted);
        self.release(key, on_down, server.spec.address, server.id);
    }

    /// What the kernel held at the start, and is not configured any more, goes as a reload would make it go.
    fn remove_adopted(&mut self, adopted: &State) {
        for (key, state) in &adopted.services {
            let service = self.services.get(key);
            let on_down = service.map_or(OnDown::default_of(key.protocol), |it| it.spec.on_down);
            let configured = service.map_or(&[][..], |it| &it.servers);
            let configured: BTreeSet<BackendId> = configured.iter().map(|it| it.id).collect();
            for (id, backend) in &state.backends {
                if !configured.contains(id) {
                    self.release(*key, on_down, backend.address, *id);
                }
            }
        }
    }

    fn release(&mut self, key: ServiceKey, on_down: OnDown, server: SocketAddr, id: BackendId) {
        self.ids.release(key, server);
        self.owners.remove(&id);
        if on_down == OnDown::Kill {
            self.pending_flow_kills.add(key, id);
        }
    }
}

/// Why a quorum may have changed.
fn configured() -> String {
    "a new configuration".to_owned()
}

/// How the kernel spread a service's connections when the daemon started.
fn adopted_spread(adopted: Option<&State>, key: &ServiceKey) -> Option<Spread> {
    let state = adopted?.services.get(key)?;
    (state.spread != Spread::Refuse).then(|| state.spread.clone())
}
