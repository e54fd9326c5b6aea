//! The daemon's director with a kernel in memory: what becomes of connections is decided as in the daemon, at the
//! simulation's time.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_core::connections::Counts;
use evenkeel_core::diff;
use evenkeel_core::director::{
    Director, DirectorConfig, Effect, Input, NewScheduler, ServiceReport, VerdictRequest,
};
use evenkeel_core::flow::Flow;
use evenkeel_core::groups::{Group, seed};
use evenkeel_core::health::ServerHealth;
use evenkeel_core::manifest::{Decision, Setting};
use evenkeel_core::model::{
    DataPlaneKind, IpvsTimeouts, OnDown, OnDrain, PluginRef, PluginUse, Protocol, Server, Service,
    ServiceKey,
};
use evenkeel_core::movement::Weights;
use evenkeel_core::slot_hash;
use evenkeel_core::state::{BackendId, Selector, ServiceState, Spread, State};
use evenkeel_core::sync::{ApplyOutcome, KernelStep};
use evenkeel_runtime::played::Played;
use evenkeel_runtime::{Plugin, SchedulerPlugin, ServiceContext};

use super::chance::Chance;
use crate::Refused;

/// Longer than any simulation: nobody touches this kernel.
const RESYNC: Duration = Duration::from_secs(7 * 24 * 3600);
/// The virtual address.
const VIRTUAL: Ipv4Addr = Ipv4Addr::new(10, 10, 54, 151);

pub(super) struct Balancer {
    director: Director,
    kernel: State,
    service: Service,
    /// The beginning.
    zero: Instant,
    played: Played,
    now: Duration,
    verdicts: Option<VerdictRequest>,
    /// The kernel's counters of slots in turn, by group, and how many slots the rule has that counts.
    turns: BTreeMap<usize, (usize, usize)>,
    /// How often the scheduler was run, and the kernel changed.
    pub(super) runs: [u64; 2],
    pub(super) picks: u64,
    /// The first failure.
    pub(super) problem: Option<String>,
}

impl Balancer {
    /// Configures the service, whose scheduler makes its first plan.
    pub(super) fn new(
        plugin: &Arc<dyn Plugin>,
        settings: &[Setting],
        decision: Decision,
        servers: Vec<Server>,
        seed: u64,
    ) -> Result<Self, Refused> {
        let key = ServiceKey {
            addr: VIRTUAL.into(),
            port: 80,
            protocol: Protocol::Tcp,
        };
        let service = Service {
            name: "web".to_owned(),
            key,
            scheduler: PluginUse {
                plugin: PluginRef::Name(plugin.manifest().name.clone()),
                settings: settings.to_vec(),
            },
            decision,
            persistence: None,
            on_drain: OnDrain::Keep,
            snat: false,
            on_down: OnDown::Keep,
            assign: None,
            quorum: 1,
            hysteresis: 0,
            ha_suspend: false,
            second: None,
            max_moves: None,
            pool: Default::default(),
            notify: Default::default(),
            servers,
        };
        let played = Played::begin(seed);
        let plugin: Arc<dyn SchedulerPlugin> = Arc::clone(plugin) as _;
        let scheduler = plugin
            .scheduler(&ServiceContext::trial("web"), settings)
            .map_err(|error| Refused(error.to_string()))?;
        let new = NewScheduler {
            plugin,
            settings: settings.to_vec(),
            scheduler,
            saved: None,
        };
        let zero = Instant::now();
        let mut balancer = Self {
            director: Director::new(DataPlaneKind::Nftables, State::default(), RESYNC, zero),
            kernel: State::default(),
            service,
            zero,
            played,
            now: Duration::ZERO,
            verdicts: None,
            turns: BTreeMap::new(),
            runs: [0; 2],
            picks: 0,
            problem: None,
        };
        balancer.configure_with(BTreeMap::from([(key, new)]));
        Ok(balancer)
    }

    /// It is that time.
    pub(super) fn pass(&mut self, now: Duration) {
        self.now = now;
        self.played.set(now);
    }

    /// That time for the director.
    pub(super) fn instant(&self) -> Instant {
        self.zero + self.now
    }

    /// When there is something to do although nothing happens.
    pub(super) fn wake(&self) -> Option<Duration> {
        let at = self.director.poll_at()?;
        Some(at.duration_since(self.zero))
    }

    /// Other servers, or other weights.
    pub(super) fn configure(&mut self, servers: Vec<Server>) {
        self.service.servers = servers;
        self.configure_with(BTreeMap::new());
    }

    fn configure_with(&mut self, schedulers: BTreeMap<ServiceKey, NewScheduler>) {
        let config = DirectorConfig {
            services: vec![self.service.clone()],
            schedulers,
            seconds: BTreeMap::new(),
            resync: RESYNC,
            ipvs_timeouts: IpvsTimeouts::default(),
        };
        self.director.configure(config, None, self.instant());
        self.settle();
    }

    /// What checks say of a server.
    pub(super) fn health(&mut self, server: SocketAddr, health: ServerHealth) {
        self.handle(Input::Health {
            service: self.service.key,
            server,
            health,
        });
    }

    /// Whether connections are counted.
    pub(super) fn counts(&self) -> bool {
        self.director.wants_counts()
    }

    /// Connections were counted.
    pub(super) fn counted(&mut self, counts: &[(SocketAddr, Counts)]) {
        let ids = self.ids();
        let of = |(address, counts): &(SocketAddr, Counts)| Some((*ids.get(address)?, *counts));
        self.handle(Input::Counted(counts.iter().filter_map(of).collect()));
    }

