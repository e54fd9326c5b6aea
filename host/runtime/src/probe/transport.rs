//! How a check's connections are made, and why what is done with them fails.

use std::fmt;
use std::io;

use super::reason::reason;
use super::shortage;

/// How a connection is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Udp,
    Tls(TlsOptions),
}

/// TLS, and what of the server is to be verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsOptions {
    /// For SNI and the certificate. `None`: the target's address.
    pub(crate) server_name: Option<String>,
    pub(crate) verify: bool,
    pub(crate) alpn: Vec<String>,
    /// PEM. `None`: the machine's authorities.
    pub(crate) authorities: Option<String>,
    /// Who the client is, if the server is to be told.
    pub(crate) identity: Option<TlsIdentity>,
}

/// A client's certificate.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct TlsIdentity {
    /// PEM: its own first.
    pub(crate) certificates: String,
    /// PEM.
    pub(crate) key: String,
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsIdentity(...)")
    }
}

/// Why an operation failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ProbeError {
    Refused,
    Unreachable,
    Reset,
    TimedOut,
    Limit,
    /// Something that this machine lacks: it says nothing about the target.
    Own(String),
    Tls(String),
    Other(String),
}

impl From<io::Error> for ProbeError {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind as Kind;
        if let Some(error) = error
            .get_ref()
            .and_then(|e| e.downcast_ref::<rustls::Error>())
        {
            return Self::Tls(reason(error));
        }
        if let Some(shortage) = shortage::own(&error) {
            return Self::Own(shortage);
        }
        match error.kind() {
            Kind::ConnectionRefused => Self::Refused,
            Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown => {
                Self::Unreachable
            }
            Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe => Self::Reset,
            Kind::TimedOut => Self::TimedOut,
            _ => Self::Other(error.to_string()),
        }
    }
}
