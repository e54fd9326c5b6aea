//! Verdicts of schedulers on each new connection: an NFQUEUE and a thread for every service that wants that, so that
//! a scheduler that is slow or fails holds up its own service's connections only.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_core::director::{Input, QueueError, VerdictRequest};
use evenkeel_core::flow::Flow;
use evenkeel_core::mark;
use evenkeel_core::model::ServiceKey;
use evenkeel_core::state::Queue;
use evenkeel_queue::{Heartbeat, Listener, QueueVerdict, QueueWatch, Verdicts};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tracing::{info, warn};

/// How often the kernel is told that the daemon is alive: several times before it takes it for dead.
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(30);

/// A scheduler that has not answered for so long, and its `pick_time`, hangs.
const STUCK_AFTER: Duration = Duration::from_millis(150);

/// What `status` shows of a service's queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueueReport {
    /// Number of the NFQUEUE.
    pub(crate) queue: u16,
    /// Connections that the scheduler decided.
    pub(crate) decided: u64,
    /// Connections that were left to the plan.
    pub(crate) passed: u64,
    /// Packets that began no connection, or could not be understood; they were left to the plan.
    pub(crate) unreadable: u64,
    /// How long a decision takes, in microseconds, half of them and 99 in 100: in the scheduler, and from the
    /// packet's being read to its being sent on.
    pub(crate) pick_p50_us: u64,
    pub(crate) pick_p99_us: u64,
    pub(crate) total_p50_us: u64,
    pub(crate) total_p99_us: u64,
    /// Why connections go by the plan although the queue is served.
    pub(crate) problem: Option<String>,
}

/// The queues that are served.
pub(crate) struct VerdictQueues {
    handles: BTreeMap<ServiceKey, QueueHandle>,
    /// By which the heart sees that each queue's thread moves.
    watches: Arc<Mutex<BTreeMap<ServiceKey, QueueWatch>>>,
    heartbeat: Option<Heartbeat>,
    /// How long a decision may take, before it is taken for hanging.
    limit: Duration,
    inputs: mpsc::UnboundedSender<Input>,
}

/// A queue that is open.
struct QueueHandle {
    listener: Listener,
    queue: Queue,
    current: CurrentRequest,
}

/// Who gives the verdicts; nobody after a failure, and while the queue is paused. Never locked while a verdict is
/// being given.
#[derive(Clone, Default)]
struct CurrentRequest(Arc<Mutex<Option<Arc<VerdictRequest>>>>);

impl CurrentRequest {
    fn set(&self, request: VerdictRequest) {
        *self.0.lock() = Some(Arc::new(request));
    }

    fn get(&self) -> Option<Arc<VerdictRequest>> {
        self.0.lock().clone()
    }

    /// Takes it away, if it is still the one.
    fn end(&self, failed: &Arc<VerdictRequest>) {
        let mut current = self.0.lock();
        if current.as_ref().is_some_and(|it| Arc::ptr_eq(it, failed)) {
            *current = None;
        }
    }

    fn pause(&self) {
        *self.0.lock() = None;
    }
}

impl VerdictQueues {
    /// Serves no queue yet. `pick_time`: how long a decision may take.
    pub(crate) fn new(inputs: mpsc::UnboundedSender<Input>, pick_time: Duration) -> Self {
        Self {
            handles: BTreeMap::new(),
            watches: Arc::default(),
            heartbeat: None,
            limit: pick_time + STUCK_AFTER,
            inputs,
        }
    }

    /// Serves a service's queue, or serves it by another instance from now on; the outcome comes as an [`Input`].
    pub(crate) fn serve(&mut self, request: VerdictRequest) {
        let (service, generation) = (request.service, request.generation);
        let outcome = self.try_serve(request);
        // Nobody listens any more when the daemon is ending.
        let _ = self.inputs.send(Input::QueueServed {
            service,
            generation,
            outcome,
        });
    }

