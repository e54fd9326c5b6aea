//! What must outlast the daemon: the servers' numbers, and what they have counted that the kernel does not know of, in
//! one file of the `state_dir`; and what schedulers hand to their successors, in others. A thread of its own writes them,
//! so that nobody else waits for a disk.
//!
//! The daemon works without it: whatever is wrong with the file or the disk is logged, and the next write is tried.
//! What the kernel's rules and conntrack say counts more than the file (`evenkeel_core::ids`).

mod file;
mod form;
mod schedulers;
mod state;
mod thread;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use evenkeel_core::state::BackendId;
use tracing::warn;

use file::KeptFile;
use schedulers::SchedulerFiles;
pub(crate) use state::{KeptState, News, SchedulerState};
use thread::KeptThread;

/// The name of the file of servers.
const NAME: &str = "servers.json";
/// Counts change with every server that fails; so long is gathered.
const GATHER_DELAY: Duration = Duration::from_secs(2);
/// How long the end of the daemon waits for the disk at most.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);

/// Keeps it. Without a thread (none could be started) nothing is kept.
pub(crate) struct Keeper {
    news: Option<mpsc::Sender<News>>,
    thread: Option<JoinHandle<()>>,
    /// When the counts are next to be kept.
    due: Option<Instant>,
}

impl Keeper {
    /// Reads what was kept in this directory, and starts to keep what will be.
    pub(crate) fn start(directory: &Path) -> (Self, KeptState) {
        let file = KeptFile::new(directory, NAME);
        let kept = file.read(form::read).unwrap_or_else(|problem| {
            let file = file.path().display();
            warn!(
                %file,
                problem,
                "what was kept cannot be used: servers that are down may get other numbers, and counts begin anew"
            );
            None
        });
        let mut kept = kept.unwrap_or_default();
        let mut files = SchedulerFiles::new(directory);
        let (sender, receiver) = mpsc::channel();
        let mut worker = KeptThread::new(file, kept.clone());
        kept.schedulers = files.read();
        worker.keeps_states(files);
        let thread = std::thread::Builder::new()
            .name("state".into())
            .spawn(move || worker.run(&receiver))
            .inspect_err(|error| warn!(%error, "nothing will be kept for the next start"))
            .ok();
        let keeper = Self {
            news: Some(sender).filter(|_| thread.is_some()),
            thread,
            due: None,
        };
        (keeper, kept)
    }

    /// Has it written soon.
    pub(crate) fn keep(&self, news: News) {
        send(self.news.as_ref(), news);
    }

    /// What takes counts in from another thread.
    pub(crate) fn taker(&self) -> impl FnOnce(BTreeMap<BackendId, u64>) + Send + use<> {
        let news = self.news.clone();
        move |counts| send(news.as_ref(), News::Beyond(counts))
    }

    /// The kernel has changed, and counts may have left it.
    pub(crate) fn kernel_changed(&mut self, now: Instant) {
        self.due.get_or_insert(now + GATHER_DELAY);
    }

    /// Whether the counts are to be kept now.
    pub(crate) fn due(&mut self, now: Instant) -> bool {
        self.due.take_if(|due| *due <= now).is_some()
    }

    /// When [`Self::due`] may be so next.
    pub(crate) fn poll_at(&self) -> Option<Instant> {
        self.due
    }

    /// The daemon ends: writes what is to be written, but does not wait for long.
    pub(crate) async fn finish(mut self) {
        // Without a sender the thread ends, after its work.
        self.news = None;
        let Some(thread) = self.thread.take() else {
            return;
        };
        let ended = tokio::task::spawn_blocking(move || thread.join());
        if tokio::time::timeout(LEAVE_TIMEOUT, ended).await.is_err() {
            warn!("the disk takes long to take what is to be kept for the next start");
        }
    }
}

fn send(news: Option<&mpsc::Sender<News>>, it: News) {
    if let Some(news) = news {
        // The thread ends only when nobody can send any more.
        let _ = news.send(it);
    }
}

#[cfg(test)]
mod tests;
