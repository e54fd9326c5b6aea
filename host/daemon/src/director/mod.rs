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

mod configure;
mod counting;
mod instance;
mod picking;
mod report;
mod scheduling;
mod seat;
mod service;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_core::approximate;
use evenkeel_core::connections::Counts;
use evenkeel_core::health::ServerHealth;
use evenkeel_core::ids::Ids;
use evenkeel_core::manifest::{Decision, Setting};
use evenkeel_core::model::{DataPlaneKind, OnDown, ServiceKey};
use evenkeel_core::state::{BackendId, Change, ServiceState, State};
use evenkeel_core::sync::{Damage, KernelSync, Step};
use evenkeel_runtime::Plugin;
use ipnet::IpNet;
use tracing::{debug, info, warn};

use picking::Queues;
pub(crate) use picking::{NotPicking, Picking};
#[cfg(test)]
pub(crate) use report::CheckReport;
pub(crate) use report::{ServerReport, ServiceReport};
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
        let adopted_offload = adopted.offload.clone();
        let queues = adopted.services.iter();
        let adopted_queues = queues
            .filter_map(|(key, service)| Some((*key, service.queue?)))
            .collect();
        let ids = Ids::adopt(&adopted);
        let mut sync = KernelSync::new(adopted, pause(kind, resync), now);
        // Until the interfaces are known: otherwise all flows would leave the short way for a moment.
        sync.want_offload(adopted_offload);
        Self {
            kind,
            services: BTreeMap::new(),
            order: Vec::new(),
            ids,
            sync,
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

    /// What the kernel is to hold for a service, in the form that its data plane can hold.
    fn want(&mut self, key: ServiceKey, wanted: &ServiceState) {
        self.sync
            .want(key, Some(approximate::approximate(self.kind, wanted)));
    }

    /// The networks on which clients and servers meet, as far as the data plane lets them.
    fn want_hairpin(&mut self) {
        let tracked = |service: &VirtualService| {
            service.spec.snat || service.spec.decision == Decision::PerConnection
        };
        let tracked = self.services.values().any(tracked);
        let networks = approximate::hairpin(self.kind, &self.meeting, tracked);
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

    /// Forgets the flows of servers that the kernel sends nothing to since these changes.
    fn bury(&mut self, changes: &[Change]) {
        for change in changes {
            let (key, left) = match change {
                Change::Put(key, state) => (key, Some(state)),
                Change::Remove(key) => (key, None),
                Change::Hairpin(_) | Change::Offload(_) | Change::Timeouts(_) => continue,
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
