//! Schedulers: one instance for each virtual service.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::manifest::Setting;
use evenkeel_core::plan::Plan;
use evenkeel_core::state::BackendId;
use wasmtime::Store;

use super::shared::Shared;
use super::since_v0_1::scheduler::evenkeel::plugin::types::Manifest;
use super::since_v0_1::scheduler::exports::evenkeel::plugin::scheduler::{Abilities, Guest};
use super::since_v0_1::scheduler::{SchedulerPlugin, SchedulerPluginPre};
use super::since_v0_1::{self as contract};
use super::state::{self, State, begin, store};
use crate::identity::Identity;
use crate::plugin_log::PluginLog;
use crate::{Backend, Failure, Flow, Load, PluginError, Scheduler};

/// A scheduler's code, its imports resolved.
pub(super) type Code = SchedulerPluginPre<State>;

/// A running instance.
struct Instance {
    store: Store<State>,
    exports: SchedulerPlugin,
}

impl Instance {
    fn new(shared: &Shared, code: &Code, log: &Arc<PluginLog>) -> Result<Self, Failure> {
        let mut store = store(&shared.engine, &shared.sandbox, log);
        match code.instantiate(&mut store) {
            Ok(exports) => Ok(Self { store, exports }),
            Err(error) => Err(store.data().failure(&error)),
        }
    }

    /// One call of the guest, with a time of its own.
    fn call<T>(
        &mut self,
        call: impl FnOnce(&Guest, &mut Store<State>) -> wasmtime::Result<T>,
    ) -> Result<T, Failure> {
        begin(&mut self.store);
        let guest = self.exports.evenkeel_plugin_scheduler();
        call(guest, &mut self.store).map_err(|error| self.store.data().failure(&error))
    }
}

/// Asks a throw-away instance what it is.
pub(super) fn describe(
    shared: &Shared,
    code: &Code,
    log: &Arc<PluginLog>,
) -> Result<(Manifest, Abilities), Failure> {
    let mut instance = Instance::new(shared, code, log)?;
    let manifest = instance.call(|guest, store| guest.call_describe(store))?;
    let abilities = instance.call(|guest, store| guest.call_list_abilities(store))?;
    Ok((manifest, abilities))
}

/// The scheduler of one service.
pub(super) struct WasmScheduler {
    /// Keeps the clock going that ends its calls, should the runtime be gone.
    shared: Arc<Shared>,
    identity: Identity,
    /// After an error the error, for every later call: the instance is gone.
    instance: Result<Box<Instance>, Failure>,
}

impl WasmScheduler {
    /// A configured instance.
    pub(super) fn new(
        shared: &Arc<Shared>,
        code: &Code,
        identity: Identity,
        log: &Arc<PluginLog>,
        settings: &[Setting],
    ) -> Result<Self, PluginError> {
        let settings = contract::settings(settings);
        let configured = Instance::new(shared, code, log).and_then(|mut instance| {
            instance
                .call(|guest, store| guest.call_configure(store, &settings))?
                .map_err(|reason| Failure::Settings(crate::text::clean(&reason, 1000)))?;
            state::configured(&instance.store, &shared.sandbox);
            Ok(instance)
        });
        match configured {
            Ok(instance) => Ok(Self {
                shared: Arc::clone(shared),
                identity,
                instance: Ok(Box::new(instance)),
            }),
            Err(failure) => Err(identity.error(failure)),
        }
    }

    /// What the next calls may take.
    fn limit(&self, time: Duration) {
        if let Ok(instance) = &self.instance {
            instance.store.data().meter.set_limit(time);
        }
    }

    /// Calls the guest; the first failure ends the instance.
    fn call<T, U>(
        &mut self,
        call: impl FnOnce(&Guest, &mut Store<State>) -> wasmtime::Result<T>,
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
    fn set_backends(&mut self, backends: &[Backend]) -> Result<(), PluginError> {
        let backends = contract::backends(backends);
        self.call(|guest, store| guest.call_set_backends(store, &backends), Ok)
    }

    fn set_loads(&mut self, loads: &[Load]) -> Result<(), PluginError> {
        let loads = contract::loads(loads);
        self.call(|guest, store| guest.call_set_loads(store, &loads), Ok)
    }

    fn make_plan(&mut self) -> Result<Plan, PluginError> {
        self.call(
            |guest, store| guest.call_make_plan(store),
            |plan| contract::plan(plan).map_err(no_backend),
        )
    }

    fn pick(&mut self, flow: &Flow) -> Result<Option<BackendId>, PluginError> {
        let flow = contract::flow(flow);
        self.limit(self.shared.sandbox.pick_time);
        let picked = self.call(
            |guest, store| guest.call_pick(store, flow),
            |picked| {
                picked
                    .map(|id| BackendId::new(id).ok_or_else(|| no_backend(id)))
                    .transpose()
            },
        );
        self.limit(self.shared.sandbox.call_time);
        picked
    }
}

fn no_backend(id: u32) -> Failure {
    Failure::Answer(format!("it names backend {id}, which cannot exist"))
}
