//! Which connections there are: from the kernel's events and dumps to counts.

use std::collections::btree_map::Entry as Place;
use std::collections::{BTreeMap, BTreeSet};

use super::counts::{Counts, Traffic};
use crate::state::BackendId;

#[cfg(test)]
mod tests;

/// A hash of a connection's original tuple and zone: what names it in events and dumps.
///
/// Two connections with the same hash count as one. With a keyed hash of 64 bits and a million connections the odds are
/// one in forty million.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub u64);

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Counts as active: TCP from the first packet until one side closes or resets it.
    Active,
    /// Counts as inactive: TCP after that, and whatever is not TCP as long as the kernel knows it. IPVS too shows UDP
    /// under `InActConn`, whether or not the server has answered (seen with Linux 6.1).
    Inactive,
}

/// Something that the kernel told of a connection when it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It was made just now.
    New(Key, BackendId, Phase),
    /// It has changed, and is this now.
    Changed(Key, BackendId, Phase),
    /// It is gone.
    Gone(Key, End),
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// It is one of TCP, and was never established: refused, or never answered.
    pub failed: bool,
    /// What was sent on it, where the kernel counts that.
    pub traffic: Option<Traffic>,
}

impl End {
    /// Of one of which nothing else is known.
    pub const PLAIN: Self = Self {
        failed: false,
        traffic: None,
    };
}

/// All connections to our real servers: some 25 bytes each.
///
/// Call [`heard`](Self::heard) with the kernel's events in their order. Where events may have been lost, and at the
/// start, read all connections: [`begin_dump`](Self::begin_dump) before the kernel is asked, [`dumped`](Self::dumped)
/// with each answer, [`finish_dump`](Self::finish_dump) after the last. Events may be heard meanwhile; those that the
/// kernel told before the dump may be heard after it. A dump that broke off is begun again.
#[derive(Debug, Default)]
pub struct Table {
    connections: BTreeMap<Key, Connection>,
    counts: BTreeMap<BackendId, Counts>,
    changed: BTreeSet<BackendId>,
    dump: Option<Dump>,
    /// [`Connection::MARK`] of connections that were seen since the last dump began.
    mark: bool,
    /// Whether all connections were known once: who is found later was made later.
    complete: bool,
    /// Backends of services whose address is on another director.
    elsewhere: BTreeSet<BackendId>,
    /// What was sent on connections that have ended.
    ended: BTreeMap<BackendId, Traffic>,
}

/// A dump that goes on.
#[derive(Debug, Default)]
struct Dump {
    /// Connections that ended since it began: its later words about them are old.
    gone: BTreeSet<Key>,
    /// What was sent on connections that it has told of.
    live: BTreeMap<BackendId, Traffic>,
    /// What was sent on those of them that have ended since: it is counted already.
    late: BTreeMap<BackendId, Traffic>,
}

/// One connection: a backend's number and, in the bits above it, what else is known.
#[derive(Debug, Clone, Copy)]
struct Connection(u32);

impl Connection {
    const INACTIVE: u32 = 1 << 24;
    /// Alternates from dump to dump: tells who was not seen since the last began.
    const MARK: u32 = 1 << 25;
    /// It was found by a dump and is in the total already, should its [`Event::New`] still be heard.
    const FOUND: u32 = 1 << 26;
    /// It went to another director with its address, and does not count.
    const PARTED: u32 = 1 << 27;

    fn new(id: BackendId, phase: Phase, mark: bool) -> Self {
        let inactive = match phase {
            Phase::Active => 0,
            Phase::Inactive => Self::INACTIVE,
        };
        let mark = if mark { Self::MARK } else { 0 };
        Self(id.get() | inactive | mark)
    }

    fn backend(self) -> Option<BackendId> {
        BackendId::new(self.0 & BackendId::MAX)
    }

    fn phase(self) -> Phase {
        if self.0 & Self::INACTIVE == 0 {
            Phase::Active
        } else {
            Phase::Inactive
        }
    }

    fn mark(self) -> bool {
        self.0 & Self::MARK != 0
    }

    fn parted(self) -> bool {
        self.0 & Self::PARTED != 0
    }

