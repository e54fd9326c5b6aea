//! One run of a scheduler plugin: a value that the driver carries to a thread that may block.

use std::sync::Arc;
use std::time::Instant;

use super::instance::Instance;
use crate::manifest::{Decision, Facts, Setting};
use crate::plan::Plan;
use crate::plugin::PluginError;
use crate::scheduler::{
    Load, SavedState, Scheduler, SchedulerBackend, SchedulerPlugin, ServiceContext,
};

/// What became of a [`SchedulerJob`].
pub type JobResult = Result<Ran, PluginError>;

/// A run that has not failed.
pub struct Ran {
    /// What has run.
    pub(super) instance: Instance,
    /// The plan if one was wanted.
    pub(super) plan: Option<Plan>,
    /// What it would hand to a successor, if it was asked and has something.
    pub(super) exported: Option<SavedState>,
}

/// What schedulers of this plugin want to be told of.
pub(super) fn facts_of(plugin: &Arc<dyn SchedulerPlugin>) -> Facts {
    let abilities = plugin.manifest().abilities.as_ref();
    abilities.map(|it| it.facts).unwrap_or_default()
}

/// Tells a scheduler what has changed and asks it for a plan.
pub struct SchedulerJob {
    /// Of the supervisor, for the input that answers.
    pub(super) generation: u64,
    /// It is of a service's second scheduler.
    pub(super) is_second: bool,
    pub(super) plugin: Arc<dyn SchedulerPlugin>,
    pub(super) context: ServiceContext,
    /// The instance has not been told of the role yet.
    pub(super) role_changed: bool,
    pub(super) settings: Vec<Setting>,
    /// How its decisions are followed.
    pub(super) decision: Decision,
    pub(super) instance: JobInstance,
    pub(super) update: SchedulerUpdate,
    /// What the instance is to take over: it was kept by the process before.
    pub(super) import: Option<SavedState>,
    /// Whether to ask what it would hand to a successor.
    pub(super) exports: bool,
    pub(super) started_at: Instant,
    /// Whether a plan is wanted.
    pub(super) wants_plan: bool,
}

/// What a scheduler is told.
pub(super) enum SchedulerUpdate {
    /// The servers, whole.
    Backends(Vec<SchedulerBackend>),
    /// Facts that have changed; none, if it is only to make a new plan.
    Loads(Vec<Load>),
}

/// Which instance runs.
pub(super) enum JobInstance {
    /// The one there is.
    Running(Instance),
    /// A new one.
    Start,
    /// This one, which is to take over the state of the other.
    Successor(Box<dyn Scheduler>, Option<Instance>),
}

impl SchedulerJob {
    /// Tells it apart from jobs of an instance that was replaced, in [`super::Input::SchedulerDone`].
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether it is of a service's second scheduler, a shadow or a canary.
    #[must_use]
    pub fn is_second(&self) -> bool {
        self.is_second
    }

    /// The plugin that is called.
    #[must_use]
    pub fn plugin(&self) -> Arc<dyn SchedulerPlugin> {
        Arc::clone(&self.plugin)
    }

    /// Calls the plugin. Blocks for as long as the sandbox lets a call take.
    ///
    /// # Errors
    /// As the plugin failed.
    pub fn run(self) -> JobResult {
        let scheduler = || self.plugin.scheduler(&self.context, &self.settings);
        let facts = facts_of(&self.plugin);
        let mut handed = self.import;
        let instance = match self.instance {
            JobInstance::Running(instance) => {
                if self.role_changed {
                    instance.set_role(self.context.role)?;
                }
                if let Some(state) = &handed {
                    instance.import(state, &self.context.service)?;
                }
                instance
            }
            JobInstance::Start => Instance::new(scheduler()?, facts),
            JobInstance::Successor(scheduler, running) => {
                let successor = Instance::new(scheduler, facts);
                successor.set_role(self.context.role)?;
                handed = running.and_then(|it| it.export(&self.context.service));
                if let Some(state) = &handed {
                    successor.import(state, &self.context.service)?;
                }
                successor
            }
        };
        match (self.decision, &self.update) {
            (Decision::Plan, _) => instance.plan_by(None),
            (Decision::PerConnection, SchedulerUpdate::Backends(_)) => {
                if !instance.plans_apart() {
                    let mut planner = scheduler()?;
                    if let Some(state) = &handed {
                        // What it refuses, the one that decides has refused.
                        let _ = planner.import_state(state)?;
                    }
                    instance.plan_by(Some(planner));
                }
            }
            // It would not know the servers.
            (Decision::PerConnection, SchedulerUpdate::Loads(_)) => {}
        }
        match &self.update {
            SchedulerUpdate::Backends(backends) => instance.set_backends(backends)?,
            SchedulerUpdate::Loads(loads) => instance.set_loads(loads, self.started_at)?,
        }
        let plan = if self.wants_plan {
            Some(instance.make_plan()?)
        } else {
            None
        };
        let exports = Some(&instance).filter(|_| self.exports);
        let exported = exports.and_then(|it| it.export(&self.context.service));
        Ok(Ran {
            instance,
            plan,
            exported,
        })
    }
}
