//! What a native plugin can call: the same as a sandboxed one, to the same log.

use std::cell::RefCell;
use std::sync::{Arc, LazyLock};

use evenkeel_sdk::native::abi::{self, Text};
use tracing::Level;

use crate::clocks;
use crate::plugin_log::PluginLog;

/// The functions that every plugin gets.
pub(super) fn functions() -> &'static abi::Host {
    static HOST: LazyLock<abi::Host> = LazyLock::new(|| abi::Host {
        version: abi::VERSION,
        size: super::library::size_of_u32::<abi::Host>(),
        log,
        log_enabled,
        now,
        random,
        utc,
        utc_offset,
        count,
        gauge,
    });
    &HOST
}

thread_local! {
    /// Whose call this thread is in.
    static CALLER: RefCell<Option<Arc<PluginLog>>> = const { RefCell::new(None) };
}

/// Runs a call in which the plugin logs there.
pub(super) fn with_log<T>(log: &mut Option<Arc<PluginLog>>, call: impl FnOnce() -> T) -> T {
    // Lent and not cloned: a pick takes some nanoseconds.
    let before = CALLER.replace(log.take());
    let result = call();
    *log = CALLER.replace(before);
    result
}

extern "C" fn log(level: u32, message: Text<'_>) {
    let message = super::convert::text(message);
    CALLER.with_borrow(|caller| match caller {
        Some(log) => log.write(self::level(level), None, &message),
        // A thread of the plugin's own.
        None => tracing::debug!(
            target: "plugin",
            "a thread of a native plugin: {}",
            crate::text::clean(&message, 200)
        ),
    });
}

extern "C" fn log_enabled(level: u32) -> u32 {
    PluginLog::is_enabled(self::level(level)).into()
}

extern "C" fn now() -> u64 {
    clocks::monotonic()
}

extern "C" fn utc() -> u64 {
    clocks::utc()
}

extern "C" fn utc_offset(zone: Text<'_>, at: u64) -> i32 {
    clocks::utc_offset(&super::convert::text(zone), at).unwrap_or(abi::NO_ZONE)
}

extern "C" fn count(name: Text<'_>, by: u64) {
    let name = super::convert::text(name);
    with_caller(|log| log.count(&name, by));
}

extern "C" fn gauge(name: Text<'_>, value: f64) {
    let name = super::convert::text(name);
    with_caller(|log| log.gauge(&name, value));
}

/// Not for a thread of the plugin's own: nobody knows which of its services that works for.
fn with_caller(call: impl FnOnce(&PluginLog)) {
    CALLER.with_borrow(|caller| caller.as_deref().map(call));
}

extern "C" fn random() -> u64 {
    clocks::random()
}

fn level(number: u32) -> Level {
    match number {
        0 => Level::ERROR,
        1 => Level::WARN,
        2 => Level::INFO,
        3 => Level::DEBUG,
        _ => Level::TRACE,
    }
}
