//! Exit codes: what a script can tell from them. They are chosen here and nowhere else.

use std::process::ExitCode;

use evenkeel_daemon::app::RunError;
use evenkeel_daemon::control::AskError;
use evenkeel_daemon::lock::LockError;
use evenkeel_daemon::prepare::PrepareError;

/// All went well.
pub(crate) const OK: u8 = 0;
/// Something failed while running.
pub(crate) const FAILURE: u8 = 1;
/// The command line is not understood; clap ends with it, too.
pub(crate) const USAGE: u8 = 2;
/// The configuration, or a plugin that it names, cannot be used.
pub(crate) const CONFIG: u8 = 3;
/// `check`: this machine is not ready.
pub(crate) const PREFLIGHT: u8 = 4;
/// No daemon answers.
pub(crate) const NO_DAEMON: u8 = 5;
/// A daemon runs already.
pub(crate) const RUNNING: u8 = 6;

/// Shown below `--help`.
pub(crate) const HELP: &str = "\
Exit codes:
  0  all went well
  1  something failed while running; server check: the server is not healthy
  2  the command line is not understood
  3  the configuration, or a plugin that it names, cannot be used
  4  check: this machine is not ready
  5  status, why, server: no daemon answers on the socket
  6  run, flush: a daemon runs already

Signals of `evenkeel run`:
  SIGHUP         read the configuration again; a bad one changes nothing
  SIGTERM, SIGINT  end; the kernel's rules and addresses stay and traffic goes on";

/// An error that has an exit code of its own.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failed {
    /// One of this module's codes.
    pub(crate) code: u8,
    /// What the user reads.
    pub(crate) message: String,
}

impl Failed {
    /// With one of this module's codes.
    pub(crate) fn new(code: u8, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

/// The code for an error. Errors below the command line are typed, and know nothing of codes.
pub(crate) fn code(error: &anyhow::Error) -> ExitCode {
    ExitCode::from(number(error))
}

fn number(error: &anyhow::Error) -> u8 {
    if let Some(failed) = error.downcast_ref::<Failed>() {
        return failed.code;
    }
    if let Some(error) = error.downcast_ref::<RunError>() {
        return of_run(error);
    }
    if let Some(error) = error.downcast_ref::<LockError>() {
        return of_lock(error);
    }
    match error.downcast_ref::<AskError>() {
        Some(AskError::NoDaemon { .. }) => NO_DAEMON,
        Some(AskError::Refused { .. } | AskError::Answer { .. }) => FAILURE,
        None if error.is::<PrepareError>() => CONFIG,
        None => FAILURE,
    }
}

fn of_run(error: &RunError) -> u8 {
    match error {
        RunError::Prepare(_) => CONFIG,
        RunError::Lock(error) => of_lock(error),
        RunError::Plane(_)
        | RunError::Addresses(_)
        | RunError::Control(_)
        | RunError::Signals(_)
        | RunError::Thread { .. }
        | RunError::Panicked(_) => FAILURE,
    }
}

fn of_lock(error: &LockError) -> u8 {
    match error {
        LockError::Running { .. } => RUNNING,
        LockError::Namespace(_) | LockError::Directory { .. } | LockError::File { .. } => FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn running() -> LockError {
        LockError::Running { holder: "1".into() }
    }

    #[test]
    fn scripts_can_tell_errors_apart() {
        let no_daemon = AskError::NoDaemon {
            socket: "/run/evenkeel/evenkeel.sock".into(),
            reason: "none".into(),
        };
        let refused = AskError::Refused {
            message: "no such instance".into(),
        };
        let unreadable = || PrepareError::Other(anyhow::anyhow!("cannot be read"));
        let cases: [(anyhow::Error, u8); 9] = [
            (no_daemon.into(), NO_DAEMON),
            (refused.into(), FAILURE),
            (running().into(), RUNNING),
            (RunError::from(running()).into(), RUNNING),
            (unreadable().into(), CONFIG),
            (RunError::from(unreadable()).into(), CONFIG),
            (RunError::Signals(io::Error::other("none")).into(), FAILURE),
            (Failed::new(PREFLIGHT, "not ready").into(), PREFLIGHT),
            (io::Error::other("a full disk").into(), FAILURE),
        ];
        for (error, code) in cases {
            assert_eq!(number(&error), code, "{error}");
        }
    }
}
