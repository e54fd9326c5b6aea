//! Health checks of real servers.

use std::net::SocketAddr;
use std::time::Duration;

use super::plugin::PluginUse;

/// One health check of one real server.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// The name of the check that several services share (`[[check]]`): it is made once for each target.
    pub shared: Option<String>,
    /// Who judges.
    pub plugin: PluginUse,
    /// What is checked: the server's address, or what `check.address` / `check.port` put in its place.
    pub target: SocketAddr,
    /// When and how often.
    pub timing: CheckTiming,
}

/// How many of a server's checks must pass for it to be up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChecksRequired {
    /// All of them, as with keepalived.
    #[default]
    All,
    /// One of them.
    Any,
    /// So many of them, at least 1.
    AtLeast(u32),
}

impl ChecksRequired {
    /// Of so many checks.
    #[must_use]
    pub fn of(self, checks: usize) -> usize {
        let least = match self {
            Self::All => checks,
            Self::Any => 1,
            Self::AtLeast(least) => usize::try_from(least).unwrap_or(usize::MAX),
        };
        least.min(checks)
    }
}

/// When a check runs and what a failure needs to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CheckTiming {
    /// From the start of one check to the start of the next (keepalived `delay_loop`).
    pub interval: Duration,
    /// How long one check may take (keepalived `connect_timeout`).
    pub timeout: Duration,
    /// How many times a failed check is repeated before the server is down (keepalived `retry`).
    pub retries: u32,
    /// From the start of a failed check to the start of its repetition (keepalived `delay_before_retry`).
    pub retry_delay: Duration,
    /// How many checks in a row a failed server must pass to be used again. At least 1.
    pub rise: u32,
    /// keepalived `alpha`: servers start down until a check passes. Otherwise they start in the pool, and the first
    /// check, if it fails, removes one without retries.
    pub alpha: bool,
    /// From the start of one check to the start of the next while the server is between up and down: it has failed, but
    /// has repetitions left, or has passed, but not often enough. `None`: `retry_delay` in the first case, `interval`
    /// in the second (HAProxy `fastinter`).
    pub fast_interval: Option<Duration>,
    /// From the start of one check to the start of the next while the server is down; `None`: `interval` (HAProxy
    /// `downinter`).
    pub down_interval: Option<Duration>,
    /// The first check comes at random within this; `None`: within `interval` or 2 s, whichever is less (keepalived
    /// `warmup`).
    pub warmup: Option<Duration>,
}
