//! Exit codes: what a script can tell from them.

use std::process::ExitCode;

use evenkeel_daemon::control::NoDaemon;
use evenkeel_daemon::lock::Running;
use evenkeel_daemon::prepare::PrepareError;

/// All went well.
pub(crate) const OK: u8 = 0;
/// Something failed while running.
pub(crate) const FAILURE: u8 = 1;
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
  1  something failed while running
  2  the command line is not understood
  3  the configuration, or a plugin that it names, cannot be used
  4  check: this machine is not ready
  5  status: no daemon answers on the socket
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

/// The code for an error.
pub(crate) fn code(error: &anyhow::Error) -> ExitCode {
    ExitCode::from(if error.is::<PrepareError>() {
        CONFIG
    } else if error.is::<NoDaemon>() {
        NO_DAEMON
    } else if error.is::<Running>() {
        RUNNING
    } else {
        error
            .downcast_ref::<Failed>()
            .map_or(FAILURE, |failed| failed.code)
    })
}
