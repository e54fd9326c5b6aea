//! Supervises the scheduler of a virtual service: one instance of a plugin, run when there is something to tell it or
//! to ask it, and restarted when it fails.
//!
//! ```text
//!            job() ----------------> Running ---- done() ---> Idle
//!  Idle: servers changed,               |
//!        Refresh or Update expired      '---- fail() ----> Failed --- Restart expired: job() with a new instance
//!
//!  Idle or Failed, succeed() was called: job() ---> Trying --- take_over(), done() ---> Idle, with the successor
//!                                                          '-- stay() ----------------> as before
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::instance::Instance;
use super::job::{JobInstance, SchedulerJob, SchedulerUpdate, facts_of};
use super::successor::{Origin, Successor, Trial};
use crate::manifest::{Decision, Facts, Manifest, Setting};
use crate::metrics::{Metric, PluginMetrics};
use crate::model::Service;
use crate::plan::Plan;
use crate::scheduler::{DirectorRole, SavedState, Scheduler, SchedulerPlugin, ServiceContext};
use crate::timers::TimerTable;

/// Wait before a failed plugin's first restart; doubled up to [`MAX_RESTART_DELAY`].
const MIN_RESTART_DELAY: Duration = Duration::from_secs(1);
/// Longest wait before a restart.
const MAX_RESTART_DELAY: Duration = Duration::from_secs(60);
/// A plugin is asked for a new plan no more often than this, whatever it wishes.
const MIN_REFRESH: Duration = Duration::from_millis(20);
/// Where the plugin decides each connection, its plan is what the kernel falls back to, and is renewed this often.
const FALLBACK_REFRESH: Duration = Duration::from_secs(1);

/// A scheduler that is run is asked this often what it would hand to its successor.
const EXPORT_INTERVAL: Duration = Duration::from_secs(30);

/// When a scheduler is run although its servers did not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum SupervisorTimer {
    /// Its plan is to be renewed.
    Refresh,
    /// It is to be told of changed facts.
    Update,
    /// After a failure.
    Restart,
}

/// A service's scheduler and when it is run.
pub(super) struct SchedulerSupervisor {
    plugin: Arc<dyn SchedulerPlugin>,
    settings: Vec<Setting>,
    state: InstanceState,
    /// Of the last instance that has answered.
    metrics: Arc<PluginMetrics>,
    /// It is a service's second scheduler.
    is_second: bool,
    /// The servers or their weights changed since the plugin was last told.
    servers_changed: bool,
    /// The role of this director.
    role: DirectorRole,
    /// It changed since the plugin was last told.
    role_changed: bool,
    /// Tells the instance's jobs from those of an earlier one.
    generation: u64,
    failures: u32,
    timers: TimerTable<SupervisorTimer>,
    decision: Decision,
    /// It is not told of changed facts before.
    next_update: Option<Instant>,
    /// Waits to be tried.
    successor: Option<Successor>,
    /// What the process before has kept, for the first run.
    import: Option<SavedState>,
    /// When it is next asked what it would hand to a successor.
    export_at: Option<Instant>,
}

enum InstanceState {
    Idle(Instance),
    /// The instance is away with a [`SchedulerJob`].
    Running,
    Failed,
    /// A successor is away with a [`SchedulerJob`].
    Trying(Trial),
}

/// As errors begin.
pub(super) fn title(manifest: &Manifest) -> String {
    format!("plugin {} {}", manifest.name, manifest.version)
}

impl SchedulerSupervisor {
    /// With a configured instance.
    pub(super) fn new(
        generation: u64,
        plugin: Arc<dyn SchedulerPlugin>,
        settings: Vec<Setting>,
        scheduler: Box<dyn Scheduler>,
        decision: Decision,
        role: DirectorRole,
    ) -> Self {
        let instance = Instance::new(scheduler, facts_of(&plugin));
        Self {
            metrics: Arc::clone(instance.metrics()),
            state: InstanceState::Idle(instance),
            ..Self::without_instance(generation, (plugin, settings), decision, role)
        }
    }

