//! Reading the configuration again, or only the plugins' files, without the daemon waiting for it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use evenkeel_core::model::PluginRef;
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

use crate::prepare::{InForce, PluginPlaces, PrepareError, Prepared, Preparer, Rescanned};

/// What is under way.
struct UnderWay {
    since: Instant,
    outcome: JoinHandle<(Preparer, Outcome)>,
}

/// What came of it.
pub(super) enum Outcome {
    /// The configuration was read again.
    Reload(Box<Result<Prepared, PrepareError>>),
    /// The plugins' files were looked at again.
    Rescan(Rescanned),
}

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wanted {
    /// The plugins' files are to be looked at.
    Rescan,
    /// The configuration is to be read, which looks at the plugins' files, too.
    Reload,
}

/// Reads configurations, one at a time, on a thread that may block.
pub(super) struct Reloader {
    /// The configuration file, for logs and `status`.
    file: String,
    /// Away while a reload is under way.
    preparer: Option<Preparer>,
    under_way: Option<UnderWay>,
    /// What else was asked for meanwhile.
    next: Option<Wanted>,
    /// Why the last one was refused.
    problem: Option<String>,
    /// The plugins whose new files cannot be used.
    plugins: BTreeMap<PluginRef, String>,
}

impl Reloader {
    /// `preparer` has prepared the first configuration.
    pub(super) fn new(mut preparer: Preparer) -> Self {
        preparer.rehearses();
        Self {
            file: preparer.file().display().to_string(),
            preparer: Some(preparer),
            under_way: None,
            next: None,
            problem: None,
            plugins: BTreeMap::new(),
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

    /// Why new files of plugins are not used, if there are such.
    pub(super) fn plugin_problem(&self) -> Option<String> {
        let problems = self.plugins.iter();
        let problems: Vec<String> = problems
            .map(|(plugin, why)| format!("{plugin}: {why}"))
            .collect();
        (!problems.is_empty()).then(|| format!("{}; the one before goes on", problems.join("; ")))
    }

    /// For how long a reload has been under way, if one is.
    pub(super) fn under_way(&self, now: Instant) -> Option<Duration> {
        let since = self.under_way.as_ref()?.since;
        Some(now.saturating_duration_since(since))
    }

    /// Where plugins come from; `None` while a reload is under way.
    pub(super) fn places(&self) -> Option<PluginPlaces> {
        self.preparer.as_ref().map(Preparer::plugin_places)
    }

    /// Whether it is to begin now; while something is under way, it follows that.
    pub(super) fn is_free_for(&mut self, wanted: Wanted) -> bool {
        let free = self.preparer.is_some();
        if !free {
            self.next = self.next.max(Some(wanted));
        }
        free
    }

    /// Begins. `schedulers`: each service's scheduler that needs no new instance.
    pub(super) fn begin(&mut self, wanted: Wanted, schedulers: InForce) {
        let Some(mut preparer) = self.preparer.take() else {
            return;
        };
        match wanted {
            Wanted::Reload => info!(config = self.file, "reading the configuration again"),
            Wanted::Rescan => info!("files of plugins have changed: looking at them"),
        }
        let outcome = tokio::task::spawn_blocking(move || {
            let outcome = match wanted {
                Wanted::Reload => {
                    let prepared = preparer.prepare(|key| {
                        let (plugin, settings) = schedulers.get(key)?;
                        Some((plugin, settings.as_slice()))
                    });
                    Outcome::Reload(Box::new(prepared))
                }
                Wanted::Rescan => Outcome::Rescan(preparer.rescan(&schedulers)),
            };
            (preparer, outcome)
        });
        self.under_way = Some(UnderWay {
            since: Instant::now(),
            outcome,
        });
    }

    /// Waits for what is under way; for ever if there is nothing. May be cancelled: the outcome is taken when it is
    /// returned.
    pub(super) async fn finished(&mut self) -> Outcome {
        loop {
            let Some(under_way) = &mut self.under_way else {
                return std::future::pending().await;
            };
            let outcome = (&mut under_way.outcome).await;
            self.under_way = None;
            match outcome {
                Ok((preparer, outcome)) => {
                    self.preparer = Some(preparer);
                    return outcome;
                }
                // The configuration in force stays, but no other can be read.
                Err(error) => error!(%error, "bug: reading the configuration has failed"),
            }
        }
    }

    /// Keeps what became of a reload, for `status`.
    pub(super) fn reloaded(&mut self, problem: Option<String>) {
        if problem.is_none() {
            // All plugins that it names can be used.
            self.plugins.clear();
        }
        self.problem = problem;
    }

    /// Keeps which plugins' new files cannot be used, for `status`; says once what is new of that.
    pub(super) fn rescanned(&mut self, problems: BTreeMap<PluginRef, String>) {
        for (plugin, reason) in &problems {
            if self.plugins.get(plugin) != Some(reason) {
                warn!(%plugin, reason, "the new file of a plugin cannot be used; the one before goes on");
            }
        }
        for plugin in self.plugins.keys().filter(|it| !problems.contains_key(it)) {
            info!(%plugin, "the plugin's file can be used again");
        }
        self.plugins = problems;
    }

    /// What was asked for meanwhile.
    pub(super) fn next(&mut self) -> Option<Wanted> {
        self.next.take()
    }
}
