//! How a command that a checker has run has ended.

/// How a command has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandEnd {
    /// `None`: a signal ended it.
    pub code: Option<u8>,
    /// The begin of what it wrote to its standard output and error, 1,000 bytes at most.
    pub output: String,
}
