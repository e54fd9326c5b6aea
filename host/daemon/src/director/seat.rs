//! The place of a scheduler plugin in a virtual service: one instance, asked for plans, restarted when it fails.

use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_core::manifest::{Decision, Facts, Setting};
use evenkeel_core::plan::Plan;
use evenkeel_runtime::{Backend, Load, Plugin, PluginError, Scheduler};

use super::instance::Instance;

/// Wait before a failed plugin's first restart; doubled up to [`RESTART_MAX`].
const RESTART_MIN: Duration = Duration::from_secs(1);
/// Longest wait before a restart.
const RESTART_MAX: Duration = Duration::from_secs(60);
/// A plugin is asked for a new plan no more often than this, whatever it wishes.
const REFRESH_MIN: Duration = Duration::from_millis(20);
/// Where the plugin decides each connection, its plan is what the kernel falls back to, and is renewed this often.
const FALLBACK: Duration = Duration::from_secs(1);

/// See the module's documentation.
pub(crate) struct Seat {
    plugin: Arc<dyn Plugin>,
    settings: Vec<Setting>,
    occupant: Occupant,
    /// The servers or their weights changed since the plugin was last told.
    news: bool,
    /// Told apart from a job of the seat that was here before a reload.
    number: u64,
    failures: u32,
    refresh_at: Option<Instant>,
    decision: Decision,
    /// Facts changed since the plugin was last told.
    changes: bool,
    /// It is not told of changed facts before.
    tell_from: Option<Instant>,
}

enum Occupant {
    Idle(Instance),
    /// The instance is away with a [`Job`].
    Busy,
    Failed {
        until: Instant,
    },
}

/// Work for a thread on which blocking is allowed.
pub(crate) struct Job {
    /// The seat's number, for [`Seat::done`].
    pub(crate) number: u64,
    plugin: Arc<dyn Plugin>,
    service: String,
    worker: Worker,
    news: News,
    asked_at: Instant,
    /// Whether a plan is wanted.
    plan: bool,
}

/// What a scheduler is told.
pub(crate) enum News {
    /// The servers, whole.
    Backends(Vec<Backend>),
    /// Facts that have changed; none, if it is only to be asked again.
    Loads(Vec<Load>),
}

enum Worker {
    Ready(Instance),
    New(Vec<Setting>),
}

/// What became of a [`Job`]: the instance, and the plan if one was wanted.
pub(crate) type Done = Result<(Instance, Option<Plan>), PluginError>;

impl Job {
    /// The plugin that is asked.
    pub(crate) fn plugin(&self) -> Arc<dyn Plugin> {
        Arc::clone(&self.plugin)
    }

    /// Asks the plugin. Blocks for as long as the sandbox lets a call take.
    pub(crate) fn run(self) -> Done {
        let instance = match self.worker {
            Worker::Ready(instance) => instance,
            Worker::New(settings) => {
                Instance::new(self.plugin.scheduler(&self.service, &settings)?)
            }
        };
        match &self.news {
            News::Backends(backends) => instance.set_backends(backends)?,
            News::Loads(loads) => instance.set_loads(loads, self.asked_at)?,
        }
        let plan = if self.plan {
            Some(instance.make_plan()?)
        } else {
            None
        };
        Ok((instance, plan))
    }
}

impl Seat {
    /// With a configured instance.
    pub(crate) fn new(
        number: u64,
        plugin: Arc<dyn Plugin>,
        settings: Vec<Setting>,
        scheduler: Box<dyn Scheduler>,
        decision: Decision,
    ) -> Self {
        Self {
            plugin,
            settings,
            occupant: Occupant::Idle(Instance::new(scheduler)),
            news: true,
            number,
            failures: 0,
            refresh_at: None,
            decision,
            changes: false,
            tell_from: None,
        }
    }

    pub(crate) fn plugin(&self) -> &Arc<dyn Plugin> {
        &self.plugin
    }

    pub(crate) fn settings(&self) -> &[Setting] {
        &self.settings
    }

    pub(crate) fn name(&self) -> &str {
        &self.plugin.manifest().name
    }

