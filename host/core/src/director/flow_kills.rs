//! Flows of servers that failed or are configured no more (`on_down = "kill"`): flushed as soon as the kernel sends
//! them no new ones.

use std::collections::BTreeMap;

use crate::model::ServiceKey;
use crate::state::{BackendId, ServiceState, State};

/// Servers whose flows are to be flushed.
#[derive(Debug, Default)]
pub(super) struct PendingFlowKills {
    by_service: BTreeMap<ServiceKey, Vec<BackendId>>,
}

impl PendingFlowKills {
    /// The server's flows are to be flushed once the kernel sends it no new ones.
    pub(super) fn add(&mut self, service: ServiceKey, server: BackendId) {
        self.by_service.entry(service).or_default().push(server);
    }

    /// The servers to which the kernel sends nothing new, by what it holds now. `is_up`: whether a server has come back
    /// meanwhile, so that its flows stay.
    pub(super) fn flush(
        &mut self,
        held: &State,
        is_up: impl Fn(&ServiceKey, BackendId) -> bool,
    ) -> Vec<(ServiceKey, BackendId)> {
        let mut flushed = Vec::new();
        self.by_service.retain(|key, pending| {
            let service = held.services.get(key);
            pending.retain(|id| match Place::of(*id, service) {
                Place::Nowhere => {
                    flushed.push((*key, *id));
                    false
                }
                _ if is_up(key, *id) => false,
                Place::WithoutShare => {
                    flushed.push((*key, *id));
                    false
                }
                // The change that takes it out is still to come.
                Place::Takes => true,
            });
            !pending.is_empty()
        });
        flushed
    }
}

/// What the kernel does with a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It does not know it.
    Nowhere,
    /// Its connections stay, and it gets no new ones (`inhibit_on_failure`).
    WithoutShare,
    /// It gets new connections.
    Takes,
}

impl Place {
    fn of(id: BackendId, service: Option<&ServiceState>) -> Self {
        let Some(service) = service.filter(|it| it.backends.contains_key(&id)) else {
            return Self::Nowhere;
        };
        if service.spread.has(id) {
            Self::Takes
        } else {
            Self::WithoutShare
        }
    }
}
