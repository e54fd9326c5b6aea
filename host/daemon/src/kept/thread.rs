//! The thread that waits for the disk.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tracing::{info, warn};

use super::file::KeptFile;
use super::form;
use super::schedulers::SchedulerFiles;
use super::state::{KeptState, News};

/// After a failure it is tried again.
const RETRY_DELAY: Duration = Duration::from_secs(30);

fn hash(text: &[u8]) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    std::hash::Hasher::write(&mut hasher, text);
    std::hash::Hasher::finish(&hasher)
}

/// Writes what is new.
pub(super) struct KeptThread {
    file: KeptFile,
    kept: KeptState,
    /// The hash of what the file has, as far as known: the text itself may be megabytes.
    written: Option<u64>,
    /// Why the last write failed.
    problem: Option<String>,
    states: Option<SchedulerFiles>,
}

impl KeptThread {
    /// `kept`: what was read.
    pub(super) fn new(file: KeptFile, kept: KeptState) -> Self {
        Self {
            file,
            kept,
            written: None,
            problem: None,
            states: None,
        }
    }

    /// Has these files for what schedulers hand over.
    pub(super) fn keeps_states(&mut self, files: SchedulerFiles) {
        self.states = Some(files);
    }

    /// Runs until the last sender of `news` is dropped and its news are written.
    pub(super) fn run(&mut self, news: &Receiver<News>) {
        loop {
            let first = if self.problem.is_none() {
                news.recv().map_err(RecvTimeoutError::from)
            } else {
                news.recv_timeout(RETRY_DELAY)
            };
            match first {
                Ok(first) => {
                    self.take(first);
                    news.try_iter().for_each(|it| self.take(it));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.write();
        }
    }

    fn take(&mut self, news: News) {
        match news {
            News::Scheduler(service, state) => {
                if let Some(files) = &mut self.states {
                    files.write(service, &state);
                }
            }
            News::Services(services) => {
                if let Some(files) = &mut self.states {
                    files.retain(&services);
                }
            }
            News::Numbers(numbers) => self.kept.numbers = numbers,
            News::Beyond(counts) => {
                self.kept.counts.values_mut().for_each(|it| it.beyond = 0);
                for (id, count) in counts {
                    let kept = self.kept.counts.entry(id).or_default();
                    kept.beyond = count;
                    kept.connections = kept.connections.max(count);
                }
            }
            News::Totals(counts) => {
                for (id, count) in counts {
                    self.kept.counts.entry(id).or_default().connections = count;
                }
            }
        }
    }

    fn write(&mut self) {
        let text = form::write(&self.kept);
        let hash = hash(&text);
        if self.written == Some(hash) {
            return;
        }
        let problem = self.file.write(&text).err().map(|error| error.to_string());
        let file = self.file.path().display();
        match &problem {
            None if self.problem.is_some() => info!(%file, "what must last can be kept again"),
            Some(problem) if self.problem.as_ref() != Some(problem) => warn!(
                %file,
                problem,
                "what must last cannot be kept: after a restart, servers that are down or were removed may get other numbers"
            ),
            _ => {}
        }
        self.written = problem.is_none().then_some(hash);
        self.problem = problem;
    }
}
