//! Running a program that a configuration names: without a shell, in a process group of its own, and not for ever.
//!
//! Each run has a thread of its own. Where its file is on a file system that does not answer, looking at it, starting
//! it and waiting for it take for ever, and nothing else is to wait for that:
//!
//! ```text
//! run --starts--> thread: look at the file, start, wait for the end --outcome--> run
//!   '-- at the limit: "too long", at once; SIGTERM, SIGKILL and the wait go on without it
//! ```

mod checking;
mod ended;
mod job;
mod process;
mod security;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::own_thread;
pub use checking::{CheckEnd, CheckProgram};
pub(crate) use ended::Ended;
use job::{As, Job};
use nix::sys::signal::Signal;
use process::Process;
pub use security::{Insecure, check};
use tokio::runtime::Handle;

/// Between SIGTERM and SIGKILL, as keepalived has it.
pub(crate) const KILL_DELAY: Duration = Duration::from_secs(2);

/// What becomes of a program that runs when nobody waits for it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Abandoned {
    /// It is ended, with its children.
    Ends,
    /// It is asked to end, with its children, and ended later.
    Asked,
    /// It goes on.
    GoesOn,
}

/// Counts the runs that have begun here and are not over yet, whoever waits for them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place(Arc<AtomicUsize>);

impl Place {
    /// How many there are.
    pub(crate) fn runs(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }

    fn enter(&self) -> Running {
        self.0.fetch_add(1, Ordering::AcqRel);
        Running(self.clone())
    }
}

/// A run that is not over yet.
struct Running(Place);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Runs a program. It gets nothing to read, and what it writes is thrown away. Returns at its end, or after `limit`;
/// then its process group gets SIGTERM, and SIGKILL two seconds later. Until it is really gone it counts in `place`.
/// Cancel-safe in the sense of `abandoned`. Call it inside a tokio runtime.
pub(crate) async fn run(
    place: &Place,
    command: &[String],
    limit: Duration,
    abandoned: Abandoned,
) -> Ended {
    let process = Arc::new(Process::default());
    let job = Job {
        command: command.to_vec(),
        user: As::Daemon,
        environment: None,
        output: None,
    };
    let work = {
        let (running, process) = (place.enter(), Arc::clone(&process));
        move || {
            let ended = process.run(job);
            drop(running);
            ended
        }
    };
    let outcome = match own_thread::start("program", work) {
        Ok(outcome) => outcome,
        Err(error) => return Ended::NotStarted(error),
    };
    let waiting = Waiting { process, abandoned };
    match tokio::time::timeout(limit, outcome).await {
        Ok(ended) => ended
            .unwrap_or_else(|_| Ended::NotStarted(std::io::Error::other("bug: its thread failed"))),
        Err(_) => {
            let ending = end(Arc::clone(&waiting.process));
            tokio::spawn(async move {
                ending.await;
                drop(waiting);
            });
            Ended::TooLong(limit)
        }
    }
}

/// Asks a program to end, and ends it later.
fn end(process: Arc<Process>) -> impl Future<Output = ()> + Send {
    process.signal(Signal::SIGTERM);
    async move {
        tokio::time::sleep(KILL_DELAY).await;
        process.signal(Signal::SIGKILL);
    }
}

/// Somebody who waits for a program.
struct Waiting {
    process: Arc<Process>,
    abandoned: Abandoned,
}

impl Drop for Waiting {
    /// Does nothing to a program that has ended.
    fn drop(&mut self) {
        match (self.abandoned, Handle::try_current()) {
            (Abandoned::GoesOn, _) => {}
            (Abandoned::Asked, Ok(runtime)) => drop(runtime.spawn(end(Arc::clone(&self.process)))),
            // Without a runtime nobody would come back for it.
            (Abandoned::Ends, _) | (Abandoned::Asked, Err(_)) => {
                self.process.signal(Signal::SIGKILL);
            }
        }
    }
}

#[cfg(test)]
mod tests;
