//! The data plane's threads: one carries out what the director decides, one notices what others do to our rules.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use evenkeel_core::connections::Counts;
use evenkeel_core::state::{BackendId, Counters};
use evenkeel_core::sync::Step;
use evenkeel_dataplane::DataPlane;
use evenkeel_dataplane::nftables::{Noticed, Watch};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, error, info, warn};

use crate::director::Input;

/// How long the watching thread waits for news before it looks whether it is to end.
pub(crate) const WATCH_PATIENCE: Duration = Duration::from_millis(500);

enum Request {
    Step(Step),
    Kill(BackendId),
    Counters(oneshot::Sender<BTreeMap<BackendId, Counters>>),
    /// Counts the connections; what has changed since the last time is an [`Input`].
    Count,
    Connections(oneshot::Sender<BTreeMap<BackendId, Counts>>),
}

/// The last change made in the kernel, for `status`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct KernelReport {
    /// Changes of services that took effect since the daemon started.
    pub(crate) changes: u64,
    /// How many of them the last batch had.
    pub(crate) last_changes: usize,
    /// How long the last batch took, in microseconds.
    pub(crate) last_us: u64,
    /// Why the last attempt failed, if it did.
    pub(crate) problem: Option<String>,
}

/// The thread that owns the data plane. Ends when this is dropped and its work is done.
pub(crate) struct Kernel {
    requests: std::sync::mpsc::Sender<Request>,
    report: Arc<Mutex<KernelReport>>,
}

impl Kernel {
    /// Starts the thread; what it has done is sent to `inputs`.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn start(
        plane: Box<dyn DataPlane>,
        inputs: mpsc::UnboundedSender<Input>,
    ) -> std::io::Result<Self> {
        let (requests, work) = std::sync::mpsc::channel();
        let report = Arc::new(Mutex::new(KernelReport::default()));
        let shared = Arc::clone(&report);
        std::thread::Builder::new()
            .name("kernel".into())
            .spawn(move || {
                let mut worker = Worker {
                    plane,
                    inputs,
                    report: shared,
                    counted: BTreeMap::new(),
                };
                while let Ok(request) = work.recv() {
                    worker.serve(request);
                }
            })?;
        Ok(Self { requests, report })
    }

    /// Carries out a step; the outcome comes as an [`Input`].
    pub(crate) fn step(&self, step: Step) {
        self.send(Request::Step(step));
    }

    /// Forgets a server's flows.
    pub(crate) fn kill(&self, backend: BackendId) {
        self.send(Request::Kill(backend));
    }

    /// Reads the counters of every server.
    pub(crate) fn counters(&self) -> impl Future<Output = BTreeMap<BackendId, Counters>> + use<> {
        let (reply, answer) = oneshot::channel();
        self.send(Request::Counters(reply));
        async move { answer.await.unwrap_or_default() }
    }

    /// Counts the connections, where the data plane does that itself; what has changed since the last time comes as an [`Input`].
    pub(crate) fn count(&self) {
        self.send(Request::Count);
    }

    /// How many connections each server has, where the data plane counts them itself.
    pub(crate) fn connections(&self) -> impl Future<Output = BTreeMap<BackendId, Counts>> + use<> {
        let (reply, answer) = oneshot::channel();
        self.send(Request::Connections(reply));
        async move { answer.await.unwrap_or_default() }
    }

    /// What was done last.
    pub(crate) fn report(&self) -> KernelReport {
        self.report
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn send(&self, request: Request) {
        if self.requests.send(request).is_err() {
            error!("bug: the data plane's thread has ended");
        }
    }
}

struct Worker {
    plane: Box<dyn DataPlane>,
    inputs: mpsc::UnboundedSender<Input>,
    report: Arc<Mutex<KernelReport>>,
    /// The connections that were told last.
    counted: BTreeMap<BackendId, Counts>,
}

impl Worker {
    fn serve(&mut self, request: Request) {
        match request {
            Request::Step(Step::Read) => {
                let read = self.plane.read();
                let read = self.noted(read, "cannot read the kernel's rules");
                self.tell(Input::Read(read));
            }
            Request::Step(Step::Apply(changes)) => {
                let start = Instant::now();
                let applied = self.plane.apply(&changes);
                let took = start.elapsed();
                let done = self
                    .noted(applied, "cannot change the kernel's rules")
                    .is_some();
                if done {
                    debug!(changes = changes.len(), ?took, "changed the kernel's rules");
                    let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
                    report.changes += changes.len() as u64;
                    report.last_changes = changes.len();
                    report.last_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
                }
                self.tell(Input::Applied { changes, done });
            }
            Request::Kill(backend) => {
                if let Err(error) = self.plane.kill_flows(backend) {
                    warn!(%backend, %error, "cannot forget a server's flows");
                }
            }
            Request::Counters(reply) => {
                let counters = self.plane.counters();
                let counters = self
                    .noted(counters, "cannot read the counters")
                    .unwrap_or_default();
                // Whoever asked may have gone.
                let _ = reply.send(counters);
            }
            Request::Count => self.tell_connections(),
            Request::Connections(reply) => {
                // Whoever asked may have gone.
                let _ = reply.send(self.connections());
            }
        }
    }

    fn connections(&mut self) -> BTreeMap<BackendId, Counts> {
        let counted = self.plane.connections();
        self.noted(counted, "cannot count the connections")
            .flatten()
            .unwrap_or_default()
    }

    fn tell_connections(&mut self) {
        let now = self.connections();
        let of = |id| now.get(id).copied().unwrap_or_default();
        let changed: Vec<(BackendId, Counts)> = self
            .counted
            .keys()
            .chain(now.keys().filter(|id| !self.counted.contains_key(id)))
            .map(|id| (*id, of(id)))
            .filter(|(id, counts)| self.counted.get(id) != Some(counts))
            .collect();
        self.counted = now;
        if !changed.is_empty() {
            self.tell(Input::Counted(changed));
        }
    }

    /// Logs a failure and keeps it for `status`; a success clears it.
    fn noted<T>(&self, result: Result<T, evenkeel_dataplane::Error>, doing: &str) -> Option<T> {
        let problem = match &result {
            Ok(_) => None,
            Err(error) => {
                error!(%error, "{doing}; trying again");
                Some(format!("{doing}: {error}"))
            }
        };
        self.report
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .problem = problem;
        result.ok()
    }

    fn tell(&self, input: Input) {
        // Nobody listens any more when the daemon is ending.
        let _ = self.inputs.send(input);
    }
}

/// Watches for changes that others make to what is ours. Ends when dropped.
pub(crate) struct Watcher(Arc<AtomicBool>);

impl Watcher {
    /// Starts the thread.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn start(
        mut watch: Watch,
        inputs: mpsc::UnboundedSender<Input>,
    ) -> std::io::Result<Self> {
        let end = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&end);
        std::thread::Builder::new().name("kernel-watch".into()).spawn(move || {
            while !told.load(Ordering::Relaxed) {
                match watch.next() {
                    Ok(Noticed::Nothing | Noticed::Touched { by_us: true, .. }) => continue,
                    Ok(Noticed::Touched { process, name, by_us: false }) => {
                        info!(process, name, "someone else touched our table; reading it");
                    }
                    Ok(Noticed::Lost) => debug!("missed some changes of tables; reading ours"),
                    Err(error) => {
                        warn!(%error, "no longer notice at once when others change our rules; reading them from time to time still does");
                        return;
                    }
                }
                if inputs.send(Input::Touched).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self(end))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
