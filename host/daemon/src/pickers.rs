//! Asks schedulers about each new connection: a queue and a thread for every service that wants that, so that a scheduler that is slow
//! or fails holds up its own service's connections only.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use evenkeel_core::flow::Flow;
use evenkeel_core::model::ServiceKey;
use evenkeel_core::state::Queue;
use evenkeel_dataplane::verdict;
use evenkeel_queue::{Choice, Chooser, Heart, Listener};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::director::{Input, NotPicking, Picking};

/// How often the kernel is told that the daemon is alive: several times in the life of that news.
const BEAT: Duration = Duration::from_millis(30);

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
    asked: Asked,
}

/// Who is asked; nobody after a failure, and while the queue rests. Never locked while somebody is asked.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Option<Arc<Picking>>>>);

impl Asked {
    /// A thread that panics does so nowhere inside: a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, Option<Arc<Picking>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, picking: Picking) {
        *self.lock() = Some(Arc::new(picking));
    }

    fn get(&self) -> Option<Arc<Picking>> {
        self.lock().clone()
    }

    /// Asks it no more, if it is still the one.
    fn end(&self, failed: &Arc<Picking>) {
        let mut current = self.lock();
        if current.as_ref().is_some_and(|it| Arc::ptr_eq(it, failed)) {
            *current = None;
        }
    }

    fn rest(&self) {
        *self.lock() = None;
    }
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
        self.live().map_err(NotPicking::Failed)?;
        let service = picking.service;
        if let Some(desk) = self.desks.get(&service)
            && desk.queue == picking.queue
        {
            desk.asked.set(picking);
            return Ok(());
        }
        self.close(&service);
        let (queue, name) = (picking.queue, picking.name.clone());
        let asked = Asked::default();
        asked.set(picking);
        let clerk = Clerk {
            asked: asked.clone(),
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
            asked,
        };
        self.desks.insert(service, desk);
        Ok(())
    }

    /// Asks nobody: the plan decides. The queue is kept for when its service asks again, unless that is not to be.
    pub(crate) fn stop(&mut self, service: &ServiceKey, for_good: bool) {
        if for_good {
            self.close(service);
        } else if let Some(desk) = self.desks.get(service) {
            desk.asked.rest();
        }
        if self.desks.values().all(|desk| desk.asked.get().is_none()) {
            self.heart = None;
        }
    }

    /// Gives the queue back. Its thread may still be waiting for a scheduler, which nobody here waits for.
    fn close(&mut self, service: &ServiceKey) {
        if let Some(desk) = self.desks.remove(service) {
            desk.asked.rest();
            tokio::task::spawn_blocking(move || drop(desk));
        }
    }

    /// What `status` shows of the service's queue; `None`: it is not served.
    pub(crate) fn report(&self, service: &ServiceKey) -> Option<QueueReport> {
        let desk = self.desks.get(service)?;
        desk.asked.get()?;
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

    /// The kernel's rules that ask have just been made, or made anew, and have heard no beat yet: tells them at once, since until they
    /// hear one, connections go by the plan.
    pub(crate) fn beat(&self) {
        if let Some(heart) = &self.heart {
            heart.beat();
        }
    }

    /// Makes the kernel's rules believe that somebody answers.
    fn live(&mut self) -> io::Result<()> {
        if self.heart.is_none() {
            self.heart = Some(Heart::start(verdict::HEARTBEAT, BEAT, || true)?);
        }
        Ok(())
    }
}

/// Answers a queue's questions, on its thread.
struct Clerk {
    asked: Asked,
    inputs: mpsc::UnboundedSender<Input>,
}

impl Chooser for Clerk {
    fn choose(&mut self, flow: &Flow) -> Choice {
        let Some(picking) = self.asked.get() else {
            return Choice::Pass;
        };
        match picking
            .instance
            .pick(flow, picking.counting, Instant::now())
        {
            Ok(picked) => Choice::Mark(verdict::mark(picked, picking.snat)),
            Err(problem) => {
                self.asked.end(&picking);
                let (service, number) = (picking.service, picking.number);
                warn!(
                    service = picking.name,
                    problem, "the scheduler failed when it was asked about a connection"
                );
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
