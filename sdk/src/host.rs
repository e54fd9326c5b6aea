//! What the host offers to every plugin.

use std::time::Duration;

/// A monotonic clock: the time since an arbitrary moment. In place of [`std::time::Instant`], which
/// does not work in a plugin.
#[must_use]
pub fn now() -> Duration {
    #[cfg(target_family = "wasm")]
    return crate::wasm::now();
    #[cfg(not(target_family = "wasm"))]
    return crate::native::now();
}

/// The wall clock: the time since 1970-01-01 00:00 UTC, to the millisecond. It may jump: measure with [`now`].
#[must_use]
pub fn utc() -> Duration {
    #[cfg(target_family = "wasm")]
    return crate::wasm::utc();
    #[cfg(not(target_family = "wasm"))]
    return crate::native::utc();
}

/// What a zone of the IANA database, such as `Europe/Berlin`, adds to UTC at that moment (as [`utc`] tells it), in
/// seconds. `None`: there is no such zone. In tests of `cargo test` only `UTC` is one.
#[must_use]
pub fn utc_offset(zone: &str, at: Duration) -> Option<i32> {
    let at = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
    #[cfg(target_family = "wasm")]
    return crate::wasm::utc_offset(zone, at);
    #[cfg(not(target_family = "wasm"))]
    return crate::native::utc_offset(zone, at);
}

/// Unpredictable bits, for choices and jitter. Not for keys.
#[must_use]
pub fn random() -> u64 {
    #[cfg(target_family = "wasm")]
    return crate::wasm::random();
    #[cfg(not(target_family = "wasm"))]
    return crate::native::random();
}

/// Adds to a counter of the plugin's own, which `evenkeel status --json` and the metrics endpoint show under this name.
/// Names are of at most 32 letters, digits, `-`, `_` and `.`, a letter first; a plugin has 64 of them in one service at
/// most. A counter begins anew with each instance.
pub fn count(name: &str, by: u64) {
    #[cfg(target_family = "wasm")]
    crate::wasm::count(name, by);
    #[cfg(not(target_family = "wasm"))]
    crate::native::count(name, by);
}

/// Sets a gauge of the plugin's own. See [`count`].
pub fn gauge(name: &str, value: f64) {
    #[cfg(target_family = "wasm")]
    crate::wasm::gauge(name, value);
    #[cfg(not(target_family = "wasm"))]
    crate::native::gauge(name, value);
}