    /// Of a second scheduler, whose instance is made by its first job. Its plans are asked for, and nothing of it is kept.
    pub(super) fn beside(
        generation: u64,
        origin: Origin,
        role: DirectorRole,
        now: Instant,
    ) -> Self {
        let mut supervisor = Self::without_instance(generation, origin, Decision::Plan, role);
        supervisor.is_second = true;
        supervisor.timers.set(SupervisorTimer::Restart, now);
        supervisor
    }

    fn without_instance(
        generation: u64,
        (plugin, settings): Origin,
        decision: Decision,
        role: DirectorRole,
    ) -> Self {
        Self {
            plugin,
            settings,
            metrics: Arc::default(),
            state: InstanceState::Failed,
            is_second: false,
            servers_changed: true,
            role,
            // The instance was made before it was known.
            role_changed: true,
            generation,
            failures: 0,
            timers: TimerTable::new(),
            decision,
            next_update: None,
            successor: None,
            import: None,
            export_at: None,
        }
    }

    /// Its first run takes this over.
    pub(super) fn import(&mut self, state: SavedState) {
        self.import = Some(state);
    }

    /// What the scheduler counts and gauges.
    pub(super) fn metrics(&self) -> BTreeMap<String, Metric> {
        self.metrics.all()
    }

    /// The instance, where it is not away.
    pub(super) fn idle(&self) -> Option<&Instance> {
        match &self.state {
            InstanceState::Idle(instance) => Some(instance),
            InstanceState::Trying(trial) => trial.running.as_ref(),
            InstanceState::Running | InstanceState::Failed => None,
        }
    }

    /// This one is to take over, in the place of any other that was to.
    pub(super) fn succeed(&mut self, successor: Successor) {
        if let InstanceState::Trying(trial) = &mut self.state {
            // What comes of it is of no interest any more.
            self.state = trial
                .running
                .take()
                .map_or(InstanceState::Failed, InstanceState::Idle);
        }
        self.successor = Some(successor);
    }

    /// Whether this generation is being tried.
    pub(super) fn tries(&self, generation: u64) -> bool {
        matches!(&self.state, InstanceState::Trying(trial) if trial.generation == generation)
    }

    /// As a service is configured whose scheduler is this one, or the one that may take over: then the decisions of the
    /// one that runs are followed as they were.
    pub(super) fn decision_of(&mut self, service: Service) -> Service {
        let to_come = match (&mut self.successor, &mut self.state) {
            (Some(it), _) => &mut it.decision,
            (None, InstanceState::Trying(it)) => &mut it.decision,
            (None, _) => return service,
        };
        *to_come = service.decision;
        Service {
            decision: self.decision,
            ..service
        }
    }

    /// The one that was tried. [`Self::take_over`] or [`Self::stay`] is to follow.
    pub(super) fn tried(&mut self) -> Option<Trial> {
        match std::mem::replace(&mut self.state, InstanceState::Running) {
            InstanceState::Trying(trial) => Some(trial),
            other => {
                self.state = other;
                None
            }
        }
    }

    /// It decides from now on. [`Self::done`] is to follow.
    pub(super) fn take_over(&mut self, trial: Trial) {
        (self.plugin, self.settings) = trial.origin;
        self.generation = trial.generation;
        self.failures = 0;
        self.timers = TimerTable::new();
        self.role_changed = self.role != trial.role;
    }

    /// The one before it goes on, or is started again when it is time.
    pub(super) fn stay(&mut self, trial: Trial) {
        self.state = trial
            .running
            .map_or(InstanceState::Failed, InstanceState::Idle);
        // Facts were told to the other one.
        self.servers_changed = true;
    }

    /// Where the scheduler comes from, or the one that may take over.
    pub(super) fn origin(&self) -> Origin {
        self.origin_to_come()
            .cloned()
            .unwrap_or_else(|| (Arc::clone(&self.plugin), self.settings.clone()))
    }