    fn ids(&self) -> BTreeMap<SocketAddr, BackendId> {
        let servers = self
            .report()
            .map(|report| report.servers)
            .unwrap_or_default();
        servers.into_iter().map(|it| (it.address, it.id)).collect()
    }

    fn report(&self) -> Option<ServiceReport> {
        self.director.report().into_iter().next()
    }

    fn handle(&mut self, input: Input) {
        let now = self.instant();
        self.director.handle(input, now);
    }

    /// Does what the director wants, until it wants nothing more.
    pub(super) fn settle(&mut self) {
        loop {
            let effects = self.director.effects(self.instant());
            if effects.is_empty() {
                break;
            }
            for effect in effects {
                if let Some(input) = self.carry_out(effect) {
                    self.handle(input);
                }
            }
        }
        if self.problem.is_none() {
            let problem = self.report().and_then(|report| report.scheduler_problem);
            self.problem = problem.map(|problem| format!("at {:.3?}: {problem}", self.now));
        }
    }

    fn carry_out(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::RunScheduler { service, job } => {
                self.runs[0] += 1;
                Some(Input::SchedulerDone {
                    service,
                    generation: job.generation(),
                    result: job.run(),
                    // Calls take no time here.
                    took: Duration::ZERO,
                })
            }
            Effect::Kernel(KernelStep::Read) => Some(Input::Read(Some(self.kernel.clone()))),
            Effect::Kernel(KernelStep::Apply(changes)) => {
                self.runs[1] += 1;
                diff::apply(&mut self.kernel, &changes);
                Some(Input::Applied {
                    changes,
                    outcome: ApplyOutcome::Done,
                    took: Duration::ZERO,
                })
            }
            Effect::ServeQueue(request) => {
                let (service, generation) = (request.service, request.generation);
                self.verdicts = Some(request);
                Some(Input::QueueServed {
                    service,
                    generation,
                    outcome: Ok(()),
                })
            }
            Effect::StopQueue { .. } => {
                self.verdicts = None;
                None
            }
            Effect::InKernel(_)
            | Effect::KillFlows(_)
            | Effect::Quorum { .. }
            | Effect::Run { .. }
            | Effect::KeepState { .. } => None,
        }
    }

    /// What the kernel holds.
    fn held(&self) -> Option<&ServiceState> {
        self.kernel.services.get(&self.service.key)
    }

    /// How the kernel spreads connections, and the weights that the servers have; `None` where it asks the scheduler.
    pub(super) fn spread(&self) -> Option<(Spread, Weights)> {
        let report = self.report()?;
        let weights = report.servers.iter().map(|it| (it.id, it.effective_weight));
        let held = self.held().filter(|held| held.queue.is_none())?;
        Some((held.spread.clone(), weights.collect()))
    }

    /// Where a new connection goes; `None`: it is refused.
    pub(super) fn place(&mut self, client: SocketAddr, chance: &mut Chance) -> Option<SocketAddr> {
        let id = match self.verdict(client) {
            Some(verdict) => verdict,
            None => self.by_slot(client, chance),
        };
        self.held()?
            .backends
            .get(&id?)
            .map(|backend| backend.address)
    }

    /// The scheduler's word, where it is asked and has one.
    fn verdict(&mut self, client: SocketAddr) -> Option<Option<BackendId>> {
        let asked = self.held().is_some_and(|held| held.queue.is_some());
        let request = self.verdicts.as_ref().filter(|_| asked)?;
        let flow = Flow {
            protocol: Protocol::Tcp,
            source: client,
            destination: self.service.key.socket_addr(),
        };
        self.picks += 1;
        let (service, generation) = (request.service, request.generation);
        match request
            .instance
            .pick(&flow, request.counting, self.instant())
        {
            Ok(picked) => Some(picked),
            Err(problem) => {
                self.handle(Input::VerdictFailed {
                    service,
                    generation,
                    problem,
                });
                self.settle();
                None
            }
        }
    }

    fn by_slot(&mut self, client: SocketAddr, chance: &mut Chance) -> Option<BackendId> {
        let spread = self.kernel.services.get(&self.service.key)?.spread.clone();
        let groups = match spread {
            Spread::Refuse => return None,
            Spread::Slots { selector, slots } => {
                let slot = self.slot(0, selector, slots.len(), client, chance)?;
                return slots.get(slot).copied();
            }
            Spread::Groups(groups) => groups,
        };
        let mut at = groups.start(client.ip());
        loop {
            match groups.groups.get(at)? {
                Group::Refuse => return None,
                Group::Servers { selector, slots } => {
                    let slot = self.slot(at, *selector, slots.len(), client, chance)?;
                    return slots.get(slot).copied();
                }
                // Only to later ones.
                Group::Split { selector, slots } => {
                    let slot = self.slot(at, *selector, slots.len(), client, chance)?;
                    at = slots.get(slot).copied().filter(|to| *to > at)?;
                }
            }
        }
    }

    /// The slot of a group that a connection takes.
    fn slot(
        &mut self,
        group: usize,
        selector: Selector,
        slots: usize,
        client: SocketAddr,
        chance: &mut Chance,
    ) -> Option<usize> {
        match selector {
            Selector::Sequence => {
                // The rule has the counter: another rule begins anew.
                let next = match self.turns.get(&group) {
                    Some((turn, before)) if *before == slots => (turn + 1) % slots,
                    _ => 0,
                };
                self.turns.insert(group, (next, slots));
                Some(next)
            }
            Selector::Random => Some(chance.slot(slots)),
            Selector::HashSource | Selector::HashFlow | Selector::HashNetwork(_) => {
                let service = self.service.key.socket_addr();
                slot_hash::slot(selector, client, service, slots, seed(group))
            }
        }
    }
}
