//! Slots, and which of them a connection takes.

use crate::backends::{Backend, BackendId};

/// Neighbouring slots of the same server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Whose slots they are.
    pub id: BackendId,
    /// How many.
    pub width: u32,
}

/// Which slot a new connection takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Selector {
    /// The next one, counted over all connections of the service.
    Sequence,
    /// Any.
    Random,
    /// By a stable hash of the client's address (session affinity).
    HashSource,
    /// By a stable hash of the client's address and port, and the service's address and port.
    HashFlow,
    /// By a stable hash of the client's network.
    HashNetwork(Prefixes),
}

/// How many bits of a client's address are its network's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Prefixes {
    /// Of an IPv4 address, 1 to 32.
    pub v4: u8,
    /// Of an IPv6 address, 1 to 128.
    pub v6: u8,
}

/// Neighbours of the same server as one run, without those of width 0.
pub(super) fn joined(slots: impl IntoIterator<Item: Into<Run>>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for run in slots
        .into_iter()
        .map(Into::into)
        .filter(|run| run.width > 0)
    {
        match runs.last_mut() {
            Some(last) if last.id == run.id => match last.width.checked_add(run.width) {
                Some(width) => last.width = width,
                None => runs.push(run),
            },
            _ => runs.push(run),
        }
    }
    runs
}

impl From<BackendId> for Run {
    fn from(id: BackendId) -> Self {
        Self { id, width: 1 }
    }
}

impl From<&Backend> for Run {
    fn from(backend: &Backend) -> Self {
        backend.id.into()
    }
}

impl From<(BackendId, u32)> for Run {
    fn from((id, width): (BackendId, u32)) -> Self {
        Self { id, width }
    }
}
