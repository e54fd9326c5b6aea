//! What the handle of a queue, its thread and who watches it share.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::progress::Progress;
use crate::stats::{Stats, Times};

/// What the handle and the thread share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) stop: AtomicBool,
    /// What the thread is at.
    pub(crate) progress: Progress,
    /// The thread did not move, so that connections go by the plan. Whoever changes that keeps it locked until the
    /// kernel has been told.
    pub(crate) bypassed: Mutex<bool>,
    pub(crate) decisions: AtomicU64,
    pub(crate) passed: AtomicU64,
    pub(crate) unreadable: AtomicU64,
    /// Of decisions, and of whole packets. Locked for a moment after each batch, and while statistics are made.
    times: Mutex<(Times, Times)>,
}

impl Shared {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            stop: AtomicBool::new(false),
            progress: Progress::new(),
            bypassed: Mutex::new(false),
            decisions: AtomicU64::new(0),
            passed: AtomicU64::new(0),
            unreadable: AtomicU64::new(0),
            times: Mutex::new((Times::new()?, Times::new()?)),
        })
    }

    /// Adds the decisions of a batch whose verdicts were sent after `total`.
    pub(crate) fn took(&self, decisions: impl Iterator<Item = Duration>, total: Duration) {
        let (decide, whole) = &mut *self.times.lock();
        for decision in decisions {
            decide.add(decision);
            whole.add(total);
        }
    }

    /// All of it. `queue_dropped` is the kernel's to say.
    pub(crate) fn stats(&self, queue_dropped: u64) -> Stats {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let times = self.times.lock();
        Stats {
            decisions: count(&self.decisions),
            passed: count(&self.passed),
            unreadable: count(&self.unreadable),
            queue_dropped,
            decide: times.0.spread(),
            total: times.1.spread(),
        }
    }
}