    fn found(self) -> bool {
        self.0 & Self::FOUND != 0
    }
}

impl Table {
    /// Takes in what the kernel told when it happened.
    pub fn heard(&mut self, event: Event) {
        match event {
            Event::New(key, id, phase) => {
                let before = self.put(key, Connection::new(id, phase, self.mark));
                if !before.is_some_and(Connection::found) {
                    self.count_new(id);
                }
            }
            Event::Changed(key, id, phase) => {
                let before = self.put(key, Connection::new(id, phase, self.mark));
                let same = before.is_some_and(|it| it.backend() == Some(id));
                // Before the first dump is over, it may be an old one. After that, its beginning was lost.
                if !same && self.complete {
                    self.count_new(id);
                }
            }
            Event::Gone(key, end) => {
                if let Some(before) = self.connections.remove(&key) {
                    self.subtract(before);
                    self.ended(before, end);
                }
                if let Some(dump) = &mut self.dump {
                    dump.gone.insert(key);
                }
            }
        }
    }

    /// The kernel is about to be asked for all connections.
    pub fn begin_dump(&mut self) {
        if self.dump.replace(Dump::default()).is_some() {
            // The last one broke off, and some connections have its mark.
            let mark = if self.mark { Connection::MARK } else { 0 };
            for connection in self.connections.values_mut() {
                connection.0 = (connection.0 & !Connection::MARK) | mark;
            }
        }
        self.mark = !self.mark;
    }

    /// A connection in the kernel's answer. It does not count if an event told of it since the dump began.
    pub fn dumped(&mut self, key: Key, id: BackendId, phase: Phase, traffic: Option<Traffic>) {
        if let (Some(dump), Some(traffic)) = (&mut self.dump, traffic)
            && !dump.gone.contains(&key)
        {
            add(&mut dump.live, id, traffic);
        }
        let known = self.connections.get(&key).copied();
        let told = known.is_some_and(|it| it.mark() == self.mark);
        let gone = (self.dump.as_ref()).is_some_and(|dump| dump.gone.contains(&key));
        if told || gone {
            return;
        }
        let mut connection = Connection::new(id, phase, self.mark);
        if self.complete && known.is_none() {
            connection.0 |= Connection::FOUND;
        }
        // That it is in the table still does not bring it back.
        if known.is_some_and(|it| it.parted() && it.backend() == Some(id)) {
            connection.0 |= Connection::PARTED;
        }
        let before = self.put(key, connection);
        let same = before.is_some_and(|it| it.backend() == Some(id));
        if !same && self.complete {
            self.count_new(id);
        }
    }

    /// The kernel's answer was complete: whoever was neither in it nor in an event since is gone.
    pub fn finish_dump(&mut self) {
        self.count_traffic();
        self.dump = None;
        self.complete = true;
        let mark = self.mark;
        let mut lost = Vec::new();
        self.connections.retain(|_, connection| {
            let seen = connection.mark() == mark;
            if !seen {
                lost.push(*connection);
            }
            seen
        });
        for connection in lost {
            self.subtract(connection);
        }
    }

    /// The backends of those services whose address is on another director. Their connections do not count any more: the
    /// kernel may keep them for days, and hears nothing of them. When the address comes back, connections that were
    /// known by then count again once an event tells of them.
    pub fn set_elsewhere(&mut self, elsewhere: BTreeSet<BackendId>) {
        let left: BTreeSet<BackendId> = elsewhere.difference(&self.elsewhere).copied().collect();
        self.elsewhere = elsewhere;
        if left.is_empty() {
            return;
        }
        let mut parted = Vec::new();
        for connection in self.connections.values_mut() {
            if connection.backend().is_some_and(|id| left.contains(&id)) {
                parted.push(*connection);
                connection.0 |= Connection::PARTED;
            }
        }
        for connection in parted {
            self.subtract(connection);
        }
    }

    /// Forgets all connections, but not how many were new: nobody will tell of them for a while.
    pub fn clear(&mut self) {
        self.connections = BTreeMap::new();
        self.dump = None;
        self.complete = false;
        for (id, counts) in &mut self.counts {
            if counts.all() > 0 {
                self.changed.insert(*id);
            }
            counts.active = 0;
            counts.inactive = 0;
        }
    }

