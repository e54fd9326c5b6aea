//! Why the kernel did not do it.

use std::io;

/// Why a call failed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel has no IPVS, and none can be loaded.
    #[error("{0}")]
    Absent(String),
    /// The kernel refused.
    #[error("{what}: {reason}")]
    Refused {
        /// What it refused.
        what: String,
        /// Why.
        reason: Reason,
    },
    /// The socket failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// An answer of the kernel is not understood.
    #[error("the kernel's answer about {0} is not understood")]
    Garbled(String),
}

/// Why the kernel refused.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// `EEXIST`.
    #[error("it is there already")]
    Exists,
    /// `ESRCH`.
    #[error("there is no such service")]
    NoService,
    /// `ENOENT` about a destination.
    #[error("the service has no such destination")]
    NoDestination,
    /// `ENOENT` about a service.
    #[error("{0}")]
    NoModule(String),
    /// `EPERM`.
    #[error("not permitted (it takes root or CAP_NET_ADMIN)")]
    NotPermitted,
    /// Something else.
    #[error("{0}")]
    Other(io::Error),
}

impl Reason {
    /// Whether what was to be changed or removed is not there.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::NoService | Self::NoDestination)
    }

    /// The same as the system's error.
    #[must_use]
    pub fn to_io(&self) -> io::Error {
        let kind = match self {
            Self::Exists => io::ErrorKind::AlreadyExists,
            Self::NoService | Self::NoDestination | Self::NoModule(_) => io::ErrorKind::NotFound,
            Self::NotPermitted => io::ErrorKind::PermissionDenied,
            Self::Other(error) => error.kind(),
        };
        io::Error::new(kind, self.to_string())
    }
}
