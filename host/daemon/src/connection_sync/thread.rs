//! The thread that waits for the kernel.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use evenkeel_ipvs::{Client, SyncDaemon};
use parking_lot::Mutex;
use tracing::{info, warn};

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

/// Starts and ends sync daemons as needed.
fn reconcile(wanted: Option<&SyncDaemon>) -> Result<(), evenkeel_ipvs::Error> {
    let mut client = Client::open()?;
    for step in steps(&client.sync_daemons()?, wanted) {
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
    Ok(())
}
