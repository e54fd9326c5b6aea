//! Decides. Holds the virtual services, takes in what happens and says what is to be done; the driver ([`crate::app`]) does it.
//!
//! ```text
//!  health events --+                       +--> Effect::Ask    (a scheduler plugin, on a thread that may block)
//!  plans ----------+--> Director::handle --+--> Effect::Kernel (read or apply, on the data plane's thread)
//!  kernel replies -+                       +--> Effect::Kill   (flows of a server that is gone)
//!  reloads --------+
//! ```
//!
//! No sockets and no clocks: `now` is an argument. After any number of `handle` calls the driver calls
//! [`Director::effects`], and again at [`Director::poll_at`].

mod report;
mod seat;
mod service;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use evenkeel_core::desired;
use evenkeel_core::health::ServerHealth;
use evenkeel_core::ids::Ids;
use evenkeel_core::manifest::Setting;
use evenkeel_core::model::{OnDown, Service, ServiceKey};
use evenkeel_core::quorum::Quorum;
use evenkeel_core::state::{BackendId, Change, Spread, State};
use evenkeel_core::sync::{Damage, KernelSync, Step};
use evenkeel_runtime::Plugin;
use ipnet::IpNet;
use tracing::{debug, error, info, warn};

use crate::prepare::Prepared;
#[cfg(test)]
pub(crate) use report::CheckReport;
pub(crate) use report::{ServerReport, ServiceReport};
use seat::Seat;
pub(crate) use seat::{Done, Job};
use service::{RealServer, VirtualService};

/// Something that happened.
pub(crate) enum Input {
    /// A server's health, whether or not it changed.
    Health {
        service: ServiceKey,
        server: SocketAddr,
        health: ServerHealth,
    },
    /// A scheduler has answered, or failed.
    Answered {
        service: ServiceKey,
        number: u64,
        done: Done,
    },
    /// The kernel was read; `None`: it could not be.
    Read(Option<State>),
    /// The changes took effect, or none did.
    Applied { changes: Vec<Change>, done: bool },
    /// Someone else touched what is ours in the kernel.
    Touched,
    /// The networks on which clients and servers meet.
    Hairpin(BTreeSet<IpNet>),
}

/// Something to be done.
pub(crate) enum Effect {
    /// Run the job where blocking is allowed; then [`Input::Answered`].
    Ask { service: ServiceKey, job: Job },
    /// Read or change the kernel; then [`Input::Read`] or [`Input::Applied`].
    Kernel(Step),
    /// Forget the flows of this server.
    Kill(BackendId),
    /// The service of this name has its quorum of servers, or has lost it.
    Quorum { service: String, reached: bool },
}

/// See the module's documentation.
pub(crate) struct Director {
    services: BTreeMap<ServiceKey, VirtualService>,
    /// The order of the configuration, for reports.
    order: Vec<ServiceKey>,
    ids: Ids,
    sync: KernelSync,
    /// Services whose scheduler has to be asked something, or may have to be.
    curious: BTreeSet<ServiceKey>,
    timers: BTreeSet<(Instant, ServiceKey)>,
    /// Services whose scheduler has not answered at all yet.
    unanswered: BTreeSet<ServiceKey>,
    /// Servers whose flows are to be forgotten as soon as the kernel sends them no more.
    doomed: BTreeMap<ServiceKey, Vec<BackendId>>,
    effects: Vec<Effect>,
    seats: u64,
}

impl Director {
    /// Begins with what the kernel holds, which stays until everything that is configured has its first plan.
    pub(crate) fn new(adopted: State, resync: std::time::Duration, now: Instant) -> Self {
        Self {
            services: BTreeMap::new(),
            order: Vec::new(),
            ids: Ids::adopt(&adopted),
            sync: KernelSync::new(adopted, resync, now),
            curious: BTreeSet::new(),
            timers: BTreeSet::new(),
            unanswered: BTreeSet::new(),
            doomed: BTreeMap::new(),
            effects: Vec::new(),
            seats: 0,
        }
    }

