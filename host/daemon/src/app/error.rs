//! Why a daemon cannot start.

use std::io;

use evenkeel_addresses::AddressError;

use crate::control::BindError;
use crate::lock::LockError;
use crate::plane::PlaneError;
use crate::prepare::PrepareError;

/// Why a daemon cannot start. What fails later is logged and tried again.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration, or a plugin that it names, cannot be used.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// Another daemon runs, or it cannot be told.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The data plane cannot work on this machine.
    #[error(transparent)]
    Plane(#[from] PlaneError),
    /// Addresses cannot be managed.
    #[error(transparent)]
    Addresses(#[from] AddressError),
    /// There is no control socket.
    #[error(transparent)]
    Control(#[from] BindError),
    /// Signals would not be noticed.
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
    /// A thread that is needed cannot be started.
    #[error("cannot start the {name} thread")]
    Thread {
        /// What it is for.
        name: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A bug of ours.
    #[error("bug: the thread that reads the configuration failed")]
    Panicked(#[source] tokio::task::JoinError),
}
