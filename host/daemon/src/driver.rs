//! The data plane's thread: carries out what the director decides, and counts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use evenkeel_core::connections::Counts;
use evenkeel_core::director::Input;
use evenkeel_core::state::{BackendId, Counters};
use evenkeel_core::sync::{ApplyOutcome, KernelStep};
use evenkeel_dataplane::DataPlane;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, error, warn};

enum DriverRequest {
    Step(KernelStep),
    KillFlows(BackendId),
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
pub(crate) struct DataPlaneDriver {
    requests: std::sync::mpsc::Sender<DriverRequest>,
    report: Arc<Mutex<KernelReport>>,
}

impl DataPlaneDriver {
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
                let mut driver = DriverThread {
                    plane,
                    inputs,
                    report: shared,
                    counted: BTreeMap::new(),
                };
                while let Ok(request) = work.recv() {
                    driver.serve(request);
                }
            })?;
        Ok(Self { requests, report })
    }

    /// Carries out a step; the outcome comes as an [`Input`].
    pub(crate) fn step(&self, step: KernelStep) {
        self.send(DriverRequest::Step(step));
    }

    /// Flushes a server's flows.
    pub(crate) fn kill(&self, backend: BackendId) {
        self.send(DriverRequest::KillFlows(backend));
    }

    /// Reads the counters of every server.
    pub(crate) fn counters(&self) -> impl Future<Output = BTreeMap<BackendId, Counters>> + use<> {
        let (reply, answer) = oneshot::channel();
        self.send(DriverRequest::Counters(reply));
        async move { answer.await.unwrap_or_default() }
    }

    /// Counts the connections, where the data plane does that itself; what has changed since the last time comes as
    /// an [`Input`].
    pub(crate) fn count(&self) {
        self.send(DriverRequest::Count);
    }

    /// How many connections each server has, where the data plane counts them itself.
    pub(crate) fn connections(&self) -> impl Future<Output = BTreeMap<BackendId, Counts>> + use<> {
        let (reply, answer) = oneshot::channel();
        self.send(DriverRequest::Connections(reply));
        async move { answer.await.unwrap_or_default() }
    }

    /// What was done last.
    pub(crate) fn report(&self) -> KernelReport {
        self.report.lock().clone()
    }

    fn send(&self, request: DriverRequest) {
        if self.requests.send(request).is_err() {
            error!("bug: the data plane's thread has ended");
        }
    }
}

struct DriverThread {
    plane: Box<dyn DataPlane>,
    inputs: mpsc::UnboundedSender<Input>,
    report: Arc<Mutex<KernelReport>>,
    /// The connections as last reported.
    counted: BTreeMap<BackendId, Counts>,
}

impl DriverThread {
    fn serve(&mut self, request: DriverRequest) {
        match request {
            DriverRequest::Step(KernelStep::Read) => {
                let read = self.plane.read();
                let read = self.noted(read, "cannot read the kernel's rules");
                self.send(Input::Read(read));
            }
            DriverRequest::Step(KernelStep::Apply(changes)) => {
                let start = Instant::now();
                let applied = self.plane.apply(&changes);
                let took = start.elapsed();
                let outcome = self.outcome(applied, changes.len());
                if outcome == ApplyOutcome::Done {
                    debug!(changes = changes.len(), ?took, "changed the kernel's rules");
                    let mut report = self.report.lock();
                    report.changes += changes.len() as u64;
                    report.last_changes = changes.len();
                    report.last_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
                }
                self.send(Input::Applied { changes, outcome });
            }
            DriverRequest::KillFlows(backend) => {
                if let Err(error) = self.plane.kill_flows(backend) {
                    warn!(%backend, %error, "cannot flush a server's flows");
                }
            }
            DriverRequest::Counters(reply) => {
                let counters = self.plane.counters();
                let counters = self
                    .noted(counters, "cannot read the counters")
                    .unwrap_or_default();
                // Whoever asked may have gone.
                let _ = reply.send(counters);
            }
            DriverRequest::Count => self.report_connections(),
            DriverRequest::Connections(reply) => {
                // Whoever asked may have gone.
                let _ = reply.send(self.connections());
            }
        }
    }

    /// Who is refused is told by the director, which finds it out.
    fn outcome(
        &self,
        applied: Result<(), evenkeel_dataplane::Error>,
        changes: usize,
    ) -> ApplyOutcome {
        match applied {
            Err(error) if error.is_refusal() => {
                debug!(%error, changes, "the kernel refused a batch");
                ApplyOutcome::Refused(error.to_string())
            }
            applied => match self.noted(applied, "cannot change the kernel's rules") {
                Some(()) => ApplyOutcome::Done,
                None => ApplyOutcome::Failed,
            },
        }
    }

    fn connections(&mut self) -> BTreeMap<BackendId, Counts> {
        let counted = self.plane.connections();
        self.noted(counted, "cannot count the connections")
            .flatten()
            .unwrap_or_default()
    }

    fn report_connections(&mut self) {
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
            self.send(Input::Counted(changed));
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
        self.report.lock().problem = problem;
        result.ok()
    }

    fn send(&self, input: Input) {
        // Nobody listens any more when the daemon is ending.
        let _ = self.inputs.send(input);
    }
}
