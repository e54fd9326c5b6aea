//! Schedulers that keep nothing between plans: a few instances plan for all services in turn.

use std::sync::Arc;

use evenkeel_core::manifest::{Manifest, Setting};
use evenkeel_core::metrics::PluginMetrics;
use evenkeel_core::plan::Plan;
use evenkeel_core::state::BackendId;
use parking_lot::Mutex;

use super::contracts::SchedulerCode;
use super::instance::{Instance, refused};
use super::scheduler::WasmScheduler;
use super::shared::Shared;
use crate::identity::Identity;
use crate::plugin_log::PluginLog;
use crate::{
    Backend, DirectorRole, Failure, Flow, Load, PluginError, SavedState, Scheduler, ServiceContext,
};

/// Instances that wait for the next plan; more are ended.
const MAX_IDLE: usize = 4;
/// An instance is used so often: what a plugin leaks ends with it.
const MAX_USES: u32 = 1_000;

/// Whether its services need no instances of their own. Facts are told while they change, to one that keeps them.
pub(super) fn shares_instances(manifest: &Manifest) -> bool {
    let abilities = manifest.abilities.as_ref();
    abilities.is_some_and(|it| it.stateless && !it.facts.any())
}

/// The instances of one plugin.
pub(super) struct Pool {
    shared: Arc<Shared>,
    code: Arc<dyn SchedulerCode>,
    idle: Mutex<Vec<(Instance, u32)>>,
}

impl Pool {
    pub(super) fn new(shared: &Arc<Shared>, code: &Arc<dyn SchedulerCode>) -> Self {
        Self {
            shared: Arc::clone(shared),
            code: Arc::clone(code),
            idle: Mutex::default(),
        }
    }

    /// Uses an instance, as the next one of it begins: by configuring it. One that fails is ended.
    fn with<T>(
        &self,
        log: &Arc<PluginLog>,
        uses: impl FnOnce(&mut Instance) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let idle = self.idle.lock().pop();
        let (mut instance, used) = match idle {
            Some(idle) => idle,
            None => (Instance::new(&self.shared, &*self.code, log)?, 0),
        };
        instance.log_to(log);
        let outcome = uses(&mut instance)?;
        let mut idle = self.idle.lock();
        if used < MAX_USES && idle.len() < MAX_IDLE {
            idle.push((instance, used + 1));
        }
        Ok(outcome)
    }
}

/// The scheduler of one service: what it is to be told.
pub(super) struct StatelessScheduler {
    pool: Arc<Pool>,
    identity: Identity,
    log: Arc<PluginLog>,
    settings: Box<[Setting]>,
    context: ServiceContext,
    backends: Box<[Backend]>,
    /// An instance of its own, from the first connection on that it decides.
    own: Option<WasmScheduler>,
    /// The first failure, for every later call.
    failed: Option<Failure>,
}

impl StatelessScheduler {
    /// With settings that were accepted.
    pub(super) fn new(
        pool: &Arc<Pool>,
        identity: Identity,
        context: &ServiceContext,
        settings: &[Setting],
    ) -> Result<Self, PluginError> {
        let log = PluginLog::new(&identity.name, &context.service);
        let sandbox = &pool.shared.sandbox;
        let accepted = pool.with(&log, |it| it.configure(sandbox, settings, context));
        match accepted {
            Ok(()) => Ok(Self {
                pool: Arc::clone(pool),
                identity,
                log,
                settings: settings.into(),
                context: context.clone(),
                backends: Box::default(),
                own: None,
                failed: None,
            }),
            Err(failure) => Err(identity.error(failure)),
        }
    }

    /// An instance that has been told all.
    fn with<T>(
        &mut self,
        uses: impl FnOnce(&mut Instance, &[Backend]) -> Result<T, Failure>,
    ) -> Result<T, PluginError> {
        let outcome = match &self.failed {
            Some(failure) => Err(failure.clone()),
            None => self.pool.with(&self.log, |instance| {
                let sandbox = &self.pool.shared.sandbox;
                instance.configure(sandbox, &self.settings, &self.context)?;
                uses(instance, &self.backends)
            }),
        };
        outcome.map_err(|failure| {
            self.failed = Some(failure.clone());
            self.identity.error(failure)
        })
    }

    /// The instance of its own, made now if it is the first time.
    fn own(&mut self) -> Result<&mut WasmScheduler, PluginError> {
        let Pool { shared, code, .. } = &*self.pool;
        match &mut self.own {
            Some(own) => Ok(own),
            none @ None => {
                let identity = self.identity.clone();
                let mut own =
                    WasmScheduler::new(shared, &**code, identity, &self.context, &self.settings)?;
                own.set_backends(&self.backends)?;
                Ok(none.insert(own))
            }
        }
    }
}

impl Scheduler for StatelessScheduler {
    fn metrics(&self) -> Arc<PluginMetrics> {
        self.log.metrics()
    }

    fn set_backends(&mut self, backends: &[Backend]) -> Result<(), PluginError> {
        self.backends = backends.into();
        match &mut self.own {
            Some(own) => own.set_backends(backends),
            None => Ok(()),
        }
    }

    /// It has asked for none.
    fn set_loads(&mut self, _: &[Load]) -> Result<(), PluginError> {
        Ok(())
    }

    fn make_plan(&mut self) -> Result<Plan, PluginError> {
        if let Some(own) = &mut self.own {
            return own.make_plan();
        }
        self.with(|instance, backends| {
            instance.call(|guest, store| guest.set_backends(store, backends))?;
            let plan = instance.call(|guest, store| guest.make_plan(store))?;
            plan.map_err(Failure::Answer)
        })
    }

    fn pick(&mut self, flow: &Flow) -> Result<Option<BackendId>, PluginError> {
        self.own()?.pick(flow)
    }

    fn set_role(&mut self, role: DirectorRole) -> Result<(), PluginError> {
        self.context.role = role;
        match &mut self.own {
            Some(own) => own.set_role(role),
            None => Ok(()),
        }
    }

    fn validate(&mut self, backends: &[Backend]) -> Result<Result<(), String>, PluginError> {
        self.with(|instance, _| {
            let answer = instance.call(|guest, store| guest.validate(store, backends))?;
            Ok(refused(answer))
        })
    }

    fn export_state(&mut self) -> Result<Option<SavedState>, PluginError> {
        Ok(None)
    }

    fn import_state(&mut self, _: &SavedState) -> Result<Result<(), String>, PluginError> {
        Ok(Err("it keeps no state".to_owned()))
    }
}
