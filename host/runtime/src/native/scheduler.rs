//! Schedulers: one instance for each virtual service.

use std::ffi::c_void;
use std::sync::Arc;

use evenkeel_core::manifest::{Manifest, Setting};
use evenkeel_core::metrics::PluginMetrics;
use evenkeel_core::plan::Plan;
use evenkeel_core::scheduler::MAX_STATE;
use evenkeel_core::state::BackendId;
use evenkeel_sdk::native::abi::{self, Sink, Text, status};

use super::{convert, host};
use crate::identity::Identity;
use crate::plugin_log::PluginLog;
use crate::text::clean;
use crate::{
    Backend, DirectorRole, Failure, Flow, Load, PluginError, SavedState, Scheduler, ServiceContext,
    too_much_state,
};

/// Characters kept of what a plugin says of its own end.
const MAX_MESSAGE: usize = 500;
/// Characters kept of the reason of a refusal.
const REASON: usize = 1000;

/// A sink that fills that place.
fn sink<A, T>(place: &mut Option<T>, put: unsafe extern "C" fn(*mut c_void, *const A)) -> Sink<A> {
    Sink {
        context: std::ptr::from_mut(place).cast(),
        put,
    }
}

/// Puts what `read` makes of an answer where the context points.
macro_rules! put {
    ($name:ident, $answer:ty => $place:ty, $read:expr) => {
        #[expect(unsafe_code, reason = "called by a trusted plugin")]
        unsafe extern "C" fn $name(context: *mut c_void, answer: *const $answer) {
            // SAFETY: the context is the place that `sink` was made of, which is alive during the call; the SDK gives a
            // pointer to an answer that is alive until we return.
            unsafe {
                if let (Some(place), Some(answer)) =
                    (context.cast::<Option<$place>>().as_mut(), answer.as_ref())
                {
                    *place = Some($read(answer));
                }
            }
        }
    };
}

