//! Running a program that a configuration names: without a shell, in a process group of its own, and not for ever.

mod security;

use std::fmt;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

pub use security::{Insecure, check};

/// Between SIGTERM and SIGKILL, as keepalived has it.
const KILL_DELAY: Duration = Duration::from_secs(2);

/// How a program ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// By itself.
    By(ExitStatus),
    /// It took longer than this, and was ended.
    TooLong(Duration),
    /// It could not be started.
    NotStarted(io::Error),
    /// It was not started, because others than root could have changed it.
    Refused(Insecure),
}

impl Ended {
    /// Exit status 0.
    pub(crate) fn well(&self) -> bool {
        matches!(self, Self::By(status) if status.success())
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::By(status) => status.fmt(f),
            Self::TooLong(limit) => write!(f, "did not end within {limit:?}"),
            Self::NotStarted(error) => write!(f, "cannot be started: {error}"),
            Self::Refused(insecure) => write!(f, "is not run: {insecure}"),
        }
    }
}

/// What becomes of a program that runs when nobody waits for it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Abandoned {
    /// It is ended, with its children.
    Ends,
    /// It goes on.
    GoesOn,
}

/// Runs a program to its end. It gets nothing to read, and what it writes is thrown away. After `limit` its process
/// group gets SIGTERM, and SIGKILL two seconds later. Cancel-safe in the sense of `abandoned`.
pub(crate) async fn run(command: &[String], limit: Duration, abandoned: Abandoned) -> Ended {
    let Some((program, args)) = command.split_first() else {
        return Ended::NotStarted(io::ErrorKind::InvalidInput.into());
    };
    if let Err(insecure) = check(program) {
        return Ended::Refused(insecure);
    }
    let spawned = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // The service manager listens to the daemon alone.
        .env_remove("NOTIFY_SOCKET")
        .process_group(0)
        .spawn();
    let mut group = match spawned {
        Ok(child) => Group::new(child, abandoned),
        Err(error) => return Ended::NotStarted(error),
    };
    match tokio::time::timeout(limit, group.wait()).await {
        Ok(ended) => ended,
        Err(_) => {
            group.signal(Signal::SIGTERM);
            if tokio::time::timeout(KILL_DELAY, group.wait())
                .await
                .is_err()
            {
                group.signal(Signal::SIGKILL);
                group.wait().await;
            }
            Ended::TooLong(limit)
        }
    }
}

/// A process and its children.
struct Group {
    child: Child,
    abandoned: Abandoned,
}

impl Group {
    fn new(child: Child, abandoned: Abandoned) -> Self {
        Self { child, abandoned }
    }

    async fn wait(&mut self) -> Ended {
        match self.child.wait().await {
            Ok(status) => Ended::By(status),
            Err(error) => Ended::NotStarted(error),
        }
    }

    /// Does nothing once the process was waited for: its number may be another's then.
    fn signal(&self, signal: Signal) {
        let Some(Ok(number)) = self.child.id().map(i32::try_from) else {
            return;
        };
        match killpg(Pid::from_raw(number), signal) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => tracing::warn!(number, error = error.desc(), "cannot end a program"),
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.abandoned == Abandoned::Ends {
            self.signal(Signal::SIGKILL);
        }
    }
}

#[cfg(test)]
mod tests;