    pub(crate) fn version(&self) -> &str {
        &self.plugin.manifest().version
    }

    /// As errors begin.
    pub(crate) fn title(&self) -> String {
        format!("plugin {} {}", self.name(), self.version())
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Whether the scheduler of this service is out of order.
    pub(crate) fn failed(&self) -> bool {
        matches!(self.occupant, Occupant::Failed { .. })
    }

    /// The servers or their weights changed.
    pub(crate) fn tell(&mut self) {
        self.news = true;
    }

    /// What the scheduler wants to be told of.
    pub(crate) fn facts(&self) -> Facts {
        let abilities = self.plugin.manifest().abilities.as_ref();
        abilities.map(|it| it.facts).unwrap_or_default()
    }

    /// How its decisions are followed.
    pub(crate) fn decision(&self) -> Decision {
        self.decision
    }

    /// They are followed otherwise from now on.
    pub(crate) fn decide(&mut self, decision: Decision) {
        self.decision = decision;
    }

    /// Facts that it wants to be told of have changed.
    pub(crate) fn tell_changes(&mut self) {
        self.changes = true;
    }

    /// When [`Self::job`] may have something to do that it had not before.
    pub(crate) fn poll_at(&self) -> Option<Instant> {
        match self.occupant {
            Occupant::Idle(_) => {
                let changes = self.tell_from.filter(|_| self.changes);
                [self.refresh_at, changes].into_iter().flatten().min()
            }
            Occupant::Busy => None,
            Occupant::Failed { until } => Some(until),
        }
    }

    /// The next thing to ask the plugin, if there is any and it is not being asked already. `pace`: how long it is left alone
    /// between changes of facts. `news` is asked for the servers (`true`) or for the facts that have changed.
    pub(crate) fn job(
        &mut self,
        now: Instant,
        pace: Duration,
        service: &str,
        news: impl FnOnce(bool) -> News,
    ) -> Option<Job> {
        let refresh = self.refresh_at.is_some_and(|at| now >= at);
        let changes = self.changes && self.tell_from.is_none_or(|at| now >= at);
        let (worker, whole) = match std::mem::replace(&mut self.occupant, Occupant::Busy) {
            Occupant::Idle(instance) if self.news => (Worker::Ready(instance), true),
            Occupant::Idle(instance) if refresh || changes => (Worker::Ready(instance), false),
            Occupant::Failed { until } if now >= until => {
                (Worker::New(self.settings.clone()), true)
            }
            occupant @ (Occupant::Idle(_) | Occupant::Busy | Occupant::Failed { .. }) => {
                self.occupant = occupant;
                return None;
            }
        };
        let plan = whole || refresh || self.decision == Decision::Plan;
        self.news = false;
        self.changes = false;
        self.tell_from = Some(now + pace);
        if plan {
            self.refresh_at = None;
        }
        Some(Job {
            number: self.number,
            plugin: Arc::clone(&self.plugin),
            service: service.to_owned(),
            worker,
            news: news(whole),
            asked_at: now,
            plan,
        })
    }

    /// The plugin answered, and its plan, if it was asked for one, can be used.
    pub(crate) fn done(&mut self, instance: Instance, plan: Option<&Plan>, now: Instant) {
        self.occupant = Occupant::Idle(instance);
        self.failures = 0;
        let wished = match plan {
            Some(Plan::Table {
                refresh_ms: Some(ms),
                ..
            }) => Some(Duration::from_millis(u64::from(*ms)).max(REFRESH_MIN)),
            Some(_) if self.decision == Decision::PerConnection => Some(FALLBACK),
            Some(_) | None => None,
        };
        if let Some(wished) = wished {
            self.refresh_at = Some(now + wished);
        }
    }

    /// The plugin failed, or its plan cannot be used. Returns how long it is left alone.
    /// `number` is the seat's from now on.
    pub(crate) fn fail(&mut self, number: u64, now: Instant) -> Duration {
        self.number = number;
        let wait = RESTART_MIN
            .saturating_mul(1 << self.failures.min(10))
            .min(RESTART_MAX);
        self.failures += 1;
        self.occupant = Occupant::Failed { until: now + wait };
        wait
    }
}
