//! Watching what instances track: scripts, files and processes. Interfaces are watched by the driver, services by the
//! daemon.

mod file;
mod process;
mod readings;
mod script;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use evenkeel_core::model::{Script, Tracked, Vrrp};
use evenkeel_core::vrrp::Reading;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use crate::program::Place;
use readings::Readings;

/// What one task watches.
#[derive(Debug, Clone, PartialEq)]
enum Watched {
    Script(Script),
    File(PathBuf),
}

/// Watches what a configuration tracks, and tells how it is once that is known, and whenever it changes. Dropping it
/// ends all watching, and the scripts that run.
#[derive(Debug)]
pub struct Watchers {
    readings: Readings,
    running: BTreeMap<Tracked, (Watched, AbortHandle)>,
    /// Where scripts run, by name. One that hangs is there also after it was taken out of the configuration.
    places: BTreeMap<String, Place>,
    /// All processes are looked for in one go.
    processes: watch::Sender<BTreeSet<String>>,
    tasks: JoinSet<()>,
}

impl Watchers {
    /// Nothing is watched yet. Call it inside a tokio runtime.
    #[must_use]
    pub fn start(readings: mpsc::UnboundedSender<(Tracked, Reading)>) -> Self {
        let (processes, names) = watch::channel(BTreeSet::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(process::watch(names, readings.clone()));
        Self {
            readings,
            running: BTreeMap::new(),
            places: BTreeMap::new(),
            processes,
            tasks,
        }
    }

    /// What is tracked now. What is watched as before goes on undisturbed; what is new or configured otherwise is
    /// looked at at once. Call it inside a tokio runtime.
    pub fn configure(&mut self, config: &Vrrp) {
        let (wanted, processes) = wanted(config);
        self.running.retain(|tracked, (watched, task)| {
            let stays = wanted.get(tracked) == Some(watched);
            if !stays {
                task.abort();
            }
            stays
        });
        for (tracked, watched) in wanted {
            if self.running.contains_key(&tracked) {
                continue;
            }
            let readings = self.readings.clone();
            let task = match watched.clone() {
                Watched::Script(script) => {
                    let place = self.places.entry(script.name.clone()).or_default().clone();
                    self.tasks.spawn(script::watch(script, place, readings))
                }
                Watched::File(path) => self.tasks.spawn(file::watch(path, readings)),
            };
            self.running.insert(tracked, (watched, task));
        }
        self.processes.send_if_modified(|names| {
            let changed = *names != processes;
            *names = processes;
            changed
        });
        self.places.retain(|name, place| {
            let tracked = Tracked::Script(name.clone());
            self.running.contains_key(&tracked) || place.runs() > 0
        });
        while self.tasks.try_join_next().is_some() {}
    }
}

fn wanted(config: &Vrrp) -> (BTreeMap<Tracked, Watched>, BTreeSet<String>) {
    let mut wanted = BTreeMap::new();
    let mut processes = BTreeSet::new();
    let tracks = config.instances.iter().flat_map(|instance| &instance.track);
    for tracked in tracks.map(|track| &track.what) {
        let watched = match tracked {
            Tracked::Script(name) => {
                let script = config.scripts.iter().find(|script| script.name == *name);
                script.cloned().map(Watched::Script)
            }
            Tracked::File(path) => Some(Watched::File(path.clone())),
            Tracked::Process(name) => {
                processes.insert(name.clone());
                None
            }
            Tracked::Interface(_) | Tracked::Service(_) => None,
        };
        wanted.extend(watched.map(|watched| (tracked.clone(), watched)));
    }
    (wanted, processes)
}

#[cfg(test)]
mod tests;