    /// Makes the configuration the one in force: services, servers and schedulers that stay as they are keep their state.
    ///
    /// `adopted` is what the kernel held at the start of the daemon; nothing afterwards.
    pub(crate) fn configure(&mut self, prepared: Prepared, adopted: Option<&State>, now: Instant) {
        self.sync.set_resync(prepared.model.daemon.resync, now);
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
                    let service = VirtualService {
                        quorum,
                        spec,
                        seat: Seat::new(self.seats, new.plugin, new.settings, new.scheduler),
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
            self.sync.want(key, None);
        }
    }

    /// Takes in what happened.
    pub(crate) fn handle(&mut self, input: Input, now: Instant) {
        match input {
            Input::Health {
                service,
                server,
                health,
            } => self.health(service, server, health),
            Input::Answered {
                service,
                number,
                done,
            } => self.answered(service, number, done, now),
            Input::Read(read) => {
                for (key, damage) in self.sync.read_done(read, now) {
                    self.report_damage(&key, damage);
                }
            }
            Input::Applied { changes, done } => {
                self.sync.applied(done, now);
                if done {
                    self.bury(&changes);
                }
            }
            Input::Touched => self.sync.mark_stale(),
            Input::Hairpin(networks) => self.sync.want_hairpin(networks),
        }
    }

    /// What is to be done now.
    pub(crate) fn effects(&mut self, now: Instant) -> Vec<Effect> {
        while let Some((at, key)) = self.timers.first().copied() {
            if at > now {
                break;
            }
            self.timers.remove(&(at, key));
            self.curious.insert(key);
        }
        for key in std::mem::take(&mut self.curious) {
            let Some(service) = self.services.get_mut(&key) else {
                continue;
            };
            let VirtualService {
                seat,
                spec,
                servers,
                ..
            } = service;
            if let Some(job) = seat.job(now, &spec.name, || service::backends(servers)) {
                service.asked_about = service::usable(servers);
                self.effects.push(Effect::Ask { service: key, job });
            } else if let Some(at) = service.seat.poll_at() {
                self.timers.insert((at, key));
            }
        }
        if self.sync.held() && self.unanswered.is_empty() {
            self.sync.release();
        }
        if let Some(step) = self.sync.next(now) {
            self.effects.push(Effect::Kernel(step));
        }
        std::mem::take(&mut self.effects)
    }

    /// When [`Self::effects`] may have something to do although nothing happened.
    pub(crate) fn poll_at(&self) -> Option<Instant> {
        let timer = self.timers.first().map(|(at, _)| *at);
        [timer, self.sync.poll_at()].into_iter().flatten().min()
    }

    /// Whether everything that is configured is in the kernel, as far as known.
    pub(crate) fn settled(&self) -> bool {
        self.sync.settled()
    }

    /// The plugin and settings of each service's scheduler: those need no new instance in a reload.
    pub(crate) fn seated(&self) -> BTreeMap<ServiceKey, (Arc<dyn Plugin>, Vec<Setting>)> {
        self.services
            .iter()
            .map(|(key, service)| {
                let seat = &service.seat;
                (*key, (Arc::clone(seat.plugin()), seat.settings().to_vec()))
            })
            .collect()
    }

    /// What `status` shows of the services, in the order of the configuration.
    pub(crate) fn report(&self, now: Instant) -> Vec<ServiceReport> {
        self.order
            .iter()
            .filter_map(|key| self.services.get(key))
            .map(|service| report::service(service, self.sync.wanted(), now))
            .collect()
    }

    fn health(&mut self, key: ServiceKey, server: SocketAddr, health: ServerHealth) {
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        let Some(change) = service.set_health(server, health) else {
            return;
        };
        if !change.changed {
            return;
        }
        let had_quorum = service.quorum.reached();
        let quorum = service.quorum_now();
        if had_quorum != service.quorum.reached() {
            if had_quorum {
                warn!(
                    service = service.spec.name,
                    "the service has lost its quorum of servers"
                );
            } else {
                info!(
                    service = service.spec.name,
                    "the service has its quorum of servers again"
                );
            }
            self.effects.push(quorum);
        }
        if change.went_down && service.spec.on_down == OnDown::Kill {
            self.doomed.entry(key).or_default().push(change.id);
        }
        self.news(key, change.takes_less);
    }

