//! The data plane's thread: carries out what the director decides, and counts.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use evenkeel_core::connections::Counts;
use evenkeel_core::director::Input;
use evenkeel_core::model::{Persistence, ServiceKey};
use evenkeel_core::state::{BackendId, Counters};
use evenkeel_core::sync::{ApplyOutcome, KernelStep};
use evenkeel_dataplane::{DataPlane, RememberedClient};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, error, warn};

enum DriverRequest {
    Step(KernelStep),
    KillFlows(BackendId),
    Counters(oneshot::Sender<BTreeMap<BackendId, Counters>>),
    /// What the kernel's counts lack.
    Beyond(Box<dyn FnOnce(BTreeMap<BackendId, u64>) + Send>),
    /// Counts the connections; what has changed since the last time is an [`Input`].
    Count,
    Connections(oneshot::Sender<BTreeMap<BackendId, Counts>>),
    Remembered(
        IpAddr,
        Vec<(ServiceKey, Persistence)>,
        oneshot::Sender<RememberedBy>,
    ),
}

/// What each service remembers of a client.
pub(crate) type RememberedBy = BTreeMap<ServiceKey, RememberedClient>;

/// The last change made in the kernel, for `status`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct KernelReport {
    /// Changes of services that took effect since the daemon started.
    pub(crate) changes: u64,
    /// How many of them the last batch had.
    pub(crate) last_changes: usize,
    /// How long the last batch took, in microseconds.
    pub(crate) last_us: u64,
    /// What could not be done the last time that it was tried, if anything: changing the rules, reading them, counting.
    pub(crate) problem: Option<String>,
}

/// What the thread does with the kernel, of which each can fail by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum KernelTask {
    Change,
    Read,
    Counters,
    Connections,
}

impl KernelTask {
    /// As a failure begins.
    fn failure(self) -> &'static str {
        match self {
            Self::Change => "cannot change the kernel's rules",
            Self::Read => "cannot read the kernel's rules",
            Self::Counters => "cannot read the counters",
            Self::Connections => "cannot count the connections",
        }
    }
}

/// What the thread tells of itself.
#[derive(Debug, Default)]
struct Told {
    report: KernelReport,
    /// What failed the last time.
    problems: BTreeMap<KernelTask, String>,
}

/// The thread that owns the data plane. Ends when this is dropped and its work is done.
pub(crate) struct DataPlaneDriver {
    requests: std::sync::mpsc::Sender<DriverRequest>,
    told: Arc<Mutex<Told>>,
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
        let told = Arc::new(Mutex::new(Told::default()));
        let shared = Arc::clone(&told);
        std::thread::Builder::new()
            .name("kernel".into())
            .spawn(move || {
                let mut driver = DriverThread {
                    plane,
                    inputs,
                    told: shared,
                    counted: BTreeMap::new(),
                };
                while let Ok(request) = work.recv() {
                    driver.serve(request);
                }
            })?;
        Ok(Self { requests, told })
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

