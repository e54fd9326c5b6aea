//! What a scheduler is told of the virtual service that it works for, and what it hands to its successor.

use std::net::SocketAddr;

use crate::backends::Protocol;

/// The virtual service that a scheduler works for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// Its name in the configuration.
    pub service: String,
    /// Where clients connect to; `None`: the scheduler is only tried, or the service is of neither TCP nor UDP.
    pub listener: Option<(Protocol, SocketAddr)>,
    /// Whether this director has the service's address.
    pub role: Role,
}

/// Whether a director has a service's address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Role {
    /// It belongs to no VRRP instance.
    #[default]
    Alone,
    /// The VRRP instance is master here.
    Master,
    /// It is on another director, or on none.
    Backup,
}

/// What a scheduler hands to its successor: another version of the plugin, other settings, or the next start of the
/// daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedState {
    /// The plugin's own version of the form of its bytes.
    pub version: u32,
    /// At most 1 MiB; what is longer is an error of the plugin.
    pub bytes: Vec<u8>,
}
