//! Schedulers: one instance for each virtual service.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::manifest::Setting;
use evenkeel_core::metrics::PluginMetrics;
use evenkeel_core::plan::Plan;
use evenkeel_core::scheduler::MAX_STATE;
use evenkeel_core::state::BackendId;
use wasmtime::Store;

use super::contracts::{Described, SchedulerCode, SchedulerGuest, no_backend};
use super::instance::{Instance, refused};
use super::shared::Shared;
use super::state::State;
use crate::identity::Identity;
use crate::plugin_log::PluginLog;
use crate::{
    Backend, DirectorRole, Failure, Flow, Load, PluginError, SavedState, Scheduler, ServiceContext,
    too_much_state,
};

/// Asks a throw-away instance what it is.
pub(super) fn describe(
    shared: &Shared,
    code: &dyn SchedulerCode,
    log: &Arc<PluginLog>,
) -> Result<Described, Failure> {
    Instance::new(shared, code, log)?.call(|guest, store| guest.describe(store))
}

/// The scheduler of one service.
pub(super) struct WasmScheduler {
    /// Keeps the clock going that ends its calls, should the runtime be gone.
    shared: Arc<Shared>,
    identity: Identity,
    /// After an error the error, for every later call: the instance is gone.
    instance: Result<Box<Instance>, Failure>,
    log: Arc<PluginLog>,
}

impl WasmScheduler {
    /// A configured instance.
    pub(super) fn new(
        shared: &Arc<Shared>,
        code: &dyn SchedulerCode,
        identity: Identity,
        context: &ServiceContext,
        settings: &[Setting],
    ) -> Result<Self, PluginError> {
        let log = PluginLog::new(&identity.name, &context.service);
        let configured = Instance::new(shared, code, &log).and_then(|mut instance| {
            instance.configure(&shared.sandbox, settings, context)?;
            Ok(instance)
        });
        match configured {
            Ok(instance) => Ok(Self {
                shared: Arc::clone(shared),
                identity,
                instance: Ok(Box::new(instance)),
                log,
            }),
            Err(failure) => Err(identity.error(failure)),
        }
    }

    /// What the next calls may take.
    fn limit(&self, time: Duration) {
        if let Ok(instance) = &self.instance {
            instance.set_limit(time);
        }
    }

    /// Calls the guest; the first failure ends the instance.
    fn call<T, U>(
        &mut self,
        call: impl FnOnce(&dyn SchedulerGuest, &mut Store<State>) -> wasmtime::Result<T>,
        accept: impl FnOnce(T) -> Result<U, Failure>,
    ) -> Result<U, PluginError> {
        let result = match &mut self.instance {
            Ok(instance) => instance.call(call).and_then(accept),
            Err(failure) => Err(failure.clone()),
        };
        result.map_err(|failure| {
            self.instance = Err(failure.clone());
            self.identity.error(failure)
        })
    }
}

impl Scheduler for WasmScheduler {
    fn metrics(&self) -> Arc<PluginMetrics> {
        self.log.metrics()
    }

    fn set_backends(&mut self, backends: &[Backend]) -> Result<(), PluginError> {
        self.call(|guest, store| guest.set_backends(store, backends), Ok)
    }

    fn set_loads(&mut self, loads: &[Load]) -> Result<(), PluginError> {
        self.call(|guest, store| guest.set_loads(store, loads), Ok)
    }

    fn make_plan(&mut self) -> Result<Plan, PluginError> {
        self.call(
            |guest, store| guest.make_plan(store),
            |plan| plan.map_err(Failure::Answer),
        )
    }

    fn pick(&mut self, flow: &Flow) -> Result<Option<BackendId>, PluginError> {
        self.limit(self.shared.sandbox.pick_time);
        let picked = self.call(
            |guest, store| guest.pick(store, flow),
            |picked| picked.map_err(no_backend),
        );
        self.limit(self.shared.sandbox.call_time);
        picked
    }

    fn set_role(&mut self, role: DirectorRole) -> Result<(), PluginError> {
        self.call(|guest, store| guest.set_role(store, role), Ok)
    }

    fn validate(&mut self, backends: &[Backend]) -> Result<Result<(), String>, PluginError> {
        self.call(|guest, store| guest.validate(store, backends), Ok)
            .map(refused)
    }

    fn export_state(&mut self) -> Result<Option<SavedState>, PluginError> {
        self.call(
            |guest, store| guest.export_state(store),
            |state| match &state {
                Some(state) if state.bytes.len() > MAX_STATE => {
                    Err(too_much_state(state.bytes.len()))
                }
                Some(_) | None => Ok(state),
            },
        )
    }

    fn import_state(&mut self, state: &SavedState) -> Result<Result<(), String>, PluginError> {
        self.call(|guest, store| guest.import_state(store, state), Ok)
            .map(refused)
    }
}
