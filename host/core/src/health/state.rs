//! What is known of a check and of a real server, before and after.

use std::time::{Duration, Instant};

use crate::signals::Signals;

/// The reason of a server that is out because nothing was learnt about it yet (`alpha`).
pub const NOT_CHECKED: &str = "not checked yet";

/// How one check ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Fit to be used.
    Healthy,
    /// Fit, but for this share of its weight only, in percent, and why, if that was said. More than 100 counts as 100.
    Degraded(u8, Option<String>),
    /// Not fit to be used, and why.
    Unhealthy(String),
    /// The plugin failed, and how. Says nothing about the server; it is tried again with growing waits.
    Unknown(String),
    /// This machine lacked something for the check, and what. Says nothing about the server; it is checked again at its
    /// usual time.
    Shortage(String),
}

/// What is known of a server before its first check: read from the kernel after a restart, or taken over from the
/// machine of the previous configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitialHealth {
    /// Whether it is in the pool. Such a server has all of its retries; one that is not needs `rise` passes.
    pub up: bool,
    /// The share of its weight, in percent.
    pub share: u8,
    /// Why it is out of the pool, or gets less than its weight.
    pub reason: Option<String>,
    /// Since when it is in the pool or out of it.
    pub since: Instant,
}

impl InitialHealth {
    /// In the pool with its whole weight.
    #[must_use]
    pub fn up(since: Instant) -> Self {
        Self {
            up: true,
            share: 100,
            reason: None,
            since,
        }
    }

    /// Out of the pool.
    #[must_use]
    pub fn down(since: Instant, reason: impl Into<String>) -> Self {
        Self {
            up: false,
            share: 100,
            reason: Some(reason.into()),
            since,
        }
    }
}

/// What changed for the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// Into the pool.
    Up,
    /// Out of the pool.
    Down,
    /// In the pool as before, with another share of the weight.
    Share,
}

/// A real server's health, for the scheduler and for `status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerHealth {
    /// Whether it is in the pool.
    pub up: bool,
    /// The share of its weight that it gets while up, in percent: the least that any check says.
    pub share: u8,
    /// Why it is out of the pool or gets less than its weight: the first such check's word, after the plugin's name
    /// where there are several checks.
    pub reason: Option<String>,
    /// Since when it is in the pool or out of it.
    pub since: Instant,
    /// Each check, in the order of the configuration.
    pub checks: Vec<CheckHealth>,
}

impl ServerHealth {
    /// The weight to use in place of the configured one: see [`effective_weight`]. 0 while down.
    #[must_use]
    pub fn weight(&self, configured: u32) -> u32 {
        if self.up {
            effective_weight(configured, self.share)
        } else {
            0
        }
    }
}

/// One check's health, for `status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckHealth {
    /// The plugin's name.
    pub plugin: String,
    /// Whether this check holds the server fit.
    pub up: bool,
    /// The share of the weight that it grants, in percent.
    pub share: u8,
    /// Why it does not hold the server fit, or not wholly.
    pub reason: Option<String>,
    /// Since when it is up or down.
    pub since: Instant,
    /// The last check that reached a verdict.
    pub last: Option<LastCheck>,
    /// What the last check that reached a verdict reported beside it.
    pub signals: Signals,
    /// Failed checks in a row while still up: repetitions are under way.
    pub failing: u32,
    /// How the plugin failed the last time, or what this machine lacked for the check, if that was so.
    pub plugin_error: Option<String>,
    /// Checks that ended, however.
    pub checks: u64,
    /// Those of them that found the server unfit.
    pub failures: u64,
    /// Those of them that said nothing about the server.
    pub unknown: u64,
}

/// The last check that reached a verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastCheck {
    /// When it ended.
    pub at: Instant,
    /// From its start to its end.
    pub latency: Duration,
    /// Its verdict, in words.
    pub verdict: String,
}

/// `weight` x `share` %, to the nearest whole number (halves go up), but at least 1 where neither is 0: degraded is not
/// drained.
#[must_use]
pub fn effective_weight(weight: u32, share: u8) -> u32 {
    if weight == 0 || share == 0 {
        return 0;
    }
    let share = u64::from(share.min(100));
    let scaled = (u64::from(weight) * share + 50) / 100;
    u32::try_from(scaled).unwrap_or(weight).max(1)
}
