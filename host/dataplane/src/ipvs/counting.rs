//! What backends have counted, over the kernel's own beginnings: it counts from when a destination is added, or goes on from before if that
//! one still had connections.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use evenkeel_core::connections::Counts;
use evenkeel_core::model::ServiceKey;
use evenkeel_core::state::BackendId;
use evenkeel_ipvs::{Client, DestinationEntry};

use super::form::{self, Held};
use super::read::Services;
use crate::remembered::Remembered;

/// Counts that the kernel does not know of.
#[derive(Debug, Default)]
pub(super) struct Counting {
    /// Of backends that are not in the kernel.
    gone: Remembered,
    /// What is to be added to the kernel's count.
    offsets: HashMap<BackendId, i64>,
}

/// Which backend is where.
type Places = BTreeMap<BackendId, SocketAddr>;

fn places(held: Option<&Held>) -> Places {
    let servers = held.iter().flat_map(|held| &held.servers);
    servers.map(|(address, it)| (it.id, *address)).collect()
}

impl Counting {
    /// A service is about to change: what those backends have counted that will leave their places.
    pub(super) fn leaving(
        &self,
        client: &mut Client,
        name: &ServiceKey,
        now: &Held,
        then: Option<&Held>,
    ) -> Vec<(BackendId, u64)> {
        let (now, then) = (places(Some(now)), places(then));
        let leaves = |place: &(&BackendId, &SocketAddr)| then.get(place.0) != Some(place.1);
        if !now.iter().any(|place| leaves(&place)) {
            return Vec::new();
        }
        let counts = kernel(client, name);
        let count = |(id, address): (&BackendId, &SocketAddr)| {
            let count = counts.get(address).copied().unwrap_or_default();
            (*id, self.total(*id, count))
        };
        now.iter().filter(leaves).map(count).collect()
    }

    /// They have left.
    pub(super) fn left(&mut self, counts: Vec<(BackendId, u64)>) {
        for (id, count) in counts {
            self.offsets.remove(&id);
            self.gone.put(id, count);
        }
    }

    fn total(&self, id: BackendId, kernel: u64) -> u64 {
        let offset = self.offsets.get(&id).copied().unwrap_or_default();
        kernel.saturating_add_signed(offset)
    }

    /// A service has changed: those that have come to their places go on from where they were.
    pub(super) fn after(
        &mut self,
        client: &mut Client,
        name: &ServiceKey,
        now: Option<&Held>,
        then: &Held,
    ) {
        let (now, then) = (places(now), places(Some(then)));
        // All that were there already.
        if then.iter().all(|place| now.get(place.0) == Some(place.1)) {
            return;
        }
        let counts = kernel(client, name);
        for (id, address) in then {
            if now.get(&id) != Some(&address) {
                let before = self.gone.get(id);
                let count = counts.get(&address).copied().unwrap_or_default();
                self.offsets
                    .insert(id, before.wrapping_sub(count).cast_signed());
                self.gone.forget(id);
            }
        }
    }

    /// All of the backends of services.
    pub(super) fn all(
        &self,
        client: &mut Client,
        services: &Services,
    ) -> Result<BTreeMap<BackendId, Counts>, evenkeel_ipvs::Error> {
        let mut all = BTreeMap::new();
        for (name, held) in services {
            for entry in client.destinations(&form::key(name))? {
                let Some(server) = held.servers.get(&entry.destination.address) else {
                    continue;
                };
                let counts = Counts {
                    active: entry.active,
                    inactive: entry.inactive,
                    total: self.total(server.id, entry.stats.total.connections),
                };
                all.insert(server.id, counts);
            }
        }
        Ok(all)
    }

    /// Of backends that are no longer in the kernel.
    pub(super) fn gone(&self) -> impl Iterator<Item = (BackendId, u64)> {
        self.gone.iter()
    }
}

/// The kernel's counts of connections; without them, none.
fn kernel(client: &mut Client, name: &ServiceKey) -> BTreeMap<SocketAddr, u64> {
    let of = |entry: DestinationEntry| (entry.destination.address, entry.stats.total.connections);
    match client.destinations(&form::key(name)) {
        Ok(entries) => entries.into_iter().map(of).collect(),
        Err(error) => {
            tracing::debug!(%error, "counts could not be read");
            BTreeMap::new()
        }
    }
}
