//! A scheduler that is to take the place of the one that runs: what is known of it.

use std::sync::Arc;
use std::time::Instant;

use super::instance::Instance;
use super::job::{JobInstance, SchedulerJob, SchedulerUpdate};
use crate::manifest::{Decision, Setting};
use crate::scheduler::{DirectorRole, Scheduler, SchedulerPlugin, ServiceContext};

/// A plugin with settings: where schedulers come from.
pub(super) type Origin = (Arc<dyn SchedulerPlugin>, Vec<Setting>);

/// One that waits to be tried.
pub(super) struct Successor {
    pub(super) origin: Origin,
    pub(super) scheduler: Box<dyn Scheduler>,
    /// How its decisions are to be followed.
    pub(super) decision: Decision,
    /// Of its job, and of the instance once it decides.
    pub(super) generation: u64,
}

/// One that is being tried.
pub(super) struct Trial {
    pub(super) origin: Origin,
    pub(super) decision: Decision,
    pub(super) generation: u64,
    /// It was told this.
    pub(super) role: DirectorRole,
    /// The one that decides meanwhile; `None`: it has failed.
    pub(super) running: Option<Instance>,
}

impl Successor {
    /// Its trial, while another one is running or has failed. `same`: that is of the same plugin, so that its state is
    /// handed over.
    pub(super) fn job(
        self,
        context: ServiceContext,
        running: Option<Instance>,
        same: bool,
        update: SchedulerUpdate,
        now: Instant,
    ) -> (SchedulerJob, Trial) {
        let trial = Trial {
            origin: self.origin.clone(),
            decision: self.decision,
            generation: self.generation,
            role: context.role,
            running: running.clone(),
        };
        let (plugin, settings) = self.origin;
        let job = SchedulerJob {
            generation: self.generation,
            is_second: false,
            plugin,
            context,
            role_changed: true,
            settings,
            decision: self.decision,
            instance: JobInstance::Successor(self.scheduler, running.filter(|_| same)),
            update,
            import: None,
            exports: true,
            started_at: now,
            wants_plan: true,
        };
        (job, trial)
    }
}

/// One that did not take over.
pub(super) struct Refused {
    pub(super) origin: Origin,
    /// Why, for people.
    pub(super) problem: String,
}
