//! Why talking to a server fails.

use std::fmt;
use std::io;

/// Why talking to the server failed. As text it is what an operator reads: `connection refused`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetError {
    /// Nothing listens there.
    Refused,
    /// There is no way to the host.
    Unreachable,
    /// The server broke the connection off.
    Reset,
    /// The call's timeout or the check's deadline passed, while doing that.
    TimedOut(Doing),
    /// The check opened more connections or moved more bytes than the host allows.
    Limit,
    /// The TLS handshake failed.
    Tls(String),
    /// Anything else.
    Other(String),
}

/// What took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Establishing a connection.
    Connecting,
    /// Waiting for the answer to an ICMP echo request.
    Pinging,
    /// Waiting for a command to end.
    Running,
    /// Waiting for bytes.
    Reading,
    /// Sending bytes.
    Writing,
}

impl TargetError {
    /// There is no TLS in native tests.
    pub(crate) fn without_tls(options: &dyn fmt::Debug) -> Self {
        Self::Tls(format!("not available in native tests, for {options:?}"))
    }
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "connection refused",
            Self::Unreachable => "unreachable",
            Self::Reset => "connection reset",
            Self::TimedOut(Doing::Connecting) => "timed out while connecting",
            Self::TimedOut(Doing::Pinging) => "no answer to an ICMP echo request",
            Self::TimedOut(Doing::Running) => "the command did not end in time",
            Self::TimedOut(Doing::Reading) => "timed out while waiting for data",
            Self::TimedOut(Doing::Writing) => "timed out while sending",
            Self::Limit => "more connections or bytes than a check may use",
            Self::Tls(reason) => return write!(f, "TLS: {reason}"),
            Self::Other(reason) => reason,
        })
    }
}

impl std::error::Error for TargetError {}

impl From<TargetError> for io::Error {
    fn from(error: TargetError) -> Self {
        let kind = match error {
            TargetError::Refused => io::ErrorKind::ConnectionRefused,
            TargetError::Unreachable => io::ErrorKind::HostUnreachable,
            TargetError::Reset => io::ErrorKind::ConnectionReset,
            TargetError::TimedOut(_) => io::ErrorKind::TimedOut,
            TargetError::Limit => io::ErrorKind::QuotaExceeded,
            TargetError::Tls(_) => io::ErrorKind::InvalidData,
            TargetError::Other(_) => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
