//! What the kernel is wanted to hold, and what it holds: one shape for both, so that they can be compared.

mod backends;

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

pub use self::backends::{Backend, Backends};

pub use crate::mark::BackendId;
use crate::model::{IpvsTimeouts, Persistence, ServiceKey};
pub use crate::selector::{Prefixes, Selector};
pub use crate::spread::Spread;

/// One virtual service in the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceState {
    /// Full NAT: the source becomes the director's address.
    pub snat: bool,
    /// The real servers that may be sent connections. A failed server is not among them; a draining one is, but in no
    /// slot.
    pub backends: Backends,
    /// How new connections are spread.
    pub spread: Spread,
    /// Clients go where their last connection went, before anything else decides.
    pub persistence: Option<Persistence>,
    /// The NFQUEUE through which the daemon gives its verdict on each new connection; `spread` is what happens while
    /// nobody answers.
    pub queue: Option<Queue>,
}

/// Number of an NFQUEUE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Queue(pub u16);

/// All that is ours in the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// The virtual services.
    pub services: BTreeMap<ServiceKey, ServiceState>,
    /// Networks on which clients and real servers meet. A connection from such a network to a server on the same one
    /// gets the director's source address, since the server would otherwise answer the client directly (hairpin).
    pub hairpin: BTreeSet<IpNet>,
    /// Interfaces between which established flows are offloaded to a flowtable. Empty where that is not wanted, or not
    /// possible.
    pub offload: BTreeSet<String>,
    /// When IPVS forgets connections, as far as this process has set it. Nobody can tell who set it before.
    pub timeouts: IpvsTimeouts,
}

/// One step from what the kernel holds to what it should. Steps name disjoint things; their order does not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The service is to be like this, whether or not it exists.
    Put(ServiceKey, ServiceState),
    /// The service is to be gone.
    Remove(ServiceKey),
    /// The set of hairpin networks is to be this one.
    Hairpin(BTreeSet<IpNet>),
    /// The set of interfaces between which established flows are offloaded is to be this one.
    Offload(BTreeSet<String>),
    /// IPVS is to forget connections after these times; the others stay.
    Timeouts(IpvsTimeouts),
}

impl Change {
    /// What it is about.
    #[must_use]
    pub fn subject(&self) -> Subject {
        match self {
            Self::Put(key, _) | Self::Remove(key) => Subject::Service(*key),
            Self::Hairpin(_) => Subject::Hairpin,
            Self::Offload(_) => Subject::Offload,
            Self::Timeouts(_) => Subject::Timeouts,
        }
    }
}

/// What a [`Change`] is about: of two changes of the same subject the later one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// A virtual service.
    Service(ServiceKey),
    /// The hairpin networks.
    Hairpin,
    /// The interfaces between which established flows are offloaded.
    Offload,
    /// When IPVS forgets connections.
    Timeouts,
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Service(key) => write!(f, "service {key}"),
            Self::Hairpin => f.write_str("the hairpin networks"),
            Self::Offload => f.write_str("the flowtable's interfaces"),
            Self::Timeouts => f.write_str("IPVS's timeouts"),
        }
    }
}

/// What was counted for one real server, by this process and those before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// New connections sent to it.
    pub connections: u64,
}
