//! How a service's next connection from some client is decided, as far as that can be known before.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::machine::Director;
use super::report::{self, ServiceReport};
use super::service::VirtualService;
use crate::approximate::KernelScheduler;
use crate::groups::Led;
use crate::manifest::Facts;
use crate::model::{DataPlaneKind, ServiceKey};
use crate::scheduler::BackendFacts;
use crate::slot_hash;
use crate::state::{BackendId, Selector, ServiceState, Spread};

/// How a service decides.
#[derive(Debug, Clone, PartialEq)]
pub struct Decides {
    /// The service, its plan's number and its servers.
    pub report: ServiceReport,
    /// What becomes of the next connection, unless the client is remembered.
    pub next: NextConnection,
    /// How many slots each server has of the plan in force.
    pub slots: BTreeMap<BackendId, usize>,
    /// What the scheduler was last told of each server, of what it wants to know.
    pub told: BTreeMap<BackendId, BackendFacts>,
    /// What it wants to know.
    pub facts: Facts,
    /// The service's address is on another director.
    pub elsewhere: bool,
}

/// What becomes of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextConnection {
    /// It is refused.
    Refused,
    /// The scheduler is asked about it.
    Asked,
    /// It gets this slot of the plan, and that server.
    Hashed(usize, BackendId),
    /// The client's port is hashed, too, and is not known.
    HashedByPort,
    /// It gets the slot whose turn it is.
    Turn,
    /// It gets any slot.
    Drawn,
    /// Its groups lead it, as far as that can be known.
    Led(Led),
    /// IPVS decides, by this scheduler of its own.
    Ipvs(KernelScheduler),
}

impl Director {
    /// How the service decides about a connection of a client. A port of 0: it is not known.
    #[must_use]
    pub fn decides(&self, key: &ServiceKey, client: SocketAddr) -> Option<Decides> {
        let service = self.services.get(key)?;
        let held = self.sync.wanted().services.get(key);
        let told = service
            .servers
            .iter()
            .map(|it| (it.id, it.reported.as_deref().cloned().unwrap_or_default()));
        Some(Decides {
            report: report::service(service, self.kind, &self.sync),
            next: next(service, self.kind, held, client),
            slots: held.map(slots).unwrap_or_default(),
            told: told.collect(),
            facts: service.supervisor.facts(),
            elsewhere: self.elsewhere.contains(key),
        })
    }
}

fn slots(held: &ServiceState) -> BTreeMap<BackendId, usize> {
    let mut counts = BTreeMap::new();
    if let Spread::Slots { slots, .. } = &*held.spread.flat() {
        slots
            .iter()
            .for_each(|id| *counts.entry(*id).or_default() += 1);
    }
    counts
}

fn next(
    service: &VirtualService,
    kind: DataPlaneKind,
    held: Option<&ServiceState>,
    client: SocketAddr,
) -> NextConnection {
    let Some(held) = held else {
        return NextConnection::Refused;
    };
    if held.queue.is_some() {
        return NextConnection::Asked;
    }
    if kind == DataPlaneKind::Ipvs
        && let Some(scheduler) = KernelScheduler::of(&held.spread)
    {
        return NextConnection::Ipvs(scheduler);
    }
    let to = service.spec.key.socket_addr();
    let (selector, slots) = match &held.spread {
        Spread::Refuse => return NextConnection::Refused,
        Spread::Groups(groups) => return NextConnection::Led(groups.led(client, to)),
        Spread::Slots { selector, slots } => (*selector, slots),
    };
    match selector {
        Selector::Sequence => return NextConnection::Turn,
        Selector::Random => return NextConnection::Drawn,
        Selector::HashFlow if client.port() == 0 => return NextConnection::HashedByPort,
        Selector::HashSource | Selector::HashFlow | Selector::HashNetwork(_) => {}
    }
    let slot = slot_hash::slot(selector, client, to, slots.len(), slot_hash::SEED);
    slot.and_then(|slot| Some(NextConnection::Hashed(slot, *slots.get(slot)?)))
        .unwrap_or(NextConnection::Refused)
}
