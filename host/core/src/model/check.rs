//! Health checks of real servers.

use std::net::SocketAddr;
use std::time::Duration;

use super::plugin::PluginUse;

/// One health check of one real server.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Who judges.
    pub plugin: PluginUse,
    /// What is checked: the server's address, or what `check.address` / `check.port` put in its place.
    pub target: SocketAddr,
    /// When and how often.
    pub timing: CheckTiming,
}

/// When a check runs and what a failure needs to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
}
