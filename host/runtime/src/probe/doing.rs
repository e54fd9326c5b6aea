//! What a check waits for.

use std::fmt;

/// What a check waits for: the reason for its end when that takes too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    Nothing,
    Connecting,
    Greeting,
    Pinging,
    Running,
    Looking,
    Reading,
    Writing,
    Finishing,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "in the checker itself, at",
            Self::Connecting => "connecting to",
            Self::Greeting => "beginning TLS with",
            Self::Pinging => "waiting for an echo of",
            Self::Running => "waiting for the command that judges",
            Self::Looking => "reading the file that judges",
            Self::Reading => "waiting for an answer of",
            Self::Writing => "sending to",
            Self::Finishing => "ending the connection to",
        })
    }
}
