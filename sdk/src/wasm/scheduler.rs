//! A scheduler's exports.

use std::cell::RefCell;
use std::marker::PhantomData;

use super::bindings::scheduler::evenkeel::plugin::types;
use super::bindings::scheduler::exports::evenkeel::plugin::scheduler as contract;
use super::{convert, report_panics};
use crate::backends::BackendId;
use crate::glue::{SchedulerGlue, SchedulerInstance};
use crate::registered::{Registered, abilities, manifest};
use crate::scheduler::Scheduler;

thread_local! {
    /// The scheduler that this instance of the module is, once it is configured. (A module has one
    /// thread.)
    static INSTANCE: RefCell<Option<Box<dyn SchedulerInstance>>> = const { RefCell::new(None) };
}

/// The contract's functions for one type of scheduler.
#[derive(Debug)]
pub struct SchedulerPlugin<S>(PhantomData<S>);

impl<S: Scheduler + Registered> contract::Guest for SchedulerPlugin<S> {
    fn describe() -> types::Manifest {
        report_panics();
        manifest::<S, S::Settings>().into()
    }

    fn list_abilities() -> contract::Abilities {
        convert::abilities(abilities::<S>())
    }

    fn configure(settings: Vec<types::Setting>, context: contract::Context) -> Result<(), String> {
        report_panics();
        let mut glue = SchedulerGlue::<S>::configure(convert::values(settings))?;
        glue.set_context(context.into());
        INSTANCE.set(Some(Box::new(glue)));
        Ok(())
    }

    fn validate(backends: Vec<contract::Backend>) -> Result<(), String> {
        let backends = backends.into_iter().map(Into::into).collect();
        with(|scheduler| scheduler.validate(backends)).unwrap_or(Ok(()))
    }

    fn import_state(state: contract::SavedState) -> Result<(), String> {
        with(|scheduler| scheduler.import_state(state.into())).unwrap_or(Ok(()))
    }

    fn export_state() -> Option<contract::SavedState> {
        with(|scheduler| scheduler.export_state())
            .flatten()
            .map(Into::into)
    }

    fn set_role(role: contract::Role) {
        with(|scheduler| scheduler.set_role(role.into()));
    }

    fn set_backends(backends: Vec<contract::Backend>) {
        with(|scheduler| scheduler.set_backends(backends.into_iter().map(Into::into).collect()));
    }

    fn set_loads(loads: Vec<contract::Load>) {
        with(|scheduler| {
            for load in loads {
                let signals = convert::signals(load.signals);
                scheduler.set_load(BackendId::new(load.id), load.counts.into(), signals);
            }
        });
    }

    fn make_plan() -> contract::Plan {
        with(|scheduler| scheduler.make_plan()).map_or(contract::Plan::None, Into::into)
    }

    fn pick(flow: contract::Flow) -> Option<types::BackendId> {
        with(|scheduler| scheduler.pick(&flow.into()))
            .flatten()
            .map(BackendId::get)
    }
}

/// Calls the scheduler; before `configure` there is none, and the call says nothing.
fn with<R>(call: impl FnOnce(&mut dyn SchedulerInstance) -> R) -> Option<R> {
    INSTANCE.with_borrow_mut(|instance| instance.as_mut().map(|scheduler| call(scheduler.as_mut())))
}
