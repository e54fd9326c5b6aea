//! Numbers for real servers. A number is the connection mark of established connections, so a server keeps it: while
//! it is down, when it is removed and added again, and over restarts of the daemon. Another one gets it only after all
//! other numbers have been given out, and not if conntrack had it when the daemon started.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crate::model::ServiceKey;
use crate::state::{BackendId, State};

/// So many servers that are configured no more are remembered; then the one that went first is forgotten.
const MAX_RESTING: usize = 1 << 16;

/// A server of a service and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbered {
    /// The service.
    pub service: ServiceKey,
    /// The real server's address.
    pub server: SocketAddr,
    /// Its number.
    pub id: BackendId,
}

/// The numbers that were given out, as they are kept over restarts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numbers {
    /// The last one that was given to a server that had none: 0 to [`BackendId::MAX`].
    pub last: u32,
    /// Those that are configured no more come first, in the order in which they went.
    pub servers: Vec<Numbered>,
}

/// The numbers in conntrack's entries, each with the service and the server of such an entry, if it names any.
pub type InUse = BTreeMap<BackendId, Option<(ServiceKey, SocketAddr)>>;

type Name = (ServiceKey, SocketAddr);

/// Gives out [`BackendId`]s.
#[derive(Debug, Clone, Default)]
pub struct Ids {
    by_server: BTreeMap<Name, Given>,
    by_id: BTreeMap<BackendId, Name>,
    /// Servers that are configured no more, in the order in which they went.
    resting: BTreeMap<u64, Name>,
    /// How many have gone.
    gone: u64,
    /// Numbers that conntrack had at the start.
    in_use: BTreeSet<BackendId>,
    last: u32,
    changed: bool,
}

/// The number of a server.
#[derive(Debug, Clone, Copy)]
struct Given {
    id: BackendId,
    /// Its place in [`Ids::resting`]; `None`: it is configured, or in the kernel.
    resting: Option<u64>,
}

impl Ids {
    /// Starts from what the kernel holds: those servers keep their numbers.
    #[must_use]
    pub fn adopt(state: &State) -> Self {
        let mut ids = Self::default();
        for (key, service) in &state.services {
            for (id, backend) in &service.backends {
                let name = (*key, backend.address);
                ids.by_id.insert(*id, name);
                ids.by_server.insert(
                    name,
                    Given {
                        id: *id,
                        resting: None,
                    },
                );
                ids.last = ids.last.max(id.get());
            }
        }
        ids
    }

    /// Takes in what was kept over a restart, and what conntrack has. What the kernel's rules say counts more than
    /// conntrack, and that more than what was kept, which may be old or another machine's.
    pub fn recall(&mut self, kept: &Numbers, in_use: &InUse) {
        self.in_use.extend(in_use.keys());
        for it in &kept.servers {
            let name = (it.service, it.server);
            let other = |found: &Option<Name>| found.is_some_and(|found| found != name);
            if !in_use.get(&it.id).is_some_and(other) {
                self.rest(name, it.id);
            }
        }
        for (id, name) in in_use {
            if let Some(name) = name {
                self.rest(*name, *id);
            }
        }
        let greatest = in_use.keys().last().map_or(0, |id| id.get());
        let kept = kept.last.min(BackendId::MAX);
        self.last = self.last.max(kept).max(greatest);
        self.changed = true;
    }

    /// The number of a server of a service; a new one if it never had one. `None` only if all 16,777,215 are taken.
    pub fn get(&mut self, key: ServiceKey, address: SocketAddr) -> Option<BackendId> {
        let name = (key, address);
        if let Some(given) = self.by_server.get_mut(&name) {
            if let Some(place) = given.resting.take() {
                self.resting.remove(&place);
                self.changed = true;
            }
            return Some(given.id);
        }
        let id = self.next_free()?;
        self.by_server.insert(name, Given { id, resting: None });
        self.by_id.insert(id, name);
        self.changed = true;
        Some(id)
    }

    /// A server is no longer configured. It gets its number back if it comes again.
    pub fn release(&mut self, key: ServiceKey, address: SocketAddr) {
        let name = (key, address);
        let Some(given) = self.by_server.get_mut(&name) else {
            return;
        };
        if given.resting.is_none() {
            self.gone += 1;
            given.resting = Some(self.gone);
            self.resting.insert(self.gone, name);
            self.changed = true;
            self.forget_oldest();
        }
    }

    /// All numbers that were given out.
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        let resting = self.resting.values();
        let configured = self.by_server.iter();
        let configured = configured.filter(|(_, given)| given.resting.is_none());
        let servers = resting.chain(configured.map(|(name, _)| name));
        Numbers {
            last: self.last,
            servers: servers
                .filter_map(|name| {
                    let id = self.by_server.get(name)?.id;
                    let (service, server) = *name;
                    Some(Numbered {
                        service,
                        server,
                        id,
                    })
                })
                .collect(),
        }
    }

    /// Whether [`Self::numbers`] are others than at the last call.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// A server had this number, if neither has another one by now.
    fn rest(&mut self, name: Name, id: BackendId) {
        if self.by_server.contains_key(&name) || self.by_id.contains_key(&id) {
            return;
        }
        self.by_id.insert(id, name);
        self.by_server.insert(name, Given { id, resting: None });
        self.release(name.0, name.1);
    }

    fn forget_oldest(&mut self) {
        while self.resting.len() > MAX_RESTING {
            let Some((_, name)) = self.resting.pop_first() else {
                return;
            };
            if let Some(given) = self.by_server.remove(&name) {
                self.by_id.remove(&given.id);
            }
        }
    }

    /// The lowest number after the last one given, going round: a forgotten number rests as long as possible.
    fn next_free(&mut self) -> Option<BackendId> {
        for _ in 0..BackendId::MAX {
            self.last = if self.last >= BackendId::MAX {
                1
            } else {
                self.last + 1
            };
            let id = BackendId::new(self.last)?;
            if !self.by_id.contains_key(&id) && !self.in_use.contains(&id) {
                return Some(id);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
