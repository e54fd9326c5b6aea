//! Programs that health checks run: as a user without rights, with the begin of what they write.

use std::any::Any;
use std::ffi::OsString;
use std::sync::Arc;

use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;

use super::ended::Ended;
use super::job::{As, Job};
use super::process::Process;
use super::{Abandoned, Waiting};
use crate::own_thread;

/// Bytes that are kept of what it writes.
const KEPT: usize = 1000;

/// A program of a health check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckProgram {
    /// It and its arguments.
    pub command: Vec<String>,
    /// As whom it runs. `None`: as `nobody`, and where the daemon is not root, as the daemon.
    pub user: Option<String>,
    /// What it has beside `PATH`.
    pub environment: Vec<(String, OsString)>,
}

/// How a program of a health check has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckEnd {
    /// `None`: a signal ended it.
    pub code: Option<u8>,
    /// The begin of what it wrote to its streams.
    pub output: Vec<u8>,
}

impl CheckProgram {
    /// Runs it once, and waits for its end. Dropped before, its process group gets SIGTERM, and SIGKILL two seconds
    /// later; until it has really gone, `held` is kept. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// Why it was not started.
    pub async fn run(self, held: Box<dyn Any + Send>) -> Result<CheckEnd, String> {
        let process = Arc::new(Process::default());
        let failed = |error: std::io::Error| format!("cannot be started: {error}");
        let (sender, mut receiver) = pipe::pipe().map_err(failed)?;
        let job = Job {
            command: self.command,
            user: As::User(self.user),
            environment: Some(self.environment),
            output: Some(sender.into_blocking_fd().map_err(failed)?),
        };
        let work = {
            let process = Arc::clone(&process);
            move || {
                let ended = process.run(job);
                drop(held);
                ended
            }
        };
        let mut ended = own_thread::start("check-program", work).map_err(failed)?;
        let _waiting = Waiting {
            process,
            abandoned: Abandoned::Asked,
        };
        let mut output = Vec::new();
        let ended = tokio::select! {
            ended = &mut ended => ended,
            // What a child of it that goes on writes is no reason to wait.
            () = collect(&mut receiver, &mut output) => ended.await,
        };
        // What it has written last.
        let mut rest = [0; KEPT];
        while output.len() < KEPT {
            match receiver.try_read(&mut rest) {
                Ok(length) if length > 0 => keep(&mut output, rest.get(..length)),
                _ => break,
            }
        }
        match ended {
            Ok(Ended::By(status)) => Ok(CheckEnd {
                code: status.code().and_then(|code| u8::try_from(code).ok()),
                output,
            }),
            Ok(ended) => Err(ended.to_string()),
            Err(_) => Err("bug: its thread failed".to_owned()),
        }
    }
}

/// Reads until there is nothing more, and keeps the begin: who writes much is not to wait for a reader.
async fn collect(from: &mut pipe::Receiver, output: &mut Vec<u8>) {
    let mut bytes = vec![0; 4096];
    while let Ok(length) = from.read(&mut bytes).await {
        if length == 0 {
            return;
        }
        keep(output, bytes.get(..length));
    }
}

fn keep(output: &mut Vec<u8>, bytes: Option<&[u8]>) {
    let room = KEPT.saturating_sub(output.len());
    output.extend(bytes.unwrap_or_default().iter().take(room));
}

#[cfg(test)]
mod tests;
