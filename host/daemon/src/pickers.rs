//! Asks schedulers about each new connection: a queue and a thread for every service that wants that, so that a scheduler that is slow
//! or fails holds up its own service's connections only.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use evenkeel_core::flow::Flow;
use evenkeel_core::model::ServiceKey;
use evenkeel_core::state::Queue;
use evenkeel_dataplane::ask;
use evenkeel_queue::{Choice, Chooser, Heart, Listener};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::director::{Input, NotPicking, Picking};

/// How often the kernel is told that the daemon is alive: several times in the life of that news.
const BEAT: Duration = Duration::from_millis(30);

/// What `status` shows of a service's queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct QueueReport {
    /// Number of the NFQUEUE.
    pub(crate) queue: u16,
    /// Connections that the scheduler decided.
    pub(crate) decided: u64,
    /// Connections that were left to the plan.
    pub(crate) passed: u64,
    /// Packets that began no connection, or could not be understood; they were left to the plan.
    pub(crate) unreadable: u64,
    /// How long a decision takes, in microseconds, half of them and 99 in 100: in the scheduler, and from the packet's being read to its
    /// being sent on.
    pub(crate) pick_p50_us: u64,
    pub(crate) pick_p99_us: u64,
    pub(crate) total_p50_us: u64,
    pub(crate) total_p99_us: u64,
}

/// See the module's documentation.
pub(crate) struct Pickers {
    desks: BTreeMap<ServiceKey, Desk>,
    heart: Option<Heart>,
    inputs: mpsc::UnboundedSender<Input>,
}

/// A queue that is served.
struct Desk {
    listener: Listener,
    queue: Queue,
    /// Who is asked; nobody after a failure.
    picking: Arc<Mutex<Option<Picking>>>,
}

impl Pickers {
    /// Serves no queue yet.
    pub(crate) fn new(inputs: mpsc::UnboundedSender<Input>) -> Self {
        Self {
            desks: BTreeMap::new(),
            heart: None,
            inputs,
        }
    }

    /// Begins to ask, or asks another instance.
    pub(crate) fn pick(&mut self, picking: Picking) {
        let (service, number) = (picking.service, picking.number);
        let outcome = self.try_pick(picking);
        // Nobody listens any more when the daemon is ending.
        let _ = self.inputs.send(Input::Picking {
            service,
            number,
            outcome,
        });
    }

    fn try_pick(&mut self, picking: Picking) -> Result<(), NotPicking> {
        self.beat().map_err(NotPicking::Failed)?;
        let service = picking.service;
        if let Some(desk) = self.desks.get(&service)
            && desk.queue == picking.queue
        {
            *desk.picking.lock().unwrap_or_else(PoisonError::into_inner) = Some(picking);
            return Ok(());
        }
        self.desks.remove(&service);
        let (queue, name) = (picking.queue, picking.name.clone());
        let shared = Arc::new(Mutex::new(Some(picking)));
        let clerk = Clerk {
            picking: Arc::clone(&shared),
            inputs: self.inputs.clone(),
        };
        let listener = Listener::start(queue, &name, clerk).map_err(|error| {
            if error.kind() == io::ErrorKind::AddrInUse || error.raw_os_error() == Some(libc::EBUSY)
            {
                NotPicking::Taken
            } else {
                NotPicking::Failed(error)
            }
        })?;
        info!(
            service = name,
            queue = queue.0,
            "the scheduler is asked about each new connection"
        );
        let desk = Desk {
            listener,
            queue,
            picking: shared,
        };
        self.desks.insert(service, desk);
        Ok(())
    }

    /// Lets the kernel's rules fall back to the plan.
    pub(crate) fn stop(&mut self, service: &ServiceKey) {
        self.desks.remove(service);
        if self.desks.is_empty() {
            self.heart = None;
        }
    }

    /// What `status` shows of the service's queue; `None`: it is not served.
    pub(crate) fn report(&self, service: &ServiceKey) -> Option<QueueReport> {
        let desk = self.desks.get(service)?;
        let stats = desk.listener.stats();
        Some(QueueReport {
            queue: desk.queue.0,
            decided: stats.decisions,
            passed: stats.passed,
            unreadable: stats.unreadable,
            pick_p50_us: stats.choose.p50,
            pick_p99_us: stats.choose.p99,
            total_p50_us: stats.total.p50,
            total_p99_us: stats.total.p99,
        })
    }

    /// Why the kernel does not learn that the daemon is alive, so that it goes by the plans.
    pub(crate) fn problem(&self) -> Option<String> {
        self.heart.as_ref().and_then(Heart::problem)
    }

    /// Makes the kernel's rules believe that somebody answers.
    fn beat(&mut self) -> io::Result<()> {
        if self.heart.is_none() {
            self.heart = Some(Heart::start(ask::HEARTBEAT, BEAT, || true)?);
        }
        Ok(())
    }
}

/// Answers a queue's questions, on its thread.
struct Clerk {
    picking: Arc<Mutex<Option<Picking>>>,
    inputs: mpsc::UnboundedSender<Input>,
}

impl Chooser for Clerk {
    fn choose(&mut self, flow: &Flow) -> Choice {
        let mut current = self.picking.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(picking) = current.as_ref() else {
            return Choice::Pass;
        };
        match picking
            .instance
            .pick(flow, picking.counting, Instant::now())
        {
            Ok(picked) => Choice::Mark(ask::mark(picked, picking.snat)),
            Err(problem) => {
                let (service, number) = (picking.service, picking.number);
                *current = None;
                warn!(%service, problem, "the scheduler failed when it was asked about a connection");
                // Nobody listens any more when the daemon is ending.
                let _ = self.inputs.send(Input::PickFailed {
                    service,
                    number,
                    problem,
                });
                Choice::Pass
            }
        }
    }
}
