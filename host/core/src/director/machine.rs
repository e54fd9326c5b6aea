//! The director's state, and what it wants the kernel to hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnet::IpNet;

use super::event::Effect;
use super::flow_kills::PendingFlowKills;
use super::queues::QueueNumbers;
use super::quorum::QuorumReview;
use super::report::{self, ServiceReport};
use super::second::SecondScheduler;
use super::server;
use super::service::VirtualService;
use crate::approximate;
use crate::connections::Counts;
use crate::ids::{Ids, InUse, Numbers};
use crate::manifest::{Decision, Setting};
use crate::model::{DataPlaneKind, ServiceKey};
use crate::scheduler::{DirectorRole, SchedulerPlugin};
use crate::state::{BackendId, ServiceState, State, Subject};
use crate::sync::KernelSync;
use crate::timers::TimerTable;

/// IPVS tells nobody of changes, so it is read this often at least.
const MAX_UNWATCHED_RESYNC: Duration = Duration::from_secs(5);
/// A scheduler is told of changed facts, and makes a new plan, at most this often: 40 times a second...
const MIN_UPDATE_INTERVAL: Duration = Duration::from_millis(25);
/// ...or, with many services, so often that all of them together keep one processor half busy at most.
const UPDATE_INTERVAL_PER_SERVICE: Duration = Duration::from_micros(200);

/// How often the kernel is read unasked.
pub(super) fn resync(kind: DataPlaneKind, resync: Duration) -> Duration {
    match kind {
        DataPlaneKind::Nftables => resync,
        DataPlaneKind::Ipvs => resync.min(MAX_UNWATCHED_RESYNC),
    }
}

/// How long a scheduler is left alone between changes of facts where there are so many services.
pub(super) fn update_interval(services: usize) -> Duration {
    let services = u32::try_from(services).unwrap_or(u32::MAX);
    MIN_UPDATE_INTERVAL.max(UPDATE_INTERVAL_PER_SERVICE.saturating_mul(services))
}

/// The virtual services, and what is to be done about them.
pub struct Director {
    /// Which data plane carries out what is decided.
    pub(super) kind: DataPlaneKind,
    pub(super) services: BTreeMap<ServiceKey, Box<VirtualService>>,
    /// The order of the configuration, for reports.
    pub(super) order: Vec<ServiceKey>,
    pub(super) ids: Ids,
    pub(super) sync: KernelSync,
    /// Services whose scheduler may have to be run.
    pub(super) needs_plan: BTreeSet<ServiceKey>,
    /// When a service's scheduler may have to be run although nothing happened.
    pub(super) timers: TimerTable<ServiceKey>,
    /// When a server that has just come back is to get more connections.
    pub(super) growing: TimerTable<ServiceKey>,
    /// Services whose scheduler has not answered at all yet.
    pub(super) awaiting_first_plan: BTreeSet<ServiceKey>,
    /// Services whose canary has not answered at all yet since the daemon started: its clients would go to the first
    /// scheduler's servers and back.
    pub(super) awaiting_canary: BTreeSet<ServiceKey>,
    pub(super) pending_flow_kills: PendingFlowKills,
    pub(super) effects: Vec<Effect>,
    /// Services whose quorum may have changed.
    pub(super) quorum_reviews: BTreeMap<ServiceKey, QuorumReview>,
    last_generation: u64,
    /// Whose server a number is.
    pub(super) owners: BTreeMap<BackendId, ServiceKey>,
    /// The connections of servers that are configured no more, for when they come again.
    pub(super) left_counts: BTreeMap<BackendId, Counts>,
    pub(super) queues: QueueNumbers,
    /// Services whose queue somebody has been told to serve; there is no word yet of whether that works.
    pub(super) opening_queues: BTreeSet<ServiceKey>,
    /// How long a scheduler is left alone between changes of facts.
    pub(super) update_interval: Duration,
    /// The networks on which clients and servers meet.
    pub(super) hairpin_networks: BTreeSet<IpNet>,
    /// The daemon ends.
    pub(super) leaving: bool,
    /// The services whose address is on another director.
    pub(super) elsewhere: BTreeSet<ServiceKey>,
    /// This director's role for each service whose address belongs to a VRRP instance.
    pub(super) roles: BTreeMap<ServiceKey, DirectorRole>,
}

