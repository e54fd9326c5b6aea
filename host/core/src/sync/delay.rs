//! How long to wait after failures.

use std::time::Duration;

/// Wait after a first failure; doubled up to [`MAX_RETRY_DELAY`].
pub(super) const MIN_RETRY_DELAY: Duration = Duration::from_millis(200);
/// Longest wait between attempts.
pub(super) const MAX_RETRY_DELAY: Duration = Duration::from_secs(30);

/// The wait after a failure that `before` others came before.
pub(super) fn delay(before: u32) -> Duration {
    MIN_RETRY_DELAY
        .saturating_mul(1 << before.min(10))
        .min(MAX_RETRY_DELAY)
}
