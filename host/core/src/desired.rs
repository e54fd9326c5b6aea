//! From a service's usable servers and its scheduler's plan to what the kernel should hold.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crate::plan::{Plan, PlanError};
use crate::state::{BackendId, ServiceState, Spread};

/// A real server as far as the kernel is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usable {
    /// Its number.
    pub id: BackendId,
    /// Where connections are sent.
    pub address: SocketAddr,
    /// Its weight now, after the checkers' word. 0: draining.
    pub weight: u32,
}

/// What the kernel should hold for one service, given its servers that are up and its scheduler's plan for them.
///
/// Without a server that takes connections the service refuses, whatever the plan says.
///
/// # Errors
/// When the plan does not fit the servers: see [`Plan::spread`]. A server of weight 0 may be in no slot.
pub fn service_state(snat: bool, up: &[Usable], plan: &Plan) -> Result<ServiceState, PlanError> {
    let backends: BTreeMap<BackendId, SocketAddr> = up.iter().map(|s| (s.id, s.address)).collect();
    let taking: BTreeSet<BackendId> = up.iter().filter(|s| s.weight > 0).map(|s| s.id).collect();
    let spread = if taking.is_empty() { Spread::Refuse } else { plan.spread(&taking)? };
    Ok(ServiceState { snat, backends, spread })
}

/// What is left of a service's last good plan when its scheduler has failed and `up` are the servers now: the slots of servers
/// that still take connections. Where none is left, all servers that do take turns.
#[must_use]
pub fn without_scheduler(snat: bool, up: &[Usable], last: &Spread) -> ServiceState {
    let backends: BTreeMap<BackendId, SocketAddr> = up.iter().map(|s| (s.id, s.address)).collect();
    let taking: Vec<BackendId> = up.iter().filter(|s| s.weight > 0).map(|s| s.id).collect();
    let (selector, mut slots) = match last {
        Spread::Slots { selector, slots } => (
            *selector,
            slots.iter().copied().filter(|id| taking.contains(id)).collect::<Vec<_>>(),
        ),
        Spread::Refuse => (crate::state::Selector::Sequence, Vec::new()),
    };
    if slots.is_empty() {
        slots = taking;
    }
    let spread = if slots.is_empty() { Spread::Refuse } else { Spread::Slots { selector, slots } };
    ServiceState { snat, backends, spread }
}