impl Director {
    /// Begins with what the kernel holds, which stays until everything that is configured has its first plan.
    #[must_use]
    pub fn new(kind: DataPlaneKind, adopted: State, resync: Duration, now: Instant) -> Self {
        let hairpin_networks = adopted.hairpin.clone();
        let adopted_offload = adopted.offload.clone();
        let queues = QueueNumbers::adopt(&adopted);
        let ids = Ids::adopt(&adopted);
        let mut sync = KernelSync::new(adopted, self::resync(kind, resync), now);
        if kind == DataPlaneKind::Nftables {
            sync.make_steps();
        }
        // Until the interfaces are known: otherwise all flows would leave the flowtable for a moment.
        sync.want_offload(adopted_offload);
        Self {
            kind,
            services: BTreeMap::new(),
            order: Vec::new(),
            ids,
            sync,
            needs_plan: BTreeSet::new(),
            timers: TimerTable::new(),
            growing: TimerTable::new(),
            awaiting_first_plan: BTreeSet::new(),
            awaiting_canary: BTreeSet::new(),
            pending_flow_kills: PendingFlowKills::default(),
            effects: Vec::new(),
            quorum_reviews: BTreeMap::new(),
            last_generation: 0,
            owners: BTreeMap::new(),
            left_counts: BTreeMap::new(),
            queues,
            opening_queues: BTreeSet::new(),
            update_interval: update_interval(0),
            hairpin_networks,
            leaving: false,
            elsewhere: BTreeSet::new(),
            roles: BTreeMap::new(),
        }
    }

    /// Takes in the numbers that were kept over a restart, and those that conntrack has. To be called before the first
    /// [`Self::configure`].
    pub fn recall(&mut self, kept: &Numbers, in_use: &InUse) {
        self.ids.recall(kept, in_use);
    }

    /// The servers' numbers, if there is anything new to keep for the next start.
    pub fn changed_numbers(&mut self) -> Option<Numbers> {
        self.ids.take_changed().then(|| self.ids.numbers())
    }

    /// What is to be done now.
    pub fn effects(&mut self, now: Instant) -> Vec<Effect> {
        self.grow_servers(now);
        while let Some(key) = self.timers.pop(now) {
            self.needs_plan.insert(key);
        }
        for key in std::mem::take(&mut self.needs_plan) {
            self.run_scheduler(key, now);
        }
        let awaiting = !(self.awaiting_first_plan.is_empty() && self.awaiting_canary.is_empty());
        if self.sync.held() && !awaiting && !self.leaving {
            self.sync.release();
        }
        self.flush_flows();
        if let Some(step) = self.sync.next(now) {
            self.effects.push(Effect::Kernel(step));
        }
        self.tell_in_kernel();
        self.tell_quorums();
        let mut effects = std::mem::take(&mut self.effects);
        effects.retain(|effect| self.does(effect));
        effects
    }

    /// Tells which services the kernel has, where that may have changed.
    fn tell_in_kernel(&mut self) {
        if self.sync.held() || !self.sync.take_presence_changed() {
            return;
        }
        let keys = self.services.keys();
        let services = keys.map(|key| (*key, self.sync.in_kernel(key))).collect();
        self.effects.push(Effect::InKernel(services));
    }

    /// Runs a service's scheduler if there is anything to tell or to ask it; otherwise, when that will be.
    fn run_scheduler(&mut self, key: ServiceKey, now: Instant) {
        let service = self.services.get_mut(&key).filter(|_| !self.leaving);
        let Some(service) = service else {
            self.timers.clear(key);
            return;
        };
        let VirtualService {
            supervisor,
            second,
            spec,
            servers,
            ..
        } = &mut **service;
        let update = |facts, whole| VirtualService::update(servers, facts, whole);
        let job = supervisor.job(now, self.update_interval, spec, update);
        let plans = job.as_ref().is_some_and(|job| job.wants_plan);
        let beside = second.as_deref_mut();
        let beside = beside.and_then(|it| it.job(now, self.update_interval, spec, servers, plans));
        let second_at = second.as_deref().and_then(SecondScheduler::poll_at);
        match [supervisor.poll_at(), second_at]
            .into_iter()
            .flatten()
            .min()
        {
            Some(at) => self.timers.set(key, at),
            None => self.timers.clear(key),
        }
        if job.is_some() {
            service.planned_for = server::usable(&service.servers);
        }
        for job in job.into_iter().chain(beside) {
            self.effects
                .push(Effect::RunScheduler { service: key, job });
        }
    }

