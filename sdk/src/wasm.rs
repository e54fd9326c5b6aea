//! The contract's side of a plugin: from the host's calls to the glue, and from the plugin's calls to
//! the host.

mod bindings;
mod checker;
mod convert;
mod rt;
mod scheduler;
mod target;

use std::time::Duration;

pub use self::bindings::checker as checker_world;
pub use self::bindings::checker::export_checker;
pub use self::bindings::scheduler as scheduler_world;
pub use self::bindings::scheduler::export_scheduler;
pub use self::checker::CheckerPlugin;
pub use self::scheduler::SchedulerPlugin;
pub(crate) use self::target::{echo, run_command, session, set_session, watched_number};

use self::bindings::scheduler::evenkeel::plugin::host;
use crate::level::Level;

/// Monotonic, from an arbitrary zero.
pub(crate) fn now() -> Duration {
    Duration::from_nanos(host::now())
}

/// Since 1970.
pub(crate) fn utc() -> Duration {
    Duration::from_millis(host::utc())
}

/// In seconds; `at` in milliseconds since 1970.
pub(crate) fn utc_offset(zone: &str, at: u64) -> Option<i32> {
    host::utc_offset(zone, at)
}

/// Unpredictable bits.
pub(crate) fn random() -> u64 {
    host::random()
}

/// Hands a message to the host.
pub(crate) fn log(level: Level, message: &str) {
    host::log(level.into(), message);
}

/// Adds to a counter.
pub(crate) fn count(name: &str, by: u64) {
    host::count(name, by);
}

/// Sets a gauge.
pub(crate) fn gauge(name: &str, value: f64) {
    host::gauge(name, value);
}

/// Whether the host would keep it.
pub(crate) fn log_enabled(level: Level) -> bool {
    host::log_enabled(level.into())
}

/// From now on a panic's text is logged before the instance ends; it would be lost otherwise.
fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("(no text)");
        match panic.location() {
            Some(at) => log(Level::Error, &format!("panicked at {at}: {message}")),
            None => log(Level::Error, &format!("panicked: {message}")),
        }
    }));
}
