//! What stands between the contract's calls and a plugin's traits: the same in a plugin and in its
//! native tests.

use crate::backends::{Backend, BackendId, Backends, Counts, Flow};
use crate::checker::{HealthChecker, Verdict};
use crate::context::{Context, Role, SavedState};
use crate::manifest::Values;
use crate::plan::Plan;
use crate::scheduler::Scheduler;
use crate::settings::Settings;
use crate::target::{RawTarget, Target};

/// A scheduler that has been configured, of whatever type.
pub(crate) trait SchedulerInstance {
    fn set_context(&mut self, context: Context);
    fn set_role(&mut self, role: Role);
    fn validate(&self, backends: Vec<Backend>) -> Result<(), String>;
    fn export_state(&self) -> Option<SavedState>;
    fn import_state(&mut self, state: SavedState) -> Result<(), String>;
    fn set_backends(&mut self, backends: Vec<Backend>);
    fn set_load(&mut self, id: BackendId, counts: Counts, signals: Vec<(String, f64)>);
    fn make_plan(&mut self) -> Plan;
    fn pick(&mut self, flow: &Flow) -> Option<BackendId>;
}

/// A scheduler and the servers that it chooses from.
pub(crate) struct SchedulerGlue<S> {
    scheduler: S,
    backends: Backends,
    context: Context,
}

impl<S: Scheduler> SchedulerGlue<S> {
    pub(crate) fn configure(values: Values) -> Result<Self, String> {
        let scheduler = S::new(S::Settings::from_values(values)?)?;
        Ok(Self {
            scheduler,
            backends: Backends::default(),
            context: Context {
                service: String::new(),
                listener: None,
                role: Role::Alone,
            },
        })
    }
}

impl<S: Scheduler> SchedulerInstance for SchedulerGlue<S> {
    fn set_context(&mut self, context: Context) {
        self.context = context;
        self.scheduler.set_context(&self.context);
    }

    fn set_role(&mut self, role: Role) {
        self.context.role = role;
        self.scheduler.set_context(&self.context);
    }

    fn validate(&self, backends: Vec<Backend>) -> Result<(), String> {
        let mut all = Backends::default();
        all.set(backends);
        self.scheduler.validate(&all)
    }

    fn export_state(&self) -> Option<SavedState> {
        self.scheduler.export_state()
    }

    fn import_state(&mut self, state: SavedState) -> Result<(), String> {
        self.scheduler.import_state(state)
    }

    fn set_backends(&mut self, backends: Vec<Backend>) {
        self.backends.set(backends);
    }

    fn set_load(&mut self, id: BackendId, counts: Counts, signals: Vec<(String, f64)>) {
        self.backends.set_load(id, counts, signals);
    }

    fn make_plan(&mut self) -> Plan {
        self.scheduler.plan(&self.backends)
    }

    fn pick(&mut self, flow: &Flow) -> Option<BackendId> {
        let picked = self.scheduler.pick(flow, &self.backends)?;
        if S::FACTS.connections {
            self.backends.placed(picked);
        }
        Some(picked)
    }
}

/// A checker that has been configured, of whatever type.
pub(crate) trait CheckerInstance {
    fn check(&mut self, target: &dyn RawTarget) -> Verdict;
}

/// A checker.
pub(crate) struct CheckerGlue<C>(C);

impl<C: HealthChecker> CheckerGlue<C> {
    pub(crate) fn configure(values: Values) -> Result<Self, String> {
        Ok(Self(C::new(C::Settings::from_values(values)?)?))
    }
}

impl<C: HealthChecker> CheckerInstance for CheckerGlue<C> {
    fn check(&mut self, target: &dyn RawTarget) -> Verdict {
        self.0
            .check(&mut Target::new(target))
            .unwrap_or_else(Verdict::from)
    }
}