    fn try_serve(&mut self, request: VerdictRequest) -> Result<(), QueueError> {
        self.start_heartbeat()
            .map_err(|error| QueueError::Failed(error.to_string()))?;
        let service = request.service;
        if let Some(handle) = self.handles.get(&service)
            && handle.queue == request.queue
            && !handle.listener.is_stuck()
        {
            handle.current.set(request);
            return Ok(());
        }
        self.close(&service);
        let (queue, name) = (request.queue, request.name.clone());
        let current = CurrentRequest::default();
        current.set(request);
        let thread = VerdictThread {
            current: current.clone(),
            inputs: self.inputs.clone(),
        };
        let listener = Listener::start(queue, &name, thread).map_err(|error| {
            if error.kind() == io::ErrorKind::AddrInUse || error.raw_os_error() == Some(libc::EBUSY)
            {
                QueueError::InUse
            } else {
                QueueError::Failed(error.to_string())
            }
        })?;
        info!(
            service = name,
            queue = queue.0,
            "the scheduler decides each new connection"
        );
        self.watches.lock().insert(service, listener.watch());
        let handle = QueueHandle {
            listener,
            queue,
            current,
        };
        self.handles.insert(service, handle);
        Ok(())
    }

    /// Gives no verdicts any more: the plan decides. The queue is kept open for when its service wants it again,
    /// unless it is released.
    pub(crate) fn stop(&mut self, service: &ServiceKey, release: bool) {
        if release {
            self.close(service);
        } else if let Some(handle) = self.handles.get(service) {
            handle.current.pause();
        }
        if self.handles.values().all(|it| it.current.get().is_none()) {
            self.heartbeat = None;
        }
    }

    /// Gives the queue back. Its thread may still be waiting for a scheduler, which nobody here waits for.
    fn close(&mut self, service: &ServiceKey) {
        if let Some(handle) = self.handles.remove(service) {
            handle.current.pause();
            self.watches.lock().remove(service);
            // One that hangs is given back at once: its queue may be wanted in a moment.
            if !handle.listener.is_stuck() {
                tokio::task::spawn_blocking(move || drop(handle));
            }
        }
    }

    /// What `status` shows of the service's queue; `None`: it is not served.
    pub(crate) fn report(&self, service: &ServiceKey) -> Option<QueueReport> {
        let handle = self.handles.get(service)?;
        handle.current.get()?;
        let stats = handle.listener.stats();
        Some(QueueReport {
            queue: handle.queue.0,
            decided: stats.decisions,
            passed: stats.passed,
            unreadable: stats.unreadable,
            pick_p50_us: stats.decide.p50,
            pick_p99_us: stats.decide.p99,
            total_p50_us: stats.total.p50,
            total_p99_us: stats.total.p99,
            problem: (handle.listener.is_stuck()).then(|| {
                "decisions do not come in time (the scheduler hangs, or the machine is busy): connections go by the plan until they do"
                    .to_owned()
            }),
        })
    }

    /// Why the kernel does not learn that the daemon is alive, so that it goes by the plans.
    pub(crate) fn problem(&self) -> Option<String> {
        self.heartbeat.as_ref().and_then(Heartbeat::problem)
    }

    /// The kernel's rules for queues have just been made, or made anew, and have seen no heartbeat yet: sends one at
    /// once, since until they see one, connections go by the plan.
    pub(crate) fn beat(&self) {
        if let Some(heartbeat) = &self.heartbeat {
            heartbeat.beat();
        }
    }

    /// Makes the kernel's rules queue connections. The heart is everybody's; before each beat it passes by those queues
    /// whose thread hangs.
    fn start_heartbeat(&mut self) -> io::Result<()> {
        if self.heartbeat.is_none() {
            let (watches, limit) = (Arc::clone(&self.watches), self.limit);
            let look = move || {
                for watch in watches.lock().values() {
                    watch.look(limit);
                }
                true
            };
            self.heartbeat = Some(Heartbeat::start(mark::HEARTBEAT, HEARTBEAT_INTERVAL, look)?);
        }
        Ok(())
    }
}

/// Gives a queue's verdicts, on its thread.
struct VerdictThread {
    current: CurrentRequest,
    inputs: mpsc::UnboundedSender<Input>,
}

impl Verdicts for VerdictThread {
    fn decide(&mut self, flow: &Flow) -> QueueVerdict {
        let Some(request) = self.current.get() else {
            return QueueVerdict::Pass;
        };
        match request
            .instance
            .pick(flow, request.counting, Instant::now())
        {
            Ok(picked) => QueueVerdict::Mark(mark::verdict(picked, request.snat)),
            Err(problem) => {
                self.current.end(&request);
                let (service, generation) = (request.service, request.generation);
                warn!(
                    service = request.name,
                    problem, "the scheduler failed to decide a connection"
                );
                // Nobody listens any more when the daemon is ending.
                let _ = self.inputs.send(Input::VerdictFailed {
                    service,
                    generation,
                    problem,
                });
                QueueVerdict::Pass
            }
        }
    }
}