    /// How many connections there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Whether there is no connection.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// The counts of every backend that ever had a connection.
    #[must_use]
    pub fn counts(&self) -> &BTreeMap<BackendId, Counts> {
        &self.counts
    }

    /// Whether [`take_changed`](Self::take_changed) would say anything.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// The backends whose counts have changed since the last call, with their counts.
    pub fn take_changed(&mut self) -> Vec<(BackendId, Counts)> {
        std::mem::take(&mut self.changed)
            .into_iter()
            .map(|id| (id, self.counts.get(&id).copied().unwrap_or_default()))
            .collect()
    }

    /// Puts a connection in the place of what was known of it, and counts it. Returns what was known.
    fn put(&mut self, key: Key, mut connection: Connection) -> Option<Connection> {
        let backend = connection.backend();
        if backend.is_some_and(|id| self.elsewhere.contains(&id)) {
            connection.0 |= Connection::PARTED;
        }
        let before = match self.connections.entry(key) {
            Place::Occupied(mut place) => Some(place.insert(connection)),
            Place::Vacant(place) => {
                place.insert(connection);
                None
            }
        };
        if let Some(dump) = &mut self.dump {
            dump.gone.remove(&key);
        }
        let counted = |it: Connection| (it.backend(), it.phase(), it.parted());
        let same = before.is_some_and(|before| counted(before) == counted(connection));
        if !same {
            if let Some(before) = before {
                self.subtract(before);
            }
            self.adjust(connection, |count| count.saturating_add(1));
        }
        before
    }

    /// Counts what there is to say of a connection that has ended.
    fn ended(&mut self, connection: Connection, end: End) {
        let Some(id) = connection.backend() else {
            return;
        };
        if end.failed {
            let counts = self.counts.entry(id).or_default();
            counts.failed = counts.failed.saturating_add(1);
            self.changed.insert(id);
        }
        let Some(traffic) = end.traffic else {
            return;
        };
        let told = connection.mark() == self.mark;
        match &mut self.dump {
            Some(dump) if told && dump.live.contains_key(&id) => add(&mut dump.late, id, traffic),
            _ => add(&mut self.ended, id, traffic),
        }
    }

    /// What was sent to each backend until now: on the connections that the dump has told of, and on those that have
    /// ended.
    fn count_traffic(&mut self) {
        let Some(dump) = &mut self.dump else {
            return;
        };
        let live = std::mem::take(&mut dump.live);
        let late = std::mem::take(&mut dump.late);
        let ids: BTreeSet<BackendId> = self.ended.keys().chain(live.keys()).copied().collect();
        for id in ids {
            let of = |of: &BTreeMap<BackendId, Traffic>| of.get(&id).copied().unwrap_or_default();
            let traffic = Some(of(&self.ended).and(of(&live)));
            let counts = self.counts.entry(id).or_default();
            if counts.traffic != traffic {
                counts.traffic = traffic;
                self.changed.insert(id);
            }
        }
        for (id, traffic) in late {
            add(&mut self.ended, id, traffic);
        }
    }

    fn subtract(&mut self, connection: Connection) {
        self.adjust(connection, |count| count.saturating_sub(1));
    }

    /// Changes the count that a connection is in.
    fn adjust(&mut self, connection: Connection, change: impl Fn(u32) -> u32) {
        let Some(id) = connection.backend().filter(|_| !connection.parted()) else {
            return;
        };
        let counts = self.counts.entry(id).or_default();
        let count = match connection.phase() {
            Phase::Active => &mut counts.active,
            Phase::Inactive => &mut counts.inactive,
        };
        *count = change(*count);
        self.changed.insert(id);
    }

    fn count_new(&mut self, id: BackendId) {
        let counts = self.counts.entry(id).or_default();
        counts.total = counts.total.saturating_add(1);
        self.changed.insert(id);
    }
}

fn add(sums: &mut BTreeMap<BackendId, Traffic>, id: BackendId, traffic: Traffic) {
    let sum = sums.entry(id).or_default();
    *sum = sum.and(traffic);
}
