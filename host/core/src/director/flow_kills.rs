//! Flows of servers that failed or are configured no more (`on_down = "kill"`): flushed as soon as the kernel sends
//! them no more.

use std::collections::BTreeMap;

use crate::model::ServiceKey;
use crate::state::{BackendId, Change};

/// Servers whose flows are to be flushed.
#[derive(Debug, Default)]
pub(super) struct PendingFlowKills {
    by_service: BTreeMap<ServiceKey, Vec<BackendId>>,
}

impl PendingFlowKills {
    /// The server's flows are to be flushed once the kernel's rules name it no more.
    pub(super) fn add(&mut self, service: ServiceKey, server: BackendId) {
        self.by_service.entry(service).or_default().push(server);
    }

    /// The servers to which the kernel sends nothing since these changes. `is_up`: whether a server has come back
    /// meanwhile, so that its flows stay.
    pub(super) fn flush(
        &mut self,
        changes: &[Change],
        is_up: impl Fn(&ServiceKey, BackendId) -> bool,
    ) -> Vec<(ServiceKey, BackendId)> {
        let mut flushed = Vec::new();
        for change in changes {
            let (key, left) = match change {
                Change::Put(key, state) => (key, Some(state)),
                Change::Remove(key) => (key, None),
                Change::Hairpin(_) | Change::Offload(_) | Change::Timeouts(_) => continue,
            };
            let Some(pending) = self.by_service.remove(key) else {
                continue;
            };
            let mut waiting = Vec::new();
            for id in pending {
                if left.is_none_or(|state| !state.backends.contains_key(&id)) {
                    flushed.push((*key, id));
                } else if !is_up(key, id) {
                    // The change that takes it out is still to come.
                    waiting.push(id);
                }
            }
            if !waiting.is_empty() {
                self.by_service.insert(*key, waiting);
            }
        }
        flushed
    }
}
