//! How a program ended, in words.

use std::fmt;
use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use super::security::Insecure;

/// How a program ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// By itself.
    By(ExitStatus),
    /// It took longer than this, and is being ended.
    TooLong(Duration),
    /// It could not be started.
    NotStarted(io::Error),
    /// It was not started, because others than root could have changed it.
    Refused(Insecure),
    /// It was not started, because an earlier run of it was killed and is still there.
    StillThere,
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
            Self::StillThere => f.write_str(
                "is not run: an earlier run of it does not end although it was killed (a file system or device that \
                 does not answer?)",
            ),
        }
    }
}
