//! What a native plugin exports.

use std::ffi::c_void;

use super::abi::{self, Entry, Sink, Slice, Text};
use super::guard::{guarded, keep_panics};
use super::{convert, host};
use crate::backends::BackendId;
use crate::declared::Declared;
use crate::glue::{SchedulerGlue, SchedulerInstance};
use crate::registered::{Registered, manifest};
use crate::scheduler::Scheduler;

/// The entry of a scheduler. Instances go from one thread of the host to another, so they have to be [`Send`].
#[must_use]
pub const fn scheduler_entry<S: Scheduler + Registered + Send>() -> Entry {
    entry::<S>(
        abi::kind::SCHEDULER,
        abi::Scheduler {
            start,
            describe: describe::<S>,
            configure: configure::<S>,
            validate: validate::<S>,
            export_state: export_state::<S>,
            import_state: import_state::<S>,
            set_role: set_role::<S>,
            end: end::<S>,
            set_backends: set_backends::<S>,
            set_loads: set_loads::<S>,
            make_plan: make_plan::<S>,
            pick: pick::<S>,
        },
    )
}

/// The entry of a checker: says what it is, so that a host can refuse it by name.
#[must_use]
pub const fn checker_entry<C: Registered>() -> Entry {
    entry::<C>(
        abi::kind::CHECKER,
        abi::Scheduler {
            start,
            describe: no_describe,
            configure: no_configure,
            validate: no_validate,
            export_state: no_export,
            import_state: no_import,
            set_role: no_role,
            end: no_end,
            set_backends: no_backends,
            set_loads: no_loads,
            make_plan: no_plan,
            pick: no_pick,
        },
    )
}

const fn entry<P: Registered>(kind: u32, scheduler: abi::Scheduler) -> Entry {
    Entry {
        version: abi::VERSION,
        size: size_of_u32::<Entry>(),
        host_size: size_of_u32::<abi::Host>(),
        kind,
        contract: Text::new(abi::CONTRACT.as_bytes()),
        name: Text::new(P::NAME.as_bytes()),
        scheduler,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "structs of less than 4 GiB"
)]
const fn size_of_u32<T>() -> u32 {
    size_of::<T>() as u32
}

#[expect(unsafe_code, reason = "reads what the host points to")]
unsafe extern "C" fn start(given: *const abi::Host, said: Sink<Text<'_>>) -> u32 {
    guarded(said, || {
        // SAFETY: the host's functions are there as long as the process.
        let Some(functions) = (unsafe { given.as_ref() }) else {
            return Err("the host has no functions".to_owned());
        };
        keep_panics();
        host::set(functions);
        Ok(())
    })
}

#[expect(unsafe_code, reason = "an entry of C's kind")]
unsafe extern "C" fn describe<S: Scheduler + Registered>(
    sink: Sink<abi::Manifest<'_>>,
    said: Sink<Text<'_>>,
) -> u32 {
    guarded(said, || {
        let manifest = manifest::<S, S::Settings>();
        convert::manifest(&manifest, &Declared::scheduler::<S>(), &mut |manifest| {
            // SAFETY: the host copies what it reads before it returns.
            unsafe { (sink.put)(sink.context, std::ptr::from_ref(manifest).cast()) };
        });
        Ok(())
    })
}

#[expect(unsafe_code, reason = "writes where the host points to")]
unsafe extern "C" fn configure<S: Scheduler>(
    settings: Slice<'_, abi::Setting<'_>>,
    context: *const abi::Context<'_>,
    instance: *mut *mut c_void,
    said: Sink<Text<'_>>,
) -> u32 {
    guarded(said, || {
        let mut glue = SchedulerGlue::<S>::configure(convert::values(settings)?)?;
        // SAFETY: the host's context outlives the call; it has room for one pointer there.
        unsafe {
            glue.set_context(convert::context(&*context));
            instance.write(Box::into_raw(Box::new(glue)).cast());
        }
        Ok(())
    })
}

#[expect(unsafe_code, reason = "takes its own instance back")]
unsafe extern "C" fn end<S: Scheduler>(instance: *mut c_void, said: Sink<Text<'_>>) -> u32 {
    guarded(said, || {
        // SAFETY: `configure` made it of the same type, and the host gives it back once.
        drop(unsafe { Box::from_raw(instance.cast::<SchedulerGlue<S>>()) });
        Ok(())
    })
}

/// Runs a call of an instance.
#[expect(unsafe_code, reason = "uses its own instance")]
unsafe fn with<S: Scheduler>(
    instance: *mut c_void,
    said: Sink<Text<'_>>,
    call: impl FnOnce(&mut SchedulerGlue<S>),
) -> u32 {
    // SAFETY: the caller's word.
    unsafe {
        try_with::<S>(instance, said, |glue| {
            call(glue);
            Ok(())
        })
    }
}

/// Runs a call of an instance that may refuse.
#[expect(unsafe_code, reason = "uses its own instance")]
unsafe fn try_with<S: Scheduler>(
    instance: *mut c_void,
    said: Sink<Text<'_>>,
    call: impl FnOnce(&mut SchedulerGlue<S>) -> Result<(), String>,
) -> u32 {
    guarded(said, || {
        // SAFETY: `configure` made it of the same type; the host has not ended it, and makes one call of it at a time.
        let glue = unsafe { instance.cast::<SchedulerGlue<S>>().as_mut() };
        call(glue.ok_or("the host names no instance")?)
    })
}

