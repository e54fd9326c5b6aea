//! What plugins say: messages, which go into the log of the daemon at a limited rate, and numbers of their own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_core::metrics::PluginMetrics;
use evenkeel_core::signals::MAX_SIGNAL_NAME;
use parking_lot::Mutex;
use tracing::Level;

use crate::text::clean;

/// Characters of a message that are kept.
const LENGTH: usize = 1000;
/// Messages that may come at once.
const BURST: u32 = 20;
/// After that, one in this time.
const PACE: Duration = Duration::from_millis(200);
/// The log target, for filters such as `plugin=debug`.
const TARGET: &str = "plugin";

/// One plugin's messages in one service, or in all checks with the same settings.
#[derive(Debug)]
pub(crate) struct PluginLog {
    plugin: Arc<str>,
    /// Empty for a checker.
    service: Box<str>,
    allowance: Mutex<Allowance>,
    metrics: Arc<PluginMetrics>,
}

#[derive(Debug)]
struct Allowance {
    left: u32,
    /// When `left` was counted last.
    at: Instant,
    dropped: u64,
}

impl PluginLog {
    pub(crate) fn new(plugin: &Arc<str>, service: &str) -> Arc<Self> {
        let allowance = Mutex::new(Allowance {
            left: BURST,
            at: Instant::now(),
            dropped: 0,
        });
        Arc::new(Self {
            plugin: Arc::clone(plugin),
            service: service.into(),
            allowance,
            metrics: Arc::default(),
        })
    }

    /// What it counts and gauges.
    pub(crate) fn metrics(&self) -> Arc<PluginMetrics> {
        Arc::clone(&self.metrics)
    }

    /// Adds to a counter of its own.
    pub(crate) fn count(&self, name: &str, by: u64) {
        self.refused("counter", name, self.metrics.count(name, by));
    }

    /// Sets a gauge of its own.
    pub(crate) fn gauge(&self, name: &str, value: f64) {
        self.refused("gauge", name, self.metrics.gauge(name, value));
    }

    /// Says why a number of its own is not taken.
    pub(crate) fn refused(&self, what: &str, name: &str, outcome: Result<(), String>) {
        if let Err(why) = outcome {
            let name = clean(name, MAX_SIGNAL_NAME);
            self.write(
                Level::WARN,
                None,
                &format!("{what} \"{name}\" is left out: {why}"),
            );
        }
    }

    /// Whether a message of that level would be kept.
    pub(crate) fn is_enabled(level: Level) -> bool {
        // The macro wants a constant level.
        match level {
            Level::ERROR => tracing::enabled!(target: TARGET, Level::ERROR),
            Level::WARN => tracing::enabled!(target: TARGET, Level::WARN),
            Level::INFO => tracing::enabled!(target: TARGET, Level::INFO),
            Level::DEBUG => tracing::enabled!(target: TARGET, Level::DEBUG),
            Level::TRACE => tracing::enabled!(target: TARGET, Level::TRACE),
        }
    }

    /// Logs a message; `about` is the checked server, if any.
    pub(crate) fn write(&self, level: Level, about: Option<&str>, message: &str) {
        if !Self::is_enabled(level) {
            return;
        }
        let Some(dropped) = self.admit(Instant::now()) else {
            return;
        };
        let (plugin, message) = (&*self.plugin, clean(message, LENGTH));
        let service = (!self.service.is_empty()).then_some(&*self.service);
        let dropped = (dropped > 0).then_some(dropped);
        macro_rules! say {
            ($level:expr) => {
                tracing::event!(target: TARGET, $level, plugin, service, server = about, dropped, "{message}")
            };
        }
        match level {
            Level::ERROR => say!(Level::ERROR),
            Level::WARN => say!(Level::WARN),
            Level::INFO => say!(Level::INFO),
            Level::DEBUG => say!(Level::DEBUG),
            Level::TRACE => say!(Level::TRACE),
        }
    }

    /// `None`: too many. Otherwise how many were dropped since the last one.
    fn admit(&self, now: Instant) -> Option<u64> {
        let mut allowance = self.allowance.lock();
        let earned = now.saturating_duration_since(allowance.at).as_nanos() / PACE.as_nanos();
        let earned = u32::try_from(earned).unwrap_or(u32::MAX);
        if earned > 0 {
            allowance.left = allowance.left.saturating_add(earned).min(BURST);
            allowance.at = now;
        }
        if allowance.left == 0 {
            allowance.dropped += 1;
            return None;
        }
        allowance.left -= 1;
        Some(std::mem::take(&mut allowance.dropped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_talkative_plugin_is_heard_again_later_with_the_count_of_what_was_lost() {
        let log = PluginLog::new(&"p".into(), "web");
        let start = Instant::now();
        for _ in 0..BURST {
            assert_eq!(log.admit(start), Some(0));
        }
        for _ in 0..7 {
            assert_eq!(log.admit(start), None);
        }
        assert_eq!(log.admit(start + PACE * 2), Some(7));
        assert_eq!(log.admit(start + PACE * 2), Some(0));
        assert_eq!(log.admit(start + PACE * 2), None);
    }
}
