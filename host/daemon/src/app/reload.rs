//! Reading the configuration again, without the daemon waiting for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use evenkeel_core::manifest::Setting;
use evenkeel_core::model::{Daemon, ServiceKey};
use evenkeel_core::scheduler::SchedulerPlugin;
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

use super::App;
use crate::prepare::{PrepareError, Prepared, Preparer};

/// A configuration that is being read.
pub(super) type Reload = JoinHandle<(Preparer, Result<Prepared, PrepareError>)>;

/// Logs what there is to say of a configuration.
pub(super) fn warn_of(prepared: &Prepared) {
    for warning in &prepared.warnings {
        warn!("{warning}");
    }
}

impl App {
    pub(super) fn begin_reload(&mut self) {
        let Some(mut preparer) = self.preparer.take() else {
            self.reload_again = true;
            return;
        };
        info!(config = self.config, "reading the configuration again");
        let in_force: BTreeMap<ServiceKey, (Arc<dyn SchedulerPlugin>, Vec<Setting>)> =
            self.director.in_force();
        self.reload = Some(tokio::task::spawn_blocking(move || {
            let prepared = preparer.prepare(|key| {
                in_force
                    .get(key)
                    .map(|(plugin, settings)| (plugin, settings.as_slice()))
            });
            (preparer, prepared)
        }));
    }

    pub(super) fn end_reload(&mut self, outcome: (Preparer, Result<Prepared, PrepareError>)) {
        let (preparer, prepared) = outcome;
        self.preparer = Some(preparer);
        match prepared {
            Ok(prepared) => {
                warn_of(&prepared);
                self.warn_of_restart(&prepared.model.daemon);
                info!(
                    services = prepared.model.services.len(),
                    "the new configuration is in force"
                );
                self.reload_problem = None;
                self.configure(prepared, None);
            }
            Err(problem) => {
                error!("the new configuration is refused, and the one in force stays:\n{problem}");
                self.reload_problem = Some(problem.to_string());
            }
        }
        if std::mem::take(&mut self.reload_again) {
            self.begin_reload();
        }
    }

    /// Some settings cannot change while the daemon runs.
    fn warn_of_restart(&mut self, new: &Daemon) {
        let changed = [
            ("socket", self.daemon.socket != new.socket),
            ("table", self.daemon.table != new.table),
            ("cache_dir", self.daemon.cache_dir != new.cache_dir),
            ("sandbox", self.daemon.sandbox != new.sandbox),
        ];
        for (key, _) in changed.iter().filter(|(_, changed)| *changed) {
            warn!(
                key,
                "a change of this key takes effect when the daemon is started again"
            );
        }
    }
}

/// Waits for the reload under way; for ever if there is none.
pub(super) async fn finished(
    reload: &mut Option<Reload>,
) -> (Preparer, Result<Prepared, PrepareError>) {
    loop {
        match reload {
            Some(handle) => match handle.await {
                Ok(outcome) => {
                    *reload = None;
                    return outcome;
                }
                Err(error) => {
                    // Only a bug of ours gets here; the configuration in force stays, but no other can be read.
                    error!(%error, "bug: reading the configuration has failed");
                    *reload = None;
                }
            },
            None => std::future::pending().await,
        }
    }
}
