//! A scheduler's instance.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::manifest::Setting;
use wasmtime::Store;

use super::confines::Confines;
use super::contracts::{SchedulerCode, SchedulerGuest};
use super::shared::Shared;
use super::state::{self, State, begin, store};
use crate::plugin_log::PluginLog;
use crate::text::clean;
use crate::{Failure, ServiceContext};

/// Characters kept of the reason of a refusal.
const REFUSAL: usize = 1000;

/// A running instance.
pub(super) struct Instance {
    store: Store<State>,
    guest: Box<dyn SchedulerGuest>,
}

impl Instance {
    pub(super) fn new(
        shared: &Shared,
        code: &dyn SchedulerCode,
        log: &Arc<PluginLog>,
    ) -> Result<Self, Failure> {
        let mut store = store(&shared.engine, &shared.sandbox, log);
        match code.instantiate(&mut store) {
            Ok(guest) => Ok(Self { store, guest }),
            Err(error) => Err(store.data().failure(&error)),
        }
    }

    /// One call of the guest, with a time of its own.
    pub(super) fn call<T>(
        &mut self,
        call: impl FnOnce(&dyn SchedulerGuest, &mut Store<State>) -> wasmtime::Result<T>,
    ) -> Result<T, Failure> {
        begin(&mut self.store);
        call(&*self.guest, &mut self.store).map_err(|error| self.store.data().failure(&error))
    }

    /// Configures it, also if it was configured before.
    pub(super) fn configure(
        &mut self,
        sandbox: &Confines,
        settings: &[Setting],
        context: &ServiceContext,
    ) -> Result<(), Failure> {
        let answer = self.call(|guest, store| guest.configure(store, settings, context))?;
        refused(answer).map_err(Failure::Settings)?;
        state::configured(&self.store, sandbox);
        Ok(())
    }

    /// What its next calls may take.
    pub(super) fn set_limit(&self, time: Duration) {
        self.store.data().meter.set_limit(time);
    }

    /// Where its lines go from now on.
    pub(super) fn log_to(&mut self, log: &Arc<PluginLog>) {
        self.store.data_mut().log_to(log);
    }
}

/// A refusal, fit for a terminal.
pub(super) fn refused(answer: Result<(), String>) -> Result<(), String> {
    answer.map_err(|reason| clean(&reason, REFUSAL))
}
