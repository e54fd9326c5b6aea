//! The thread that waits for the kernel.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use evenkeel_ipvs::{Client, Role, SyncDaemon};
use parking_lot::Mutex;
use tracing::{info, warn};

use super::record::{Record, Started};
use super::steps::{SyncStep, steps};

/// How often the kernel is read although nothing has changed here.
const RESYNC: Duration = Duration::from_secs(30);
/// Wait after a failure: for an interface that is to come up, for example.
const RETRY_DELAY: Duration = Duration::from_secs(2);

/// Keeps the sync daemons as wanted.
pub(super) struct SyncThread {
    /// Why they are not as wanted, for `status`.
    pub(super) problem: Arc<Mutex<Option<String>>>,
}

impl SyncThread {
    /// Runs until the sender of `requests` is dropped. The last of them counts.
    pub(super) fn run(self, requests: &mpsc::Receiver<Option<SyncDaemon>>) {
        let mut wanted = None;
        let mut pause = RESYNC;
        loop {
            match requests.recv_timeout(pause) {
                Ok(request) => wanted = requests.try_iter().last().unwrap_or(request),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let outcome = reconcile(wanted.as_ref());
            pause = if outcome.is_ok() { RESYNC } else { RETRY_DELAY };
            self.note(outcome.err().map(|error| error.to_string()));
        }
    }

    /// Keeps a problem for `status`, and logs a new one.
    fn note(&self, problem: Option<String>) {
        let mut before = self.problem.lock();
        if let Some(problem) = problem.as_ref().filter(|_| *before != problem) {
            warn!(
                problem,
                "connections are not copied to the other director; trying again"
            );
        }
        *before = problem;
    }
}

/// Starts and ends sync daemons as needed, and writes down which are ours.
fn reconcile(wanted: Option<&SyncDaemon>) -> Result<(), evenkeel_ipvs::Error> {
    let mut client = Client::open()?;
    let file = |what: &str| {
        let what = format!("{what} the list of sync daemons that are ours");
        move |source| evenkeel_ipvs::Error::Io { what, source }
    };
    let record = Record::of_namespace().map_err(file("find"))?;
    let ours = record.read().map_err(file("read"))?;
    let running = client.sync_daemons()?;
    // Before it is started: whatever ends this process, none of ours is left without being known.
    let wants: BTreeSet<Started> = wanted.map(Started::of).into_iter().collect();
    let both: BTreeSet<Started> = ours.union(&wants).cloned().collect();
    if both != ours {
        record.write(&both).map_err(file("write"))?;
    }
    for step in steps(&running, wanted, &ours) {
        match step {
            SyncStep::Stop(role) => client.stop_sync(role)?,
            SyncStep::Start(daemon) => {
                client.start_sync(&daemon)?;
                info!(
                    role = %daemon.role,
                    interface = daemon.interface,
                    id = daemon.id,
                    "copying of connections"
                );
            }
        }
    }
    if both != wants {
        record.write(&wants).map_err(file("write"))?;
    }
    Ok(())
}

/// Ends those sync daemons that are ours, whatever other programs have. Returns what has become of each.
///
/// # Errors
/// When the kernel or the list of ours cannot be read.
pub fn end_ours() -> io::Result<Vec<(Role, Result<(), evenkeel_ipvs::Error>)>> {
    let record = Record::of_namespace()?;
    let ours = record.read()?;
    if ours.is_empty() {
        return Ok(Vec::new());
    }
    let mut client = Client::open().map_err(io::Error::other)?;
    let running = client.sync_daemons().map_err(io::Error::other)?;
    let running = running.iter().filter(|it| ours.contains(&Started::of(it)));
    let ended: Vec<_> = running
        .map(|it| (it.role, client.stop_sync(it.role)))
        .collect();
    if ended.iter().all(|(_, outcome)| outcome.is_ok()) {
        record.write(&BTreeSet::new())?;
    }
    Ok(ended)
}
