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

mod counting;
mod instance;
mod picking;
mod report;
mod seat;
mod service;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_core::connections::Counts;
use evenkeel_core::desired;
use evenkeel_core::follow;
use evenkeel_core::health::ServerHealth;
use evenkeel_core::ids::Ids;
use evenkeel_core::manifest::{Decision, Setting};
use evenkeel_core::model::{DataPlaneKind, OnDown, Service, ServiceKey};
use evenkeel_core::plan::Plan;
use evenkeel_core::quorum::Quorum;
use evenkeel_core::state::{BackendId, Change, ServiceState, Spread, State};
use evenkeel_core::sync::{Damage, KernelSync, Step};
use evenkeel_runtime::{BackendFacts, Plugin};
use ipnet::IpNet;
use tracing::{debug, error, info, warn};

use crate::prepare::Prepared;
use instance::Instance;
use picking::Queues;
pub(crate) use picking::{NotPicking, Picking};
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
    /// The interfaces between which established flows are to take the short way.
    Offload(BTreeSet<String>),
    /// Connections were counted: these counts have changed.
    Counted(Vec<(BackendId, Counts)>),
    /// What became of [`Effect::Pick`].
    Picking {
        service: ServiceKey,
        number: u64,
        outcome: Result<(), NotPicking>,
    },
    /// A scheduler failed when it was asked about a connection.
    PickFailed {
        service: ServiceKey,
        number: u64,
        problem: String,
    },
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
    /// Ask this instance about each new connection from now on; then [`Input::Picking`].
    Pick(Picking),
    /// Do not any more; `for_good`: its queue is not needed any longer.
    StopPicking { service: ServiceKey, for_good: bool },
}

/// IPVS tells nobody of changes, so it is looked at so often at least.
const UNWATCHED: Duration = Duration::from_secs(5);

/// How often the kernel is read unasked.
fn pause(kind: DataPlaneKind, resync: Duration) -> Duration {
    match kind {
        DataPlaneKind::Nftables => resync,
        DataPlaneKind::Ipvs => resync.min(UNWATCHED),
    }
}

/// See the module's documentation.
pub(crate) struct Director {
    /// Which data plane carries out what is decided.
    kind: DataPlaneKind,
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
    /// Whose server a number is.
    owners: BTreeMap<BackendId, ServiceKey>,
    queues: Queues,
    /// Services whose queue somebody has been told to serve; there is no word yet of whether that works.
    opening: BTreeSet<ServiceKey>,
    /// How long a scheduler is left alone between changes of facts.
    pace: Duration,
    /// The networks on which clients and servers meet.
    meeting: BTreeSet<IpNet>,
}

