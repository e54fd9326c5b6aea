//! Which connections there are: from the kernel's events and dumps to counts.

use std::collections::{BTreeMap, BTreeSet};

use super::Counts;
use crate::state::BackendId;

/// A hash of a connection's original tuple and zone: what names it in events and dumps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub u64);

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Counts as active.
    Active,
    /// Counts as inactive.
    Inactive,
}

/// Something that the kernel told of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It was made, or is in a dump, or has changed.
    Is(Key, BackendId, Phase),
    /// It was made just now.
    New(Key, BackendId, Phase),
    /// It is gone.
    Gone(Key),
}

/// All connections to our real servers.
#[derive(Debug, Default)]
pub struct Table {
    _by_key: BTreeMap<Key, (BackendId, Phase)>,
    counts: BTreeMap<BackendId, Counts>,
    changed: BTreeSet<BackendId>,
}

impl Table {
    /// The backends whose counts have changed since the last call, with their counts.
    pub fn take_changed(&mut self) -> Vec<(BackendId, Counts)> {
        std::mem::take(&mut self.changed)
            .into_iter()
            .map(|id| (id, self.counts.get(&id).copied().unwrap_or_default()))
            .collect()
    }
}
