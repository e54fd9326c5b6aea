//! What backends have counted, over the kernel's own beginnings: it counts from when a destination is added, or goes on
//! from before if that one still had connections.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;

use evenkeel_core::connections::{Counts, Traffic};
use evenkeel_core::state::BackendId;
use evenkeel_ipvs::{Client, DestinationEntry, Key};

use super::held::Held;
use crate::EarlierCount;
use crate::remembered::Remembered;

/// Counts that the kernel does not know of.
#[derive(Debug, Default)]
pub(super) struct Counting {
    /// Of backends that are not in the kernel.
    gone: Remembered,
    /// What is to be added to the kernel's count.
    offsets: HashMap<BackendId, i64>,
}

/// Where each backend is: it may be in several services of the kernel.
pub(super) type Places = BTreeMap<BackendId, BTreeSet<(Key, SocketAddr)>>;

/// The places of what is held.
pub(super) fn places<'a>(held: impl IntoIterator<Item = &'a Held>) -> Places {
    let mut places = Places::new();
    for held in held {
        for (address, server) in &held.servers {
            let place = (held.service.key, *address);
            places.entry(server.id).or_default().insert(place);
        }
    }
    places
}

/// Those that are not where they are in `others`.
fn moved<'a>(
    places: &'a Places,
    others: &'a Places,
) -> impl Iterator<Item = (BackendId, &'a BTreeSet<(Key, SocketAddr)>)> {
    let moved = |(id, places): &(&BackendId, &BTreeSet<_>)| others.get(id) != Some(places);
    places
        .iter()
        .filter(moved)
        .map(|(id, places)| (*id, places))
}

impl Counting {
    /// Backends are about to leave places or come to others: what they have counted.
    pub(super) fn leaving(
        &self,
        client: &mut Client,
        now: &Places,
        then: &Places,
    ) -> Vec<(BackendId, u64)> {
        let mut kernel = KernelCounts::new(client);
        moved(now, then)
            .map(|(id, places)| (id, self.total(id, kernel.sum(places))))
            .collect()
    }

    /// They have, and go on from what they had counted.
    pub(super) fn moved(
        &mut self,
        client: &mut Client,
        left: Vec<(BackendId, u64)>,
        now: &Places,
        then: &Places,
    ) {
        for (id, count) in left {
            self.offsets.remove(&id);
            self.gone.put(id, count);
        }
        let mut kernel = KernelCounts::new(client);
        for (id, places) in moved(then, now) {
            let before = self.gone.get(id);
            let count = kernel.sum(places);
            self.offsets
                .insert(id, before.wrapping_sub(count).cast_signed());
            self.gone.forget(id);
        }
    }

    fn total(&self, id: BackendId, kernel: u64) -> u64 {
        let offset = self.offsets.get(&id).copied().unwrap_or_default();
        kernel.saturating_add_signed(offset)
    }

    /// All of the backends that are held.
    pub(super) fn all<'a>(
        &self,
        client: &mut Client,
        held: impl IntoIterator<Item = &'a Held>,
    ) -> Result<BTreeMap<BackendId, Counts>, evenkeel_ipvs::Error> {
        let mut all: BTreeMap<BackendId, Counts> = BTreeMap::new();
        for held in held {
            for entry in client.destinations(&held.service.key)? {
                let Some(server) = held.servers.get(&entry.destination.address) else {
                    continue;
                };
                let counts = all.entry(server.id).or_default();
                counts.active = counts.active.saturating_add(entry.active);
                counts.inactive = counts.inactive.saturating_add(entry.inactive);
                counts.total = counts.total.saturating_add(entry.stats.total.connections);
                let traffic = Traffic {
                    to_backend: entry.stats.total.bytes_in,
                    to_clients: entry.stats.total.bytes_out,
                };
                counts.traffic = Some(counts.traffic.unwrap_or_default().and(traffic));
            }
        }
        for (id, counts) in &mut all {
            counts.total = self.total(*id, counts.total);
        }
        Ok(all)
    }

    /// What the kernel's own counts lack.
    pub(super) fn beyond(&self) -> BTreeMap<BackendId, u64> {
        let offsets = self.offsets.iter();
        let offsets = offsets.filter_map(|(id, offset)| Some((*id, u64::try_from(*offset).ok()?)));
        self.gone()
            .chain(offsets.filter(|(_, it)| *it > 0))
            .collect()
    }

    /// Goes on from what an earlier process has counted. `held`: whether a backend is in the kernel.
    pub(super) fn recall(
        &mut self,
        counts: &BTreeMap<BackendId, EarlierCount>,
        held: impl Fn(BackendId) -> bool,
    ) {
        for (id, earlier) in counts {
            if held(*id) {
                let beyond = i64::try_from(earlier.beyond).unwrap_or(i64::MAX);
                self.offsets.insert(*id, beyond);
            } else {
                self.gone.put(*id, earlier.connections.max(earlier.beyond));
            }
        }
    }

    /// Of backends that are no longer in the kernel.
    pub(super) fn gone(&self) -> impl Iterator<Item = (BackendId, u64)> {
        self.gone.iter()
    }
}

/// The kernel's counts of connections, each service's read once.
struct KernelCounts<'a> {
    client: &'a mut Client,
    read: HashMap<Key, HashMap<SocketAddr, u64>>,
}

impl<'a> KernelCounts<'a> {
    fn new(client: &'a mut Client) -> Self {
        let read = HashMap::new();
        Self { client, read }
    }

    fn sum(&mut self, places: &BTreeSet<(Key, SocketAddr)>) -> u64 {
        places
            .iter()
            .map(|(key, address)| self.count(key, address))
            .sum()
    }

    fn count(&mut self, key: &Key, address: &SocketAddr) -> u64 {
        let client = &mut self.client;
        let counts = self.read.entry(*key).or_insert_with(|| {
            let entries = client.destinations(key).unwrap_or_else(|error| {
                tracing::debug!(%error, "counts could not be read");
                Vec::new()
            });
            let of = |it: DestinationEntry| (it.destination.address, it.stats.total.connections);
            entries.into_iter().map(of).collect()
        });
        counts.get(address).copied().unwrap_or_default()
    }
}