    /// When [`Self::effects`] may have something to do although nothing happened. Later than the `now` of the last
    /// [`Self::effects`].
    #[must_use]
    pub fn poll_at(&self) -> Option<Instant> {
        let deadlines = [self.timers.next(), self.growing.next(), self.sync.poll_at()];
        deadlines.into_iter().flatten().min()
    }

    /// Whether everything that is configured is in the kernel, as far as known and but for what the kernel refuses, with
    /// every queue served that is to be.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.sync.settled() && self.opening_queues.is_empty()
    }

    /// The plugin and settings of each service's scheduler, or of the one that is about to take over: those need no new
    /// instance in a reload.
    #[must_use]
    pub fn in_force(&self) -> BTreeMap<ServiceKey, (Arc<dyn SchedulerPlugin>, Vec<Setting>)> {
        let services = self.services.iter();
        services
            .map(|(key, service)| (*key, service.supervisor.origin()))
            .collect()
    }

    /// As [`Self::in_force`], but of those that were refused rather than of the ones that stay: what was tried last.
    #[must_use]
    pub fn tried_last(&self) -> BTreeMap<ServiceKey, (Arc<dyn SchedulerPlugin>, Vec<Setting>)> {
        let refused = |service: &VirtualService| Some(service.refused.as_ref()?.origin.clone());
        let services = self.services.iter();
        services
            .map(|(key, it)| (*key, refused(it).unwrap_or_else(|| it.supervisor.origin())))
            .collect()
    }

    /// What is known of the services, in the order of the configuration.
    #[must_use]
    pub fn report(&self) -> Vec<ServiceReport> {
        self.order
            .iter()
            .filter_map(|key| self.services.get(key))
            .map(|service| report::service(service, self.kind, &self.sync))
            .collect()
    }

    /// What else than services the kernel does not hold as it is wanted since it refused it, each with the reason: a
    /// service's is in its report.
    #[must_use]
    pub fn kernel_refusals(&self) -> Vec<String> {
        let refusals = self.sync.refusals();
        let rest = refusals.filter(|(subject, _)| !matches!(subject, Subject::Service(_)));
        rest.map(|(subject, why)| format!("the kernel refuses {subject}: {why}"))
            .collect()
    }

    /// Whether the kernel refuses something, so that it does not hold all that is configured although
    /// [`Self::settled`].
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.sync.refusals().next().is_some()
    }

    /// The services, in the order of the configuration and of [`Self::report`].
    pub fn keys(&self) -> impl Iterator<Item = &ServiceKey> {
        let order = self.order.iter();
        order.filter(|key| self.services.contains_key(key))
    }

    /// The plugin that decides for a service now.
    #[must_use]
    pub fn plugin(&self, key: &ServiceKey) -> Option<&Arc<dyn SchedulerPlugin>> {
        let service = self.services.get(key)?;
        Some(service.supervisor.plugin())
    }

    /// The plugin of a service's second scheduler, whether it runs or was taken back.
    #[must_use]
    pub fn second_plugin(&self, key: &ServiceKey) -> Option<&Arc<dyn SchedulerPlugin>> {
        let second = self.services.get(key)?.second.as_deref();
        second.map(SecondScheduler::plugin)
    }

    /// Whether the verdicts on a service's connections are being given, and the kernel is to ask for them.
    #[must_use]
    pub fn serves_queue(&self, key: &ServiceKey) -> bool {
        let service = self.services.get(key);
        service.is_some_and(|service| service.queue_served)
    }

    /// The generation of the next instance, of whatever service.
    pub(super) fn next_generation(&mut self) -> u64 {
        self.last_generation += 1;
        self.last_generation
    }

    /// What the kernel is to hold for a service, in the form that its data plane can hold.
    pub(super) fn want(&mut self, key: ServiceKey) {
        if let Some(service) = self.services.get(&key) {
            let wanted: ServiceState =
                approximate::approximate(self.kind, &service.wanted(self.kind));
            self.sync.want(key, Some(wanted));
        }
    }

    /// The networks on which clients and servers meet, as far as the data plane lets them.
    pub(super) fn want_hairpin(&mut self) {
        let mut services = self.services.values().map(|service| &service.spec);
        let tracked = services.any(|spec| spec.snat || spec.decision == Decision::PerConnection);
        let networks = approximate::hairpin(self.kind, &self.hairpin_networks, tracked);
        self.sync.want_hairpin(networks);
    }
}
