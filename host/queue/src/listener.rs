//! The handle of a queue that is served.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use evenkeel_core::state::Queue;

use crate::shared::Shared;
use crate::socket::Row;
use crate::stats::Stats;
use crate::thread::QueueThread;
use crate::verdict::Verdicts;
use crate::watch::QueueWatch;

/// How long the last packet's decision may take when the queue is given back.
const LAST_LIMIT: Duration = Duration::from_secs(2);
/// How often to look whether the thread has ended.
const LOOK: Duration = Duration::from_millis(2);

/// Serves one queue until it is dropped. Then the kernel's rules go on without it (`bypass`).
#[derive(Debug)]
pub struct Listener {
    queue: Queue,
    shared: Arc<Shared>,
    watch: QueueWatch,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Takes the queue in this thread's network namespace. `name` is for the log.
    ///
    /// # Errors
    /// `AddrInUse` when another program has the queue; `PermissionDenied` without `CAP_NET_ADMIN`. The text names the
    /// queue.
    pub fn start(queue: Queue, name: &str, verdicts: impl Verdicts) -> io::Result<Self> {
        let shared = Arc::new(Shared::new()?);
        let serving = QueueThread::open(queue, name, Arc::clone(&shared), verdicts)?;
        let watch = QueueWatch::new(queue, name, serving.channel(), Arc::clone(&shared));
        let name = name.to_owned();
        let thread = std::thread::Builder::new()
            .name(format!("queue-{}", queue.0))
            .spawn(move || {
                if let Err(error) = serving.serve() {
                    tracing::error!(service = name, queue = queue.0, %error, "the queue is not served any more; connections go by the plan");
                }
            })?;
        Ok(Self {
            queue,
            shared,
            watch,
            thread: Some(thread),
        })
    }

    /// By which another thread sees that this queue's moves.
    #[must_use]
    pub fn watch(&self) -> QueueWatch {
        self.watch.clone()
    }

    /// Whether its thread does not move, as a [`QueueWatch`] has found: connections go by the plan. Dropping it does not
    /// wait for the thread then.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.watch.is_stuck()
    }

    /// What it has done. To be called in the network namespace of the queue.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared
            .stats(Row::of(self.queue).map_or(0, |row| row.dropped))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        while self.thread.as_ref().is_some_and(|it| !it.is_finished()) {
            self.watch.look(LAST_LIMIT);
            if self.watch.is_stuck() {
                // It ends when it moves. Nothing waits in the queue.
                if let Err(error) = self.watch.release() {
                    tracing::warn!(queue = self.queue.0, %error, "a queue cannot be given back");
                }
                return;
            }
            std::thread::sleep(LOOK);
        }
        if let Some(thread) = self.thread.take() {
            // It logs its own end.
            let _ = thread.join();
        }
    }
}
