//! What a plugin is for.

use std::fmt;

/// What the plugin is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Spreads new connections.
    Scheduler,
    /// Judges servers.
    Checker,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheduler => "scheduler",
            Self::Checker => "checker",
        })
    }
}
