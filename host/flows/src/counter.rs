//! The handle of the thread that counts.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use evenkeel_core::connections::Counts;
use evenkeel_core::state::BackendId;

use crate::shared::{Options, Report, Shared};
use crate::thread::CountingThread;

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
        let counting = CountingThread::new(options, Arc::clone(&shared), woken, report);
        let thread = std::thread::Builder::new()
            .name("flows".to_owned())
            .spawn(|| counting.run())?;
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

    /// Whether [`Counts::traffic`] is wanted, too: then all connections are read every few seconds. Without accounting in
    /// the kernel (`net.netfilter.nf_conntrack_acct`) there is none all the same.
    pub fn count_traffic(&self, wanted: bool) {
        let before = self.shared.traffic.swap(wanted, Ordering::AcqRel);
        if wanted && !before {
            self.shared.again.store(true, Ordering::Release);
            self.wake();
        }
    }

    /// The servers of services whose address is on another director: their connections do not count. See
    /// [`Table::set_elsewhere`](evenkeel_core::connections::Table::set_elsewhere).
    pub fn set_elsewhere(&self, servers: BTreeSet<BackendId>) {
        *self.shared.elsewhere.lock() = Some(servers);
        self.wake();
    }

    /// How it goes.
    #[must_use]
    pub fn status(&self) -> Report {
        self.shared.report.lock().clone()
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
