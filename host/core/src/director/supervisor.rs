//! Supervises the scheduler of a virtual service: one instance of a plugin, run when there is something to tell it or
//! to ask it, and restarted when it fails.
//!
//! ```text
//!            job() ----------------> Running ---- done() ---> Idle
//!  Idle: servers changed,               |
//!        Refresh or Update expired      '---- fail() ----> Failed --- Restart expired: job() with a new instance
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::instance::Instance;
use super::job::{JobInstance, SchedulerJob, SchedulerUpdate};
use crate::manifest::{Decision, Facts, Setting};
use crate::model::Service;
use crate::plan::Plan;
use crate::scheduler::{DirectorRole, Scheduler, SchedulerPlugin, ServiceContext};
use crate::timers::TimerTable;

/// Wait before a failed plugin's first restart; doubled up to [`MAX_RESTART_DELAY`].
const MIN_RESTART_DELAY: Duration = Duration::from_secs(1);
/// Longest wait before a restart.
const MAX_RESTART_DELAY: Duration = Duration::from_secs(60);
/// A plugin is asked for a new plan no more often than this, whatever it wishes.
const MIN_REFRESH: Duration = Duration::from_millis(20);
/// Where the plugin decides each connection, its plan is what the kernel falls back to, and is renewed this often.
const FALLBACK_REFRESH: Duration = Duration::from_secs(1);

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
}

enum InstanceState {
    Idle(Instance),
    /// The instance is away with a [`SchedulerJob`].
    Running,
    Failed,
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
        Self {
            plugin,
            settings,
            state: InstanceState::Idle(Instance::new(scheduler)),
            servers_changed: true,
            role,
            // The instance was made before it was known.
            role_changed: true,
            generation,
            failures: 0,
            timers: TimerTable::new(),
            decision,
            next_update: None,
        }
    }

    pub(super) fn plugin(&self) -> &Arc<dyn SchedulerPlugin> {
        &self.plugin
    }

    pub(super) fn settings(&self) -> &[Setting] {
        &self.settings
    }

    pub(super) fn name(&self) -> &str {
        &self.plugin.manifest().name
    }

    pub(super) fn version(&self) -> &str {
        &self.plugin.manifest().version
    }

    /// As errors begin.
    pub(super) fn title(&self) -> String {
        format!("plugin {} {}", self.name(), self.version())
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether the scheduler of this service is out of order.
    pub(super) fn failed(&self) -> bool {
        matches!(self.state, InstanceState::Failed)
    }

    /// What the scheduler wants to be told of.
    pub(super) fn facts(&self) -> Facts {
        let abilities = self.plugin.manifest().abilities.as_ref();
        abilities.map(|it| it.facts).unwrap_or_default()
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

    /// When [`Self::job`] may have something to do that it had not before. Later than the `now` of a [`Self::job`]
    /// that had nothing.
    pub(super) fn poll_at(&self) -> Option<Instant> {
        match self.state {
            InstanceState::Idle(_) | InstanceState::Failed => self.timers.next(),
            InstanceState::Running => None,
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
        update: impl FnOnce(bool) -> SchedulerUpdate,
    ) -> Option<SchedulerJob> {
        let state = match std::mem::replace(&mut self.state, InstanceState::Running) {
            InstanceState::Running => return None,
            state @ (InstanceState::Idle(_) | InstanceState::Failed) => state,
        };
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
            nothing @ (InstanceState::Idle(_) | InstanceState::Failed | InstanceState::Running) => {
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
        Some(SchedulerJob {
            generation: self.generation,
            plugin: Arc::clone(&self.plugin),
            context: ServiceContext {
                service: service.name.clone(),
                listener: Some(service.key),
                role: self.role,
            },
            role_changed: std::mem::take(&mut self.role_changed),
            settings: self.settings.clone(),
            decision: self.decision,
            instance,
            update: update(whole),
            started_at: now,
            wants_plan,
        })
    }

    /// The plugin answered, and its plan, if it was asked for one, can be used.
    pub(super) fn done(&mut self, instance: Instance, plan: Option<&Plan>, now: Instant) {
        self.state = InstanceState::Idle(instance);
        self.failures = 0;
        let wished = match plan {
            Some(Plan::Table {
                refresh_ms: Some(ms),
                ..
            }) => Some(Duration::from_millis(u64::from(*ms)).max(MIN_REFRESH)),
            Some(_) if self.decision == Decision::PerConnection => Some(FALLBACK_REFRESH),
            Some(_) | None => None,
        };
        if let Some(wished) = wished {
            self.timers.set(SupervisorTimer::Refresh, now + wished);
        }
    }

    /// The plugin failed, or its plan cannot be used. Returns how long it is left alone. `generation` is that of its
    /// next instance.
    pub(super) fn fail(&mut self, generation: u64, now: Instant) -> Duration {
        self.generation = generation;
        let wait = MIN_RESTART_DELAY
            .saturating_mul(1 << self.failures.min(10))
            .min(MAX_RESTART_DELAY);
        self.failures += 1;
        self.state = InstanceState::Failed;
        // A new instance is told everything and asked for a plan: nothing else is due before.
        self.timers = TimerTable::new();
        self.timers.set(SupervisorTimer::Restart, now + wait);
        wait
    }
}