#[expect(unsafe_code, reason = "an entry of C's kind")]
unsafe extern "C" fn validate<S: Scheduler>(
    instance: *mut c_void,
    backends: Slice<'_, abi::Backend<'_>>,
    said: Sink<Text<'_>>,
) -> u32 {
    // SAFETY: the host's word on the instance.
    unsafe {
        try_with::<S>(instance, said, |scheduler| {
            scheduler.validate(convert::backends(backends))
        })
    }
}

#[expect(unsafe_code, reason = "an entry of C's kind")]
unsafe extern "C" fn export_state<S: Scheduler>(
    instance: *mut c_void,
    sink: Sink<abi::SavedState<'_>>,
    said: Sink<Text<'_>>,
) -> u32 {
    // SAFETY: the host's word on the instance; it copies the state before it returns.
    unsafe {
        with::<S>(instance, said, |scheduler| {
            if let Some(state) = scheduler.export_state() {
                let state = abi::SavedState {
                    version: state.version,
                    bytes: Slice::new(&state.bytes),
                };
                (sink.put)(sink.context, std::ptr::from_ref(&state).cast());
            }
        })
    }
}

#[expect(unsafe_code, reason = "an entry of C's kind")]
unsafe extern "C" fn import_state<S: Scheduler>(
    instance: *mut c_void,
    state: *const abi::SavedState<'_>,
    said: Sink<Text<'_>>,
) -> u32 {
    // SAFETY: the host's word on the instance and on the state.
    unsafe {
        try_with::<S>(instance, said, |scheduler| {
            scheduler.import_state(convert::state(&*state))
        })
    }
}

#[expect(unsafe_code, reason = "an entry of C's kind")]
unsafe extern "C" fn set_role<S: Scheduler>(
    instance: *mut c_void,
    role: u32,
    said: Sink<Text<'_>>,
) -> u32 {
    // SAFETY: the host's word on the instance.
    unsafe {
        with::<S>(instance, said, |scheduler| {
            scheduler.set_role(convert::role(role));
        })
    }
}

#[expect(unsafe_code, reason = "an entry of C's kind")]
unsafe extern "C" fn set_backends<S: Scheduler>(
    instance: *mut c_void,
    backends: Slice<'_, abi::Backend<'_>>,
    said: Sink<Text<'_>>,
) -> u32 {
    // SAFETY: the host's word on the instance.
    unsafe {
        with::<S>(instance, said, |scheduler| {
            scheduler.set_backends(convert::backends(backends));
        })
    }
}

#[expect(unsafe_code, reason = "an entry of C's kind")]
unsafe extern "C" fn set_loads<S: Scheduler>(
    instance: *mut c_void,
    loads: Slice<'_, abi::Load<'_>>,
    said: Sink<Text<'_>>,
) -> u32 {
    // SAFETY: the host's word on the instance.
    unsafe {
        with::<S>(instance, said, |scheduler| {
            for (id, counts, signals) in convert::loads(loads) {
                scheduler.set_load(id, counts, signals);
            }
        })
    }
}

#[expect(unsafe_code, reason = "an entry of C's kind")]
unsafe extern "C" fn make_plan<S: Scheduler>(
    instance: *mut c_void,
    sink: Sink<abi::Plan<'_>>,
    said: Sink<Text<'_>>,
) -> u32 {
    // SAFETY: the host's word on the instance; it copies the plan before it returns.
    unsafe {
        with::<S>(instance, said, |scheduler| {
            convert::plan(&scheduler.make_plan(), |plan| {
                (sink.put)(sink.context, std::ptr::from_ref(plan).cast());
            });
        })
    }
}

#[expect(unsafe_code, reason = "an entry of C's kind")]
unsafe extern "C" fn pick<S: Scheduler>(
    instance: *mut c_void,
    flow: *const abi::Flow,
    picked: *mut u64,
    said: Sink<Text<'_>>,
) -> u32 {
    // SAFETY: the host's word on the instance, on the flow, and on the place for the number.
    unsafe {
        with::<S>(instance, said, |scheduler| {
            let server = scheduler.pick(&convert::flow(&*flow)).map(BackendId::get);
            picked.write(server.map_or(abi::NOBODY, u64::from));
        })
    }
}

/// The calls of a scheduler in a plugin that is none.
macro_rules! not_a_scheduler {
    ($($name:ident($($type:ty),*);)*) => {$(
        #[expect(unsafe_code, reason = "an entry of C's kind")]
        unsafe extern "C" fn $name($(_: $type,)* said: Sink<Text<'_>>) -> u32 {
            guarded(said, || Err("is a checker".to_owned()))
        }
    )*};
}

not_a_scheduler! {
    no_describe(Sink<abi::Manifest<'_>>);
    no_configure(Slice<'_, abi::Setting<'_>>, *const abi::Context<'_>, *mut *mut c_void);
    no_validate(*mut c_void, Slice<'_, abi::Backend<'_>>);
    no_export(*mut c_void, Sink<abi::SavedState<'_>>);
    no_import(*mut c_void, *const abi::SavedState<'_>);
    no_role(*mut c_void, u32);
    no_end(*mut c_void);
    no_backends(*mut c_void, Slice<'_, abi::Backend<'_>>);
    no_loads(*mut c_void, Slice<'_, abi::Load<'_>>);
    no_plan(*mut c_void, Sink<abi::Plan<'_>>);
    no_pick(*mut c_void, *const abi::Flow, *mut u64);
}
