//! What IPVS's locality-based schedulers have in common (`lblc`, `lblcr`).

use std::net::IpAddr;

use crate::backends::{Backend, BackendId, Backends, Flow};
use crate::choice;
use crate::plan::{Plan, Ratio};

choice! {
    /// Which address of a connection keeps its server.
    pub enum Key {
        /// The virtual address.
        Destination = "destination",
        /// The client's.
        Source = "source",
    }
}

impl Key {
    /// The address of a connection.
    #[must_use]
    pub const fn of(self, flow: &Flow) -> IpAddr {
        match self {
            Self::Destination => flow.destination.ip(),
            Self::Source => flow.source.ip(),
        }
    }
}

/// The server with the least [`overhead`](crate::Counts::overhead) for its weight, of equals the first.
/// Draining servers are left out.
pub fn least<'a>(servers: impl Iterator<Item = &'a Backend>) -> Option<&'a Backend> {
    servers
        .filter(|backend| backend.weight > 0)
        .min_by_key(|backend| overhead(backend))
}

/// [`Counts::overhead`](crate::Counts::overhead) for the weight.
#[must_use]
pub fn overhead(backend: &Backend) -> Ratio {
    Ratio::new(backend.counts.overhead(), backend.weight)
}

/// Whether the server has more open connections than its weight says, while another has less than half
/// of that.
#[must_use]
pub fn is_overloaded(backend: &Backend, all: &Backends) -> bool {
    backend.counts.active > backend.weight
        && all
            .iter()
            .any(|other| u64::from(other.counts.active) * 2 < u64::from(other.weight))
}

/// What the kernel does while nobody can be asked: a client keeps its server, by weight.
#[must_use]
pub fn fallback(backends: &Backends) -> Plan {
    const SLOTS: u64 = 1024;
    let total = backends.total_weight().max(1);
    let width = |weight: u32| (u64::from(weight) * SLOTS / total).max(1);
    Plan::hash_source(backends.taking().map(|backend| -> (BackendId, u32) {
        let width = u32::try_from(width(backend.weight)).unwrap_or(1);
        (backend.id, width)
    }))
}
