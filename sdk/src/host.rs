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
