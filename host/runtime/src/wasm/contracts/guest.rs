//! Instances of plugins. Compiled once for each contract: `super` is that contract's module, and its `calls` are those
//! that not every contract has.

use async_trait::async_trait;
use evenkeel_core::manifest::Setting;
use evenkeel_core::plan::Plan;
use evenkeel_core::state::BackendId;
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Engine, Result, Store};

use super::checker::{HealthCheckerPlugin, HealthCheckerPluginPre};
use super::scheduler::{SchedulerPlugin, SchedulerPluginPre};
use super::{calls, convert, values};
use crate::wasm::contracts::{
    CheckerCode, CheckerGuest, Described, SchedulerCode, SchedulerGuest, backend,
};
use crate::wasm::state::State;
use crate::wasm::wasi::{Waiting, granting_nothing};
use crate::{Backend, DirectorRole, Flow, Load, SavedState, ServiceContext, Verdict};

/// What plugins can import.
pub(in crate::wasm) struct Linkers {
    schedulers: Linker<State>,
    checkers: Linker<State>,
}

impl Linkers {
    pub(in crate::wasm) fn new(engine: &Engine) -> Result<Self> {
        let mut schedulers = Linker::new(engine);
        SchedulerPlugin::add_to_linker::<_, HasSelf<State>>(&mut schedulers, |state| state)?;
        let mut checkers = Linker::new(engine);
        HealthCheckerPlugin::add_to_linker::<_, HasSelf<State>>(&mut checkers, |state| state)?;
        Ok(Self {
            schedulers,
            checkers,
        })
    }

    pub(in crate::wasm) fn scheduler(
        &self,
        component: &Component,
    ) -> Result<Box<dyn SchedulerCode>> {
        let linker = granting_nothing(&self.schedulers, component, Waiting::Never)?;
        let code = linker.instantiate_pre(component)?;
        Ok(Box::new(SchedulerPluginPre::new(code)?))
    }

    pub(in crate::wasm) fn checker(&self, component: &Component) -> Result<Box<dyn CheckerCode>> {
        let linker = granting_nothing(&self.checkers, component, Waiting::InChecks)?;
        let code = linker.instantiate_pre(component)?;
        Ok(Box::new(HealthCheckerPluginPre::new(code)?))
    }
}

impl SchedulerCode for SchedulerPluginPre<State> {
    fn instantiate(&self, store: &mut Store<State>) -> Result<Box<dyn SchedulerGuest>> {
        Ok(Box::new(self.instantiate(store)?))
    }
}

impl SchedulerGuest for SchedulerPlugin {
    fn describe(&self, store: &mut Store<State>) -> Result<Described> {
        let guest = self.evenkeel_plugin_scheduler();
        let manifest = guest.call_describe(&mut *store)?;
        let abilities = guest.call_list_abilities(store)?;
        Ok(convert::abilities(abilities).and_then(|it| values::manifest(manifest, Some(it))))
    }

    fn configure(
        &self,
        store: &mut Store<State>,
        settings: &[Setting],
        context: &ServiceContext,
    ) -> Result<std::result::Result<(), String>> {
        let guest = self.evenkeel_plugin_scheduler();
        calls::configure(guest, store, &values::settings(settings), context)
    }

    fn validate(
        &self,
        store: &mut Store<State>,
        backends: &[Backend],
    ) -> Result<std::result::Result<(), String>> {
        calls::validate(self.evenkeel_plugin_scheduler(), store, backends)
    }

    fn set_role(&self, store: &mut Store<State>, role: DirectorRole) -> Result<()> {
        calls::set_role(self.evenkeel_plugin_scheduler(), store, role)
    }

    fn export_state(&self, store: &mut Store<State>) -> Result<Option<SavedState>> {
        calls::export_state(self.evenkeel_plugin_scheduler(), store)
    }

    fn import_state(
        &self,
        store: &mut Store<State>,
        state: &SavedState,
    ) -> Result<std::result::Result<(), String>> {
        calls::import_state(self.evenkeel_plugin_scheduler(), store, state)
    }

    fn set_backends(&self, store: &mut Store<State>, backends: &[Backend]) -> Result<()> {
        let backends = convert::backends(backends);
        self.evenkeel_plugin_scheduler()
            .call_set_backends(store, &backends)
    }

    fn set_loads(&self, store: &mut Store<State>, loads: &[Load]) -> Result<()> {
        let loads = convert::loads(loads);
        self.evenkeel_plugin_scheduler()
            .call_set_loads(store, &loads)
    }

    fn make_plan(&self, store: &mut Store<State>) -> Result<std::result::Result<Plan, String>> {
        let plan = self.evenkeel_plugin_scheduler().call_make_plan(store)?;
        Ok(convert::plan(plan))
    }

    fn pick(
        &self,
        store: &mut Store<State>,
        flow: &Flow,
    ) -> Result<std::result::Result<Option<BackendId>, u32>> {
        let flow = values::flow(flow);
        let picked = self.evenkeel_plugin_scheduler().call_pick(store, flow)?;
        Ok(picked.map(backend).transpose())
    }
}

#[async_trait]
impl CheckerCode for HealthCheckerPluginPre<State> {
    async fn instantiate(&self, store: &mut Store<State>) -> Result<Box<dyn CheckerGuest>> {
        Ok(Box::new(self.instantiate_async(store).await?))
    }
}

#[async_trait]
impl CheckerGuest for HealthCheckerPlugin {
    async fn describe(&self, store: &mut Store<State>) -> Result<Described> {
        let guest = self.evenkeel_plugin_health_checker();
        let manifest = guest.call_describe(store).await?;
        Ok(values::manifest(manifest, None))
    }

    async fn configure(
        &self,
        store: &mut Store<State>,
        settings: &[Setting],
    ) -> Result<std::result::Result<(), String>> {
        let settings = values::settings(settings);
        let guest = self.evenkeel_plugin_health_checker();
        guest.call_configure(store, &settings).await
    }

    async fn check(&self, store: &mut Store<State>) -> Result<Verdict> {
        // The number means nothing: the store knows only the target of the check under way.
        let target = calls::target();
        let guest = self.evenkeel_plugin_health_checker();
        Ok(convert::verdict(guest.call_check(store, target).await?))
    }
}
