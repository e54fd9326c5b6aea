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

/// Unpredictable bits, for choices and jitter. Not for keys.
#[must_use]
pub fn random() -> u64 {
    #[cfg(target_family = "wasm")]
    return crate::wasm::random();
    #[cfg(not(target_family = "wasm"))]
    return crate::native::random();
}
