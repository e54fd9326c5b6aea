//! A data plane in memory, for tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use evenkeel_core::model::DataPlaneKind;
use evenkeel_core::state::{BackendId, Change, Counters, State};
use parking_lot::{Mutex, MutexGuard};

use crate::check::CheckedChanges;
use crate::{DataPlane, Error, Probe};

/// Holds a state, as a kernel would. Clones share it: a clone is what a restarted process would open.
#[derive(Debug, Clone, Default)]
pub struct MemoryPlane {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    state: State,
    counts: BTreeMap<BackendId, u64>,
    killed: Vec<BackendId>,
    applied: usize,
    failures: Vec<Error>,
}

impl MemoryPlane {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What it holds.
    #[must_use]
    pub fn state(&self) -> State {
        self.lock().state.clone()
    }

    /// Changes what it holds behind the back of its user.
    pub fn vandalise(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock().state);
    }

    /// The next `apply` that would change something fails with this error. Called more than once: the next ones, in
    /// this order.
    pub fn fail_next_apply(&self, error: Error) {
        self.lock().failures.push(error);
    }

    /// The backend has had so many connections.
    pub fn count(&self, backend: BackendId, connections: u64) {
        self.lock().counts.insert(backend, connections);
    }

    /// The backends whose flows were ended, in order.
    #[must_use]
    pub fn killed(&self) -> Vec<BackendId> {
        self.lock().killed.clone()
    }

    /// How many times `apply` has changed something.
    #[must_use]
    pub fn applied(&self) -> usize {
        self.lock().applied
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

impl DataPlane for MemoryPlane {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn kind(&self) -> DataPlaneKind {
        DataPlaneKind::Nftables
    }

    fn supports_offload(&mut self) -> Result<(), String> {
        Ok(())
    }

    fn probe(&mut self) -> Result<Probe, Error> {
        Ok(Probe {
            summary: "in memory".to_owned(),
            problems: Vec::new(),
        })
    }

    fn read(&mut self) -> Result<State, Error> {
        Ok(self.state())
    }

    fn apply(&mut self, changes: &[Change]) -> Result<(), Error> {
        let mut inner = self.lock();
        let owners: BTreeMap<BackendId, _> = inner
            .state
            .services
            .iter()
            .flat_map(|(key, service)| service.backends.keys().map(|id| (*id, *key)))
            .collect();
        CheckedChanges::new(DataPlaneKind::Nftables, changes, |id| {
            owners.get(&id).copied()
        })?;
        if changes.is_empty() {
            return Ok(());
        }
        if !inner.failures.is_empty() {
            return Err(inner.failures.remove(0));
        }
        evenkeel_core::diff::apply(&mut inner.state, changes);
        inner.applied += 1;
        Ok(())
    }

    fn counters(&mut self) -> Result<BTreeMap<BackendId, Counters>, Error> {
        let inner = self.lock();
        let here = inner
            .state
            .services
            .values()
            .flat_map(|service| service.backends.keys());
        let counted = inner
            .counts
            .iter()
            .filter(|(_, count)| **count > 0)
            .map(|(id, _)| id);
        Ok(here
            .chain(counted)
            .map(|id| {
                let connections = inner.counts.get(id).copied().unwrap_or_default();
                (*id, Counters { connections })
            })
            .collect())
    }

    fn kill_flows(&mut self, backend: BackendId) -> Result<(), Error> {
        self.lock().killed.push(backend);
        Ok(())
    }

    fn clear(&mut self) -> Result<(), Error> {
        let mut inner = self.lock();
        inner.state = State::default();
        inner.counts.clear();
        Ok(())
    }
}
