//! Reading the configuration again, without the daemon waiting for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_core::manifest::Setting;
use evenkeel_core::model::ServiceKey;
use evenkeel_core::scheduler::SchedulerPlugin;
use tokio::task::JoinHandle;
use tracing::{error, info};

use crate::prepare::{PrepareError, Prepared, Preparer};

/// The plugin and settings of each service's scheduler in force.
pub(super) type InForce = BTreeMap<ServiceKey, (Arc<dyn SchedulerPlugin>, Vec<Setting>)>;

/// A reload that has begun.
struct UnderWay {
    since: Instant,
    outcome: JoinHandle<(Preparer, Result<Prepared, PrepareError>)>,
}

/// Reads configurations, one at a time, on a thread that may block.
pub(super) struct Reloader {
    /// The configuration file, for logs and `status`.
    file: String,
    /// Away while a reload is under way.
    preparer: Option<Preparer>,
    under_way: Option<UnderWay>,
    /// Whether another was asked for meanwhile.
    again: bool,
    /// Why the last one was refused.
    problem: Option<String>,
}

impl Reloader {
    /// `preparer` has prepared the first configuration.
    pub(super) fn new(preparer: Preparer) -> Self {
        Self {
            file: preparer.file().display().to_string(),
            preparer: Some(preparer),
            under_way: None,
            again: false,
            problem: None,
        }
    }

    /// The configuration file.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// Why the last reload was refused, if it was.
    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// For how long a reload has been under way, if one is.
    pub(super) fn under_way(&self, now: Instant) -> Option<Duration> {
        let since = self.under_way.as_ref()?.since;
        Some(now.saturating_duration_since(since))
    }

    /// Begins a reload; while one is under way, another follows it.
    pub(super) fn begin(&mut self, in_force: InForce) {
        let Some(mut preparer) = self.preparer.take() else {
            self.again = true;
            return;
        };
        info!(config = self.file, "reading the configuration again");
        let outcome = tokio::task::spawn_blocking(move || {
            let prepared = preparer.prepare(|key| {
                in_force
                    .get(key)
                    .map(|(plugin, settings)| (plugin, settings.as_slice()))
            });
            (preparer, prepared)
        });
        self.under_way = Some(UnderWay {
            since: Instant::now(),
            outcome,
        });
    }

    /// Waits for the reload under way; for ever if there is none. May be cancelled: the outcome is taken when it is
    /// returned.
    pub(super) async fn finished(&mut self) -> Result<Prepared, PrepareError> {
        loop {
            let Some(under_way) = &mut self.under_way else {
                return std::future::pending().await;
            };
            let outcome = (&mut under_way.outcome).await;
            self.under_way = None;
            match outcome {
                Ok((preparer, prepared)) => {
                    self.preparer = Some(preparer);
                    return prepared;
                }
                // The configuration in force stays, but no other can be read.
                Err(error) => error!(%error, "bug: reading the configuration has failed"),
            }
        }
    }

    /// Keeps what became of a reload, for `status`. Returns whether another was asked for meanwhile.
    pub(super) fn ended(&mut self, problem: Option<String>) -> bool {
        self.problem = problem;
        std::mem::take(&mut self.again)
    }
}
