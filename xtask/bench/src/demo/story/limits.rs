//! How much time things may take in the demo.

use std::time::Duration;

/// What a busy machine may add to the promised times.
pub(super) const SLACK: Duration = Duration::from_millis(500);
/// How long anything may take before the demo gives up.
pub(super) const LIMIT: Duration = Duration::from_secs(20);
