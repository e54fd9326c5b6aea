//! The handle of a queue that is served.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use evenkeel_core::state::Queue;

use crate::socket::Row;
use crate::stats::{Shared, Stats};
use crate::thread::QueueThread;
use crate::verdict::Verdicts;

/// Serves one queue until it is dropped. Then the kernel's rules go on without it (`bypass`).
#[derive(Debug)]
pub struct Listener {
    queue: Queue,
    shared: Arc<Shared>,
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
        let serving = QueueThread::open(queue, Arc::clone(&shared), verdicts)?;
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
            thread: Some(thread),
        })
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
        if let Some(thread) = self.thread.take() {
            // It logs its own end.
            let _ = thread.join();
        }
    }
}