put!(put_text, Text<'_> => String, |text: &Text<'_>| convert::text(*text));
put!(put_plan, abi::Plan<'_> => Result<Plan, String>, convert::plan);
put!(put_state, abi::SavedState<'_> => SavedState, convert::state);
put!(put_manifest, abi::Manifest<'_> => Result<Manifest, String>, convert::manifest);

/// Makes a call that may end in a panic or a refusal, the latter being what `refused` says.
fn call(
    log: &mut Option<Arc<PluginLog>>,
    refused: fn(String) -> Failure,
    call: impl FnOnce(Sink<Text<'_>>) -> u32,
) -> Result<(), Failure> {
    let mut said = None::<String>;
    let said_sink = sink(&mut said, put_text);
    let status = host::with_log(log, || call(said_sink));
    let said = said.unwrap_or_default();
    match status {
        status::DONE => Ok(()),
        status::REFUSED => Err(refused(clean(&said, REASON))),
        status::PANICKED => Err(Failure::Trap(clean(&said, MAX_MESSAGE))),
        other => Err(Failure::Answer(format!("it ended a call with {other}"))),
    }
}

/// Hands the host's functions to a plugin that has just been loaded, and asks it what it is.
pub(super) fn describe(
    entry: &'static abi::Entry,
    log: Arc<PluginLog>,
) -> Result<Manifest, Failure> {
    let mut log = Some(log);
    #[expect(unsafe_code, reason = "calls a trusted plugin")]
    // SAFETY: the functions live as long as the process.
    call(&mut log, Failure::Answer, |said| unsafe {
        (entry.scheduler.start)(host::functions(), said)
    })?;
    let mut answer = None::<Result<Manifest, String>>;
    let answers = sink(&mut answer, put_manifest);
    #[expect(unsafe_code, reason = "calls a trusted plugin")]
    // SAFETY: it has been started; the sinks outlive the call.
    call(&mut log, Failure::Answer, |said| unsafe {
        (entry.scheduler.describe)(answers, said)
    })?;
    answer
        .ok_or_else(|| Failure::Answer("it said nothing".to_owned()))?
        .map_err(Failure::Answer)
}

/// The scheduler of one service.
pub(super) struct NativeScheduler {
    entry: &'static abi::Entry,
    identity: Identity,
    log: Option<Arc<PluginLog>>,
    instance: *mut c_void,
    /// The error, for every later call: what a panic left is not used again.
    failed: Option<Failure>,
}

// SAFETY: `scheduler_entry` of the SDK takes only schedulers that are `Send`.
#[expect(unsafe_code, reason = "a pointer to what is Send")]
unsafe impl Send for NativeScheduler {}

impl NativeScheduler {
    /// A configured instance.
    pub(super) fn new(
        entry: &'static abi::Entry,
        identity: Identity,
        context: &ServiceContext,
        settings: &[Setting],
    ) -> Result<Self, PluginError> {
        let mut log = Some(PluginLog::new(&identity.name, &context.service));
        let context = convert::context(context);
        let mut instance = std::ptr::null_mut();
        let made = convert::settings(settings, |settings| {
            #[expect(unsafe_code, reason = "calls a trusted plugin")]
            // SAFETY: it has been started; the settings, the context and the place for the instance outlive the call.
            call(&mut log, Failure::Settings, |said| unsafe {
                (entry.scheduler.configure)(settings, &raw const context, &raw mut instance, said)
            })
        });
        match made {
            Ok(()) if instance.is_null() => {
                Err(identity.error(Failure::Answer("it made no instance".to_owned())))
            }
            Ok(()) => Ok(Self {
                entry,
                identity,
                log,
                instance,
                failed: None,
            }),
            Err(failure) => Err(identity.error(failure)),
        }
    }

    /// Calls the instance; the first failure is its end.
    fn call(
        &mut self,
        make: impl FnOnce(&abi::Scheduler, *mut c_void, Sink<Text<'_>>) -> u32,
    ) -> Result<(), PluginError> {
        let result = match &self.failed {
            Some(failure) => Err(failure.clone()),
            None => call(&mut self.log, Failure::Answer, |said| {
                make(&self.entry.scheduler, self.instance, said)
            }),
        };
        result.map_err(|failure| self.fail(failure))
    }

    /// Calls the instance; a refusal is an answer.
    fn ask(
        &mut self,
        make: impl FnOnce(&abi::Scheduler, *mut c_void, Sink<Text<'_>>) -> u32,
    ) -> Result<Result<(), String>, PluginError> {
        let result = match &self.failed {
            Some(failure) => Err(failure.clone()),
            None => call(&mut self.log, Failure::Settings, |said| {
                make(&self.entry.scheduler, self.instance, said)
            }),
        };
        match result {
            Ok(()) => Ok(Ok(())),
            Err(Failure::Settings(reason)) if self.failed.is_none() => Ok(Err(reason)),
            Err(failure) => Err(self.fail(failure)),
        }
    }

    fn fail(&mut self, failure: Failure) -> PluginError {
        self.failed = Some(failure.clone());
        self.identity.error(failure)
    }
}

#[expect(
    unsafe_code,
    reason = "calls a trusted plugin, with an instance that it made and that is not ended yet"
)]
impl Scheduler for NativeScheduler {
    fn metrics(&self) -> Arc<PluginMetrics> {
        self.log
            .as_ref()
            .map(|log| log.metrics())
            .unwrap_or_default()
    }

    fn set_role(&mut self, role: DirectorRole) -> Result<(), PluginError> {
        let role = convert::role(role);
        // SAFETY: the instance lives.
        self.call(|calls, instance, said| unsafe { (calls.set_role)(instance, role, said) })
    }

    fn validate(&mut self, backends: &[Backend]) -> Result<Result<(), String>, PluginError> {
        convert::backends(backends, |backends| {
            // SAFETY: the instance lives; the servers outlive the call.
            self.ask(|calls, instance, said| unsafe { (calls.validate)(instance, backends, said) })
        })
    }

    fn export_state(&mut self) -> Result<Option<SavedState>, PluginError> {
        let mut answer = None::<SavedState>;
        let answers = sink(&mut answer, put_state);
        // SAFETY: the instance lives; the place for the state outlives the call.
        self.call(|calls, instance, said| unsafe {
            (calls.export_state)(instance, answers, said)
        })?;
        match &answer {
            Some(state) if state.bytes.len() > MAX_STATE => {
                Err(self.fail(too_much_state(state.bytes.len())))
            }
            Some(_) | None => Ok(answer),
        }
    }

    fn import_state(&mut self, state: &SavedState) -> Result<Result<(), String>, PluginError> {
        let state = abi::SavedState {
            version: state.version,
            bytes: abi::Slice::new(&state.bytes),
        };
        // SAFETY: the instance lives; the state outlives the call.
        self.ask(|calls, instance, said| unsafe {
            (calls.import_state)(instance, &raw const state, said)
        })
    }

    fn set_backends(&mut self, backends: &[Backend]) -> Result<(), PluginError> {
        convert::backends(backends, |backends| {
            // SAFETY: the instance lives; the servers outlive the call.
            self.call(|calls, instance, said| unsafe {
                (calls.set_backends)(instance, backends, said)
            })
        })
    }

    fn set_loads(&mut self, loads: &[Load]) -> Result<(), PluginError> {
        convert::loads(loads, |loads| {
            // SAFETY: the instance lives; the loads outlive the call.
            self.call(|calls, instance, said| unsafe { (calls.set_loads)(instance, loads, said) })
        })
    }

    fn make_plan(&mut self) -> Result<Plan, PluginError> {
        let mut answer = None::<Result<Plan, String>>;
        let answers = sink(&mut answer, put_plan);
        // SAFETY: the instance lives; the place for the plan outlives the call.
        self.call(|calls, instance, said| unsafe { (calls.make_plan)(instance, answers, said) })?;
        answer
            .unwrap_or_else(|| Err("it gave no plan".to_owned()))
            .map_err(|wrong| self.fail(Failure::Answer(wrong)))
    }

    fn pick(&mut self, flow: &Flow) -> Result<Option<BackendId>, PluginError> {
        let flow = convert::flow(flow);
        let mut picked = abi::NOBODY;
        let place = &raw mut picked;
        // SAFETY: the instance lives; the flow and the place for the number outlive the call.
        self.call(|calls, instance, said| unsafe {
            (calls.pick)(instance, &raw const flow, place, said)
        })?;
        convert::picked(picked).map_err(|wrong| self.fail(Failure::Answer(wrong)))
    }
}

impl Drop for NativeScheduler {
    fn drop(&mut self) {
        let (calls, instance) = (&self.entry.scheduler, self.instance);
        #[expect(unsafe_code, reason = "calls a trusted plugin")]
        // SAFETY: the instance is used for the last time.
        let ended = call(&mut self.log, Failure::Answer, |said| unsafe {
            (calls.end)(instance, said)
        });
        if let Err(failure) = ended {
            let error = self.identity.error(failure);
            tracing::warn!(%error, "an instance did not end well");
        }
    }
}
