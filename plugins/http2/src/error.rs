//! What goes wrong.

use std::fmt;
use std::io;

/// Why there is no answer. As text it is what an operator reads.
#[derive(Debug)]
pub enum Error {
    /// The stream of bytes has failed.
    Io(io::Error),
    /// The server has ended the connection, and has not done what was asked last: it may be asked on another one.
    Gone(String),
    /// The server breaks the rules, or says that it does not want to.
    Server(String),
}

impl Error {
    /// The server breaks a rule.
    pub(crate) fn malformed(what: impl fmt::Display) -> Self {
        Self::Server(format!("malformed answer: {what}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Gone(reason) | Self::Server(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What an error code is called (RFC 9113, section 7).
pub(crate) fn name(code: u32) -> String {
    const NAMES: [&str; 14] = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    ];
    let found = usize::try_from(code).ok().and_then(|it| NAMES.get(it));
    found.map_or_else(|| format!("error {code:#x}"), |it| (*it).to_owned())
}
