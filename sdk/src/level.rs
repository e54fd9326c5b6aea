//! The levels of messages for the log.

/// How much a message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The plugin cannot do what it is for.
    Error,
    /// Worth waking someone.
    Warn,
    /// Something changed.
    Info,
    /// For whoever looks for a mistake.
    Debug,
    /// Every step.
    Trace,
}