    /// The servers of a service changed. Its scheduler is asked; where one of them takes less than before, the kernel is told
    /// at once, by what is left of the last plan, rather than after the plugin has answered.
    fn news(&mut self, key: ServiceKey, at_once: bool) {
        self.curious.insert(key);
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        service.seat.tell();
        if !self.unanswered.contains(&key) && (at_once || service.seat.failed()) {
            self.sync.want(key, Some(service.wanted()));
        }
    }

    fn answered(&mut self, key: ServiceKey, number: u64, done: Done, now: Instant) {
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        if service.seat.number() != number {
            return;
        }
        self.unanswered.remove(&key);
        self.curious.insert(key);
        let failure = match done {
            Ok((scheduler, plan)) => match desired::accept(&service.asked_about, &plan) {
                Ok(spread) => {
                    if spread.is_some() {
                        service.last_good = spread;
                    }
                    if service.problem.take().is_some() {
                        info!(
                            service = service.spec.name,
                            plugin = service.seat.name(),
                            "the scheduler works again"
                        );
                    }
                    service.seat.done(scheduler, &plan, now);
                    None
                }
                Err(error) => Some(format!("{}: {error}", service.seat.title())),
            },
            Err(error) => Some(error.to_string()),
        };
        if let Some(problem) = failure {
            let wait = service.seat.fail(now);
            warn!(
                service = service.spec.name,
                plugin = service.seat.name(),
                version = service.seat.version(),
                error = problem,
                restart_in = ?wait,
                "the scheduler failed; its last good plan stays"
            );
            service.problem = Some(problem);
        }
        self.sync.want(key, Some(service.wanted()));
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
            let health = known.remove(&server.address).and_then(|old| old.health);
            let health = if server.checks.is_empty() {
                None
            } else {
                health
            };
            servers.push(RealServer {
                spec: server.clone(),
                id,
                health,
            });
        }
        for gone in known.into_values() {
            self.forget(spec.key, spec.on_down, &gone);
        }
        servers
    }

    /// A server is no longer configured.
    fn forget(&mut self, key: ServiceKey, on_down: OnDown, server: &RealServer) {
        self.ids.release(key, server.spec.address);
        if on_down == OnDown::Kill {
            self.doomed.entry(key).or_default().push(server.id);
        }
    }

    /// Forgets the flows of servers that the kernel sends nothing to since these changes.
    fn bury(&mut self, changes: &[Change]) {
        for change in changes {
            let (key, left) = match change {
                Change::Put(key, state) => (key, Some(state)),
                Change::Remove(key) => (key, None),
                Change::Hairpin(_) => continue,
            };
            let Some(doomed) = self.doomed.remove(key) else {
                continue;
            };
            let mut waiting = Vec::new();
            for id in doomed {
                if left.is_some_and(|state| state.backends.contains_key(&id)) {
                    // Either the change that takes it out is still to come, or it came back meanwhile.
                    let is_up = self.services.get(key).is_some_and(|service| {
                        service
                            .servers
                            .iter()
                            .any(|server| server.id == id && server.up())
                    });
                    if !is_up {
                        waiting.push(id);
                    }
                } else {
                    debug!(service = %key, backend = %id, "forgetting its flows");
                    self.effects.push(Effect::Kill(id));
                }
            }
            if !waiting.is_empty() {
                self.doomed.insert(*key, waiting);
            }
        }
    }

    fn report_damage(&self, key: &ServiceKey, damage: Damage) {
        let name = self
            .services
            .get(key)
            .map_or("", |service| service.spec.name.as_str());
        warn!(service = name, listen = %key, "the kernel's rules were touched by someone else: it {damage}; repairing");
    }
}

#[cfg(test)]
mod tests;
