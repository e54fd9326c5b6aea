//! The register macros.
//!
//! `register_*!` says what the plugin is ([`Registered`](crate::registered::Registered)) and leaves the
//! rest to one macro for each kind of code, chosen by the target: `__emit_*!` exports the contract's
//! functions from a WebAssembly module that has the manifest in a custom section, and elsewhere an entry
//! for hosts that load the plugin as a shared object (`native`). That entry's symbol has the crate's name
//! in it, so that several plugins can be linked into one test.

/// Makes a type that is a [`Scheduler`](crate::Scheduler) the plugin that this crate is, with its name
/// in configurations (`[a-z][a-z0-9-]*`) and one line about it. The version is the crate's.
///
/// ```text
/// evenkeel_sdk::register_scheduler!(Lottery, "lottery", "at random, by weight");
/// ```
///
/// A name that no configuration could say does not compile:
///
/// ```compile_fail,E0080
/// # struct First;
/// # impl evenkeel_sdk::Scheduler for First {
/// #     type Settings = ();
/// #     fn new((): ()) -> Result<Self, String> { Ok(Self) }
/// #     fn plan(&mut self, _: &evenkeel_sdk::Backends) -> evenkeel_sdk::Plan { evenkeel_sdk::Plan::None }
/// # }
/// evenkeel_sdk::register_scheduler!(First, "First One", "the first");
/// ```
#[macro_export]
macro_rules! register_scheduler {
    ($type:ty, $name:literal, $summary:literal $(,)?) => {
        $crate::__registered!($type, $name, $summary);
        $crate::__emit_scheduler!($type);
    };
}

/// Makes a type that is a [`HealthChecker`](crate::HealthChecker) the plugin that this crate is, with
/// its name in configurations (`[a-z][a-z0-9-]*`) and one line about it. The version is the crate's.
///
/// ```text
/// evenkeel_sdk::register_checker!(Greeting, "greeting", "a greeting that begins with 220");
/// ```
#[macro_export]
macro_rules! register_checker {
    ($type:ty, $name:literal, $summary:literal $(,)?) => {
        $crate::__registered!($type, $name, $summary);
        $crate::__emit_checker!($type);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __registered {
    ($type:ty, $name:literal, $summary:literal) => {
        impl $crate::__private::Registered for $type {
            const NAME: &'static str = $name;
            const VERSION: &'static str = ::core::env!("CARGO_PKG_VERSION");
            const SUMMARY: &'static str = $summary;
        }

        const _: () = ::core::assert!(
            $crate::__private::is_name($name),
            "a plugin's name is made of a-z, 0-9 and -, and begins with a letter"
        );
    };
}

/// Puts the manifest into the module as the custom section [`section::NAME`](crate::section::NAME).
#[cfg(target_family = "wasm")]
#[doc(hidden)]
#[macro_export]
macro_rules! __manifest_section {
    ($declared:expr) => {
        const _: () = {
            const DECLARED: $crate::__private::Declared = $declared;
            const LENGTH: usize = DECLARED.encoded_length();
            // SAFETY: nothing reads the section as code or data of the module.
            #[used]
            #[unsafe(link_section = "evenkeel-manifest")]
            static SECTION: [u8; LENGTH] = DECLARED.encoded();
        };
    };
}

#[cfg(target_family = "wasm")]
#[doc(hidden)]
#[macro_export]
macro_rules! __emit_scheduler {
    ($type:ty) => {
        $crate::__manifest_section!($crate::__private::Declared::scheduler::<$type>());
        const _: () = {
            type Plugin = $crate::__private::SchedulerPlugin<$type>;
            $crate::__private::export_scheduler!(
                Plugin with_types_in $crate::__private::scheduler_world
            );
        };
    };
}

#[cfg(target_family = "wasm")]
#[doc(hidden)]
#[macro_export]
macro_rules! __emit_checker {
    ($type:ty) => {
        $crate::__manifest_section!($crate::__private::Declared::checker::<$type>());
        const _: () = {
            type Plugin = $crate::__private::CheckerPlugin<$type>;
            $crate::__private::export_checker!(
                Plugin with_types_in $crate::__private::checker_world
            );
        };
    };
}

#[cfg(not(target_family = "wasm"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __emit_scheduler {
    ($type:ty) => {
        const _: () = {
            // SAFETY: nobody else exports the name of this crate's plugin.
            #[used]
            #[unsafe(export_name = concat!("evenkeel_plugin_abi5_", env!("CARGO_CRATE_NAME")))]
            static ENTRY: $crate::__private::Entry = $crate::__private::scheduler_entry::<$type>();
        };
    };
}

#[cfg(not(target_family = "wasm"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __emit_checker {
    ($type:ty) => {
        const _: fn() -> $crate::Manifest = $crate::testing::checker_manifest::<$type>;
        const _: () = {
            // SAFETY: nobody else exports the name of this crate's plugin.
            #[used]
            #[unsafe(export_name = concat!("evenkeel_plugin_abi5_", env!("CARGO_CRATE_NAME")))]
            static ENTRY: $crate::__private::Entry = $crate::__private::checker_entry::<$type>();
        };
    };
}