    /// Hands on what the kernel's own counts lack, to be kept for the next start.
    pub(crate) fn beyond(&self, then: impl FnOnce(BTreeMap<BackendId, u64>) + Send + 'static) {
        self.send(DriverRequest::Beyond(Box::new(then)));
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

    /// Which of these services remember a client, where the data plane can be asked for one.
    pub(crate) fn remembered(
        &self,
        client: IpAddr,
        services: Vec<(ServiceKey, Persistence)>,
    ) -> impl Future<Output = RememberedBy> + use<> {
        let (reply, answer) = oneshot::channel();
        self.send(DriverRequest::Remembered(client, services, reply));
        async move { answer.await.unwrap_or_default() }
    }

    /// What was done last, and what failed.
    pub(crate) fn report(&self) -> KernelReport {
        let told = self.told.lock();
        let problems: Vec<&str> = told.problems.values().map(String::as_str).collect();
        KernelReport {
            problem: (!problems.is_empty()).then(|| problems.join("; ")),
            ..told.report.clone()
        }
    }

    /// The kernel holds what is wanted: a change that it refused is wanted no more.
    pub(crate) fn settled(&self) {
        self.told.lock().problems.remove(&KernelTask::Change);
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
    told: Arc<Mutex<Told>>,
    /// The connections as last reported.
    counted: BTreeMap<BackendId, Counts>,
}

impl DriverThread {
    fn serve(&mut self, request: DriverRequest) {
        match request {
            DriverRequest::Step(KernelStep::Read) => {
                let read = self.plane.read();
                let read = self.noted(read, KernelTask::Read);
                self.send(Input::Read(read));
            }
            DriverRequest::Step(KernelStep::Apply(changes)) => {
                let start = Instant::now();
                let applied = self.plane.apply(&changes);
                let took = start.elapsed();
                let outcome = self.outcome(applied, changes.len());
                if outcome == ApplyOutcome::Done {
                    debug!(changes = changes.len(), ?took, "changed the kernel's rules");
                    let report = &mut self.told.lock().report;
                    report.changes += changes.len() as u64;
                    report.last_changes = changes.len();
                    report.last_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
                }
                self.send(Input::Applied {
                    changes,
                    outcome,
                    took,
                });
            }
            DriverRequest::KillFlows(backend) => {
                if let Err(error) = self.plane.kill_flows(backend) {
                    warn!(%backend, %error, "cannot flush a server's flows");
                }
            }
            DriverRequest::Counters(reply) => {
                let counters = self.plane.counters();
                let counters = self
                    .noted(counters, KernelTask::Counters)
                    .unwrap_or_default();
                // Whoever asked may have gone.
                let _ = reply.send(counters);
            }
            DriverRequest::Beyond(then) => then(self.plane.beyond()),
            DriverRequest::Count => self.report_connections(),
            DriverRequest::Remembered(client, services, reply) => {
                let _ = reply.send(self.remembered(client, &services));
            }
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
            applied => match self.noted(applied, KernelTask::Change) {
                Some(()) => ApplyOutcome::Done,
                None => ApplyOutcome::Failed,
            },
        }
    }

    fn connections(&mut self) -> BTreeMap<BackendId, Counts> {
        let counted = self.plane.connections();
        self.noted(counted, KernelTask::Connections)
            .flatten()
            .unwrap_or_default()
    }

    fn remembered(
        &mut self,
        client: IpAddr,
        services: &[(ServiceKey, Persistence)],
    ) -> RememberedBy {
        let mut found = RememberedBy::new();
        for (key, persistence) in services {
            match self.plane.remembered(key, *persistence, client) {
                Ok(remembered) => found.extend(remembered.map(|it| (*key, it))),
                Err(error) => {
                    warn!(service = %key, %error, "cannot tell whether a client is remembered")
                }
            }
        }
        found
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

    /// Logs a failure and keeps it for `status`, until the same succeeds.
    fn noted<T>(
        &self,
        result: Result<T, evenkeel_dataplane::Error>,
        task: KernelTask,
    ) -> Option<T> {
        let mut told = self.told.lock();
        match result {
            Ok(done) => {
                told.problems.remove(&task);
                Some(done)
            }
            Err(error) => {
                let failure = task.failure();
                told.problems.insert(task, format!("{failure}: {error}"));
                drop(told);
                error!(%error, "{failure}; trying again");
                None
            }
        }
    }

    fn send(&self, input: Input) {
        // Nobody listens any more when the daemon is ending.
        let _ = self.inputs.send(input);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use evenkeel_core::state::Change;
    use evenkeel_dataplane::Error;
    use evenkeel_dataplane::memory::MemoryPlane;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// Not a refusal: those are the director's to tell.
    fn no_room() -> Error {
        Error::Io {
            what: "write".to_owned(),
            source: std::io::Error::other("no room"),
        }
    }

    /// Has the driver take a step, and waits until it has.
    async fn step(
        driver: &DataPlaneDriver,
        inputs: &mut mpsc::UnboundedReceiver<Input>,
        step: KernelStep,
    ) {
        driver.step(step);
        let answer = tokio::time::timeout(PATIENCE, inputs.recv()).await;
        assert!(answer.is_ok_and(|it| it.is_some()), "no answer");
    }

    #[tokio::test]
    async fn a_problem_is_told_until_the_same_succeeds_however_often_something_else_does() {
        let plane = MemoryPlane::new();
        plane.fail_next_apply(no_room());
        let (sender, mut inputs) = mpsc::unbounded_channel();
        let driver = DataPlaneDriver::start(Box::new(plane.clone()), sender).unwrap();
        let change = KernelStep::Apply(vec![Change::Hairpin(
            ["10.0.0.0/8".parse().unwrap()].into(),
        )]);
        step(&driver, &mut inputs, change.clone()).await;
        for _ in 0..2 {
            // As `status` does for each answer.
            driver.counters().await;
            step(&driver, &mut inputs, KernelStep::Read).await;
            let problem = driver.report().problem.unwrap();
            assert!(
                problem.contains("cannot change the kernel's rules") && problem.contains("no room"),
                "{problem}"
            );
        }
        step(&driver, &mut inputs, change.clone()).await;
        assert_eq!(driver.report().problem, None);
        plane.fail_next_apply(no_room());
        step(&driver, &mut inputs, change).await;
        assert!(driver.report().problem.is_some());
        driver.settled();
        assert_eq!(driver.report().problem, None, "it is wanted no more");
    }
}
