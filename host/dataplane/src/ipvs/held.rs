//! Services and destinations in the kernel.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use evenkeel_core::model::ServiceKey;
use evenkeel_core::state::BackendId;
use evenkeel_ipvs::{Destination, Service};

/// A service in the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    /// The service, without `Flags::HASHED`.
    pub(super) service: Service,
    /// Its destinations.
    pub(super) servers: BTreeMap<SocketAddr, Server>,
}

/// A destination in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Server {
    /// The number that it has, or is taken to have.
    pub(super) id: BackendId,
    pub(super) destination: Destination,
}

/// The services of ours.
pub(super) type Services = BTreeMap<ServiceKey, Held>;
