//! What a plugin's author needs besides an editor: a directory to begin with ([`scaffold`]), its build ([`compile`]), a
//! test of the finished file through the runtime that the daemon has ([`conformance`]), what it costs ([`mod@bench`]),
//! what it makes of a workload ([`simulate`]), its signature ([`mod@sign`]), and its place in a plugin directory
//! ([`mod@install`]).
//!
//! Prints nothing: the command line does.

pub mod bench;
pub mod compile;
pub mod conformance;
pub mod delegates;
mod described;
pub mod install;
mod kind;
mod language;
pub mod scaffold;
mod sdk;
mod settings;
pub mod sign;
pub mod simulate;
mod tools;

pub use kind::Kind;
pub use language::Language;

/// Why something cannot be done, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub(crate) String);

impl Refused {
    /// An operation on a file that failed.
    pub(crate) fn io(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self(format!("cannot {doing} {}: {error}", path.display()))
    }
}

/// What is refused, with what would be right.
macro_rules! refuse {
    ($($text:tt)*) => {
        return Err($crate::Refused(format!($($text)*)))
    };
}
pub(crate) use refuse;
