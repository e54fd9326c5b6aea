//! How long the kernel's rules believe the daemon to be alive. The marks of verdicts and of the heartbeat are in
//! [`evenkeel_core::mark`].

use std::time::Duration;

/// How long after a heartbeat the daemon counts as alive.
pub const HEARTBEAT_LIFETIME: Duration = Duration::from_millis(150);