impl Director {
    /// Begins with what the kernel holds, which stays until everything that is configured has its first plan.
    pub(crate) fn new(kind: DataPlaneKind, adopted: State, resync: Duration, now: Instant) -> Self {
        let adopted_hairpin = adopted.hairpin.clone();
        let queues = adopted.services.iter();
        let adopted_queues = queues
            .filter_map(|(key, service)| Some((*key, service.ask?)))
            .collect();
        Self {
            kind,
            services: BTreeMap::new(),
            order: Vec::new(),
            ids: Ids::adopt(&adopted),
            sync: KernelSync::new(adopted, pause(kind, resync), now),
            curious: BTreeSet::new(),
            timers: BTreeSet::new(),
            unanswered: BTreeSet::new(),
            doomed: BTreeMap::new(),
            effects: Vec::new(),
            seats: 0,
            owners: BTreeMap::new(),
            queues: Queues::adopt(adopted_queues),
            opening: BTreeSet::new(),
            pace: counting::pace(0),
            meeting: adopted_hairpin,
        }
    }

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
    }

    /// What the kernel is to hold for a service, in the form that its data plane can hold.
    fn want(&mut self, key: ServiceKey, wanted: &ServiceState) {
        self.sync
            .want(key, Some(follow::nearest(self.kind, wanted)));
    }

    /// The networks on which clients and servers meet, as far as that is worth its price: with IPVS it takes conntrack for every packet, a
    /// sixth of the throughput, which is paid only where something else needs conntrack anyway.
    fn want_hairpin(&mut self) {
        let tracked = |service: &VirtualService| {
            service.spec.snat || service.spec.decision == Decision::PerConnection
        };
        let worth = self.kind == DataPlaneKind::Nftables || self.services.values().any(tracked);
        let networks = if worth {
            self.meeting.clone()
        } else {
            BTreeSet::new()
        };
        self.sync.want_hairpin(networks);
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
            Input::Hairpin(networks) => {
                self.meeting = networks;
                self.want_hairpin();
            }
            Input::Offload(interfaces) => self.sync.want_offload(interfaces),
            Input::Counted(counts) => self.counted(&counts),
            Input::Picking {
                service,
                number,
                outcome,
            } => self.picking(service, number, outcome, now),
            Input::PickFailed {
                service,
                number,
                problem,
            } => self.pick_failed(service, number, problem, now),
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
            let facts = seat.facts();
            let news = |whole| VirtualService::news(servers, facts, whole);
            if let Some(job) = seat.job(now, self.pace, &spec.name, news) {
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

    /// Whether everything that is configured is in the kernel, as far as known, with every queue served that is to be.
    pub(crate) fn settled(&self) -> bool {
        self.sync.settled() && self.opening.is_empty()
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
            .map(|service| report::service(service, self.kind, self.sync.wanted(), now))
            .collect()
    }

    /// The services, in the order of the configuration and of [`Self::report`].
    pub(crate) fn keys(&self) -> impl Iterator<Item = &ServiceKey> {
        self.order
            .iter()
            .filter(|key| self.services.contains_key(key))
    }

    fn health(&mut self, key: ServiceKey, server: SocketAddr, health: ServerHealth) {
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        let Some(change) = service.set_health(server, health) else {
            return;
        };
        if !change.changed {
            self.facts_changed(key);
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
            let wanted = service.wanted();
            self.want(key, &wanted);
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
        match done {
            Ok((instance, plan)) => self.planned(key, instance, plan.as_ref(), now),
            Err(error) => self.failed(key, error.to_string(), now),
        }
    }

    /// A scheduler has answered: with a plan, if it was asked for one.
    fn planned(&mut self, key: ServiceKey, instance: Instance, plan: Option<&Plan>, now: Instant) {
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        let decision = service.seat.decision();
        let accepted = plan.map(|plan| desired::accept(&service.asked_about, plan, decision));
        match accepted.transpose() {
            Ok(spread) => {
                if plan == Some(&Plan::PerConnection) {
                    service.last_good = None;
                } else if let Some(Some(spread)) = spread {
                    service.last_good = Some(spread);
                }
                if service.problem.take().is_some() {
                    info!(
                        service = service.spec.name,
                        plugin = service.seat.name(),
                        "the scheduler works again"
                    );
                }
                if decision == Decision::PerConnection
                    && !service.picking
                    && let Some(picking) = service.pick_by(key, &instance)
                    && self.opening.insert(key)
                {
                    self.effects.push(Effect::Pick(picking));
                }
                service.seat.done(instance, plan, now);
                if service.has_changes() {
                    service.seat.tell_changes();
                }
                let wanted = service.wanted();
                self.want(key, &wanted);
            }
            Err(error) => {
                let problem = format!("{}: {error}", service.seat.title());
                self.failed(key, problem, now);
            }
        }
    }

    /// A scheduler has failed, or its plan cannot be used.
    fn failed(&mut self, key: ServiceKey, problem: String, now: Instant) {
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        // Whatever is under way with the instance is of no interest any more.
        self.seats += 1;
        let wait = service.seat.fail(self.seats, now);
        warn!(
            service = service.spec.name,
            plugin = service.seat.name(),
            version = service.seat.version(),
            error = problem,
            restart_in = ?wait,
            "the scheduler failed; its last good plan stays"
        );
        service.problem = Some(problem);
        if std::mem::take(&mut service.picking) | self.opening.remove(&key) {
            self.effects.push(stop_picking(key, false));
        }
        let wanted = service.wanted();
        self.want(key, &wanted);
        self.curious.insert(key);
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

    /// Forgets the flows of servers that the kernel sends nothing to since these changes.
    fn bury(&mut self, changes: &[Change]) {
        for change in changes {
            let (key, left) = match change {
                Change::Put(key, state) => (key, Some(state)),
                Change::Remove(key) => (key, None),
                Change::Hairpin(_) | Change::Offload(_) => continue,
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

fn stop_picking(service: ServiceKey, for_good: bool) -> Effect {
    Effect::StopPicking { service, for_good }
}

#[cfg(test)]
mod tests;
