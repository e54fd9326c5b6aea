//! The handle of the thread that counts.

use std::io::{self, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use evenkeel_core::connections::Counts;
use evenkeel_core::state::BackendId;

use crate::worker::Worker;

/// How to listen. The default is right but for measurements and tests.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Bytes that may wait to be read; not taken up before they do. The default, 64 MiB, is good for some 60,000 events.
    pub buffer: usize,
    /// Whether the kernel drops events that change no count.
    pub filter: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            buffer: 64 << 20,
            filter: true,
        }
    }
}

/// How counting goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Whether the kernel tells us of connections now.
    pub listening: bool,
    /// Connections that are known now.
    pub connections: u64,
    /// Messages that the kernel delivered.
    pub events: u64,
    /// How often some were lost because they were read too slowly. Each time a dump makes it good.
    pub overruns: u64,
    /// How often all connections were read.
    pub dumps: u64,
    /// How long the last time took.
    pub last_dump: Duration,
    /// Why counts are wrong or late, if they are.
    pub problem: Option<String>,
}

/// What the handle and the thread share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) wanted: AtomicBool,
    pub(crate) ended: AtomicBool,
    report: Mutex<Report>,
}

impl Shared {
    pub(crate) fn report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts connections, while it [listens](Self::listen), on a thread of its own. Dropping it ends the thread.
#[derive(Debug)]
pub struct Counter {
    shared: Arc<Shared>,
    wake: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Counter {
    /// Starts the thread in this thread's network namespace. It does not listen yet.
    ///
    /// `report` is called on that thread with the counts that have changed since its last call, at most every
    /// [`REPORT_INTERVAL`](crate::REPORT_INTERVAL); and first, after each [`listen(true)`](Self::listen), when all
    /// connections have been read, even if there are none.
    ///
    /// # Errors
    /// If no thread can be started. What goes wrong later is in [`Report::problem`], and is tried again.
    pub fn start(
        report: impl FnMut(Vec<(BackendId, Counts)>) + Send + 'static,
    ) -> io::Result<Self> {
        Self::start_with(Options::default(), report)
    }

    /// [`start`](Self::start) with other options.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(
        options: Options,
        report: impl FnMut(Vec<(BackendId, Counts)>) + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (wake, woken) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        woken.set_nonblocking(true)?;
        let worker = Worker::new(options, Arc::clone(&shared), woken, report);
        let thread = std::thread::Builder::new()
            .name("flows".to_owned())
            .spawn(|| worker.run())?;
        Ok(Self {
            shared,
            wake,
            thread: Some(thread),
        })
    }

    /// Listens, or stops it. While it does not listen, it costs nothing; when it begins, all connections are read.
    pub fn listen(&self, wanted: bool) {
        self.shared.wanted.store(wanted, Ordering::Release);
        self.wake();
    }

    /// How it goes.
    #[must_use]
    pub fn status(&self) -> Report {
        self.shared.report().clone()
    }

    fn wake(&self) {
        // If that is full, it has been woken; if it is closed, the thread has ended.
        let _ = (&self.wake).write(&[0]);
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // It has reported its panic itself, if it had one.
            let _ = thread.join();
        }
    }
}
