//! The place of a scheduler plugin in a virtual service: one instance, asked for plans, restarted when it fails.

use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_core::manifest::Setting;
use evenkeel_core::plan::Plan;
use evenkeel_runtime::{Backend, Plugin, PluginError, Scheduler};

/// Wait before a failed plugin's first restart; doubled up to [`RESTART_MAX`].
const RESTART_MIN: Duration = Duration::from_secs(1);
/// Longest wait before a restart.
const RESTART_MAX: Duration = Duration::from_secs(60);
/// A plugin is asked for a new plan no more often than this, whatever it wishes.
const REFRESH_MIN: Duration = Duration::from_millis(20);

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
}

enum Occupant {
    Idle(Box<dyn Scheduler>),
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
    backends: Option<Vec<Backend>>,
}

enum Worker {
    Ready(Box<dyn Scheduler>),
    New(Vec<Setting>),
}

/// What became of a [`Job`].
pub(crate) type Done = Result<(Box<dyn Scheduler>, Plan), PluginError>;

impl Job {
    /// The plugin that is asked.
    pub(crate) fn plugin(&self) -> Arc<dyn Plugin> {
        Arc::clone(&self.plugin)
    }

    /// Asks the plugin. Blocks for as long as the sandbox lets a call take.
    pub(crate) fn run(self) -> Done {
        let mut scheduler = match self.worker {
            Worker::Ready(scheduler) => scheduler,
            Worker::New(settings) => self.plugin.scheduler(&self.service, &settings)?,
        };
        if let Some(backends) = &self.backends {
            scheduler.set_backends(backends)?;
        }
        let plan = scheduler.make_plan()?;
        Ok((scheduler, plan))
    }
}

impl Seat {
    /// With a configured instance.
    pub(crate) fn new(
        number: u64,
        plugin: Arc<dyn Plugin>,
        settings: Vec<Setting>,
        scheduler: Box<dyn Scheduler>,
    ) -> Self {
        Self {
            plugin,
            settings,
            occupant: Occupant::Idle(scheduler),
            news: true,
            number,
            failures: 0,
            refresh_at: None,
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

    /// When [`Self::job`] may have something to do that it had not before.
    pub(crate) fn poll_at(&self) -> Option<Instant> {
        match self.occupant {
            Occupant::Idle(_) => self.refresh_at,
            Occupant::Busy => None,
            Occupant::Failed { until } => Some(until),
        }
    }

    /// The next thing to ask the plugin, if there is any and it is not being asked already.
    pub(crate) fn job(
        &mut self,
        now: Instant,
        service: &str,
        backends: impl FnOnce() -> Vec<Backend>,
    ) -> Option<Job> {
        let refresh = self.refresh_at.is_some_and(|at| now >= at);
        let (worker, backends) = match std::mem::replace(&mut self.occupant, Occupant::Busy) {
            Occupant::Idle(scheduler) if self.news => (Worker::Ready(scheduler), Some(backends())),
            Occupant::Idle(scheduler) if refresh => (Worker::Ready(scheduler), None),
            Occupant::Failed { until } if now >= until => {
                (Worker::New(self.settings.clone()), Some(backends()))
            }
            occupant @ (Occupant::Idle(_) | Occupant::Busy | Occupant::Failed { .. }) => {
                self.occupant = occupant;
                return None;
            }
        };
        self.news = false;
        self.refresh_at = None;
        Some(Job {
            number: self.number,
            plugin: Arc::clone(&self.plugin),
            service: service.to_owned(),
            worker,
            backends,
        })
    }

    /// The plugin answered, and its plan can be used.
    pub(crate) fn done(&mut self, scheduler: Box<dyn Scheduler>, plan: &Plan, now: Instant) {
        self.occupant = Occupant::Idle(scheduler);
        self.failures = 0;
        if let Plan::Table {
            refresh_ms: Some(ms),
            ..
        } = plan
        {
            self.refresh_at = Some(now + Duration::from_millis(u64::from(*ms)).max(REFRESH_MIN));
        }
    }

    /// The plugin failed, or its plan cannot be used. Returns how long it is left alone.
    pub(crate) fn fail(&mut self, now: Instant) -> Duration {
        let wait = RESTART_MIN
            .saturating_mul(1 << self.failures.min(10))
            .min(RESTART_MAX);
        self.failures += 1;
        self.occupant = Occupant::Failed { until: now + wait };
        wait
    }
}
