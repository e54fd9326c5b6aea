//! A new connection, before it has a server.

use std::net::SocketAddr;

use crate::model::Protocol;

/// A new connection that a scheduler is to place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Flow {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The client.
    pub source: SocketAddr,
    /// The virtual service.
    pub destination: SocketAddr,
}