    fn origin_to_come(&self) -> Option<&Origin> {
        match (&self.successor, &self.state) {
            (Some(it), _) => Some(&it.origin),
            (None, InstanceState::Trying(it)) => Some(&it.origin),
            (None, _) => None,
        }
    }

    /// The plugin that decides now.
    pub(super) fn plugin(&self) -> &Arc<dyn SchedulerPlugin> {
        &self.plugin
    }

    pub(super) fn name(&self) -> &str {
        &self.plugin.manifest().name
    }

    pub(super) fn version(&self) -> &str {
        &self.plugin.manifest().version
    }

    /// As errors begin.
    pub(super) fn title(&self) -> String {
        title(self.plugin.manifest())
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether the scheduler of this service is out of order.
    pub(super) fn failed(&self) -> bool {
        match &self.state {
            InstanceState::Failed => true,
            InstanceState::Trying(trial) => trial.running.is_none(),
            InstanceState::Idle(_) | InstanceState::Running => false,
        }
    }

    /// What the scheduler wants to be told of.
    pub(super) fn facts(&self) -> Facts {
        facts_of(&self.plugin)
    }

    /// What the scheduler wants to be told of, and the one that may take over.
    pub(super) fn facts_to_come(&self) -> Facts {
        let now = self.facts();
        let then = self.origin_to_come();
        let then = then.map(|(plugin, _)| facts_of(plugin)).unwrap_or_default();
        now.or(then)
    }

    /// How its decisions are followed.
    pub(super) fn decision(&self) -> Decision {
        self.decision
    }

    /// They are followed otherwise from now on.
    pub(super) fn decide(&mut self, decision: Decision) {
        self.decision = decision;
    }

    /// The servers or their weights changed: the plugin is to be told.
    pub(super) fn servers_changed(&mut self) {
        self.servers_changed = true;
    }

    /// The role of this director. Says whether the plugin is to be told.
    pub(super) fn set_role(&mut self, role: DirectorRole) -> bool {
        let changed = std::mem::replace(&mut self.role, role) != role;
        self.role_changed |= changed;
        self.servers_changed |= changed;
        changed
    }

    /// Facts that it wants to be told of have changed: it is told when it is time.
    pub(super) fn facts_changed(&mut self, now: Instant) {
        let at = self.next_update.unwrap_or(now);
        self.timers.set(SupervisorTimer::Update, at);
    }

    /// Its plan is to be renewed.
    pub(super) fn renew(&mut self, now: Instant) {
        self.timers.set(SupervisorTimer::Refresh, now);
    }

    /// When [`Self::job`] may have something to do that it had not before. Later than the `now` of a [`Self::job`]
    /// that had nothing.
    pub(super) fn poll_at(&self) -> Option<Instant> {
        match self.state {
            InstanceState::Idle(_) | InstanceState::Failed => self.timers.next(),
            InstanceState::Running | InstanceState::Trying(_) => None,
        }
    }

    /// The next run of the plugin, if there is anything to tell or to ask it and it is not running already.
    /// `update_interval`: how long it is left alone between changes of facts. `update` is asked for the servers
    /// (`true`) or for the facts that have changed.
    pub(super) fn job(
        &mut self,
        now: Instant,
        update_interval: Duration,
        service: &Service,
        update: impl FnOnce(Facts, bool) -> SchedulerUpdate,
    ) -> Option<SchedulerJob> {
        let state = match std::mem::replace(&mut self.state, InstanceState::Running) {
            busy @ (InstanceState::Running | InstanceState::Trying(_)) => {
                self.state = busy;
                return None;
            }
            state @ (InstanceState::Idle(_) | InstanceState::Failed) => state,
        };
        let context = ServiceContext {
            service: service.name.clone(),
            listener: Some(service.key),
            role: self.role,
        };
        if let Some(successor) = self.successor.take() {
            self.servers_changed = false;
            self.next_update = Some(now + update_interval);
            let running = match state {
                InstanceState::Idle(instance) => Some(instance),
                _ => None,
            };
            let update = update(facts_of(&successor.origin.0), true);
            let same = successor.origin.0.manifest().name == self.name();
            let (job, trial) = successor.job(context, running, same, update, now);
            self.state = InstanceState::Trying(trial);
            return Some(job);
        }
        let (mut refresh, mut changes, mut restart) = (false, false, false);
        while let Some(timer) = self.timers.pop(now) {
            match timer {
                SupervisorTimer::Refresh => refresh = true,
                SupervisorTimer::Update => changes = true,
                SupervisorTimer::Restart => restart = true,
            }
        }
        let (instance, whole) = match state {
            InstanceState::Idle(instance) if self.servers_changed => {
                (JobInstance::Running(instance), true)
            }
            InstanceState::Idle(instance) if refresh || changes => {
                (JobInstance::Running(instance), false)
            }
            InstanceState::Failed if restart => (JobInstance::Start, true),
            nothing => {
                self.state = nothing;
                return None;
            }
        };
        let wants_plan = whole || refresh || self.decision == Decision::Plan;
        self.servers_changed = false;
        self.next_update = Some(now + update_interval);
        self.timers.clear(SupervisorTimer::Update);
        if wants_plan {
            self.timers.clear(SupervisorTimer::Refresh);
        }
        let exports = !self.is_second && self.export_at.is_none_or(|at| at <= now);
        if exports {
            self.export_at = Some(now + EXPORT_INTERVAL);
        }
        Some(SchedulerJob {
            is_second: self.is_second,
            import: self.import.take(),
            exports,
            generation: self.generation,
            plugin: Arc::clone(&self.plugin),
            context,
            role_changed: std::mem::take(&mut self.role_changed),
            settings: self.settings.clone(),
            decision: self.decision,
            instance,
            update: update(self.facts(), whole),
            started_at: now,
            wants_plan,
        })
    }

    /// The plugin answered, and its plan, if it was asked for one, can be used. Whether that ends a failure: where it
    /// is to decide each connection, it does not before it has decided one, since a plan alone shows nothing of that.
    pub(super) fn done(&mut self, instance: Instance, plan: Option<&Plan>, now: Instant) -> bool {
        let works = self.decision == Decision::Plan || instance.has_decided();
        self.metrics = Arc::clone(instance.metrics());
        self.state = InstanceState::Idle(instance);
        if works {
            self.failures = 0;
        }
        let wished = match plan.map(Plan::refresh_ms) {
            Some(Some(ms)) => Some(Duration::from_millis(u64::from(ms)).max(MIN_REFRESH)),
            Some(_) if self.decision == Decision::PerConnection => Some(FALLBACK_REFRESH),
            Some(_) | None => None,
        };
        // It may be due before, where somebody else wished it while the plugin was running.
        let due = self.timers.get(SupervisorTimer::Refresh);
        if let Some(at) = wished.map(|wished| now + wished)
            && due.is_none_or(|due| due > at)
        {
            self.timers.set(SupervisorTimer::Refresh, at);
        }
        works
    }

    /// The plugin failed, or its plan cannot be used. Returns how long it is left alone. `generation` is that of its
    /// next instance.
    pub(super) fn fail(&mut self, generation: u64, now: Instant) -> Duration {
        self.generation = generation;
        let wait = MIN_RESTART_DELAY
            .saturating_mul(1 << self.failures.min(10))
            .min(MAX_RESTART_DELAY);
        self.failures += 1;
        match &mut self.state {
            // The other one may take over all the same.
            InstanceState::Trying(trial) => trial.running = None,
            state => *state = InstanceState::Failed,
        }
        // A new instance is told everything and asked for a plan: nothing else is due before.
        self.timers = TimerTable::new();
        self.timers.set(SupervisorTimer::Restart, now + wait);
        wait
    }
}
