//! How servers are taken to be at the start: as the kernel has them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Instant;

use evenkeel_core::health::InitialHealth;
use evenkeel_core::model::{Service, ServiceKey};
use evenkeel_core::state::State;

/// What a server was before the daemon started: the kernel knows. `stays`: it would be in the kernel in any case,
/// without a share.
pub(super) fn found_in(
    adopted: &State,
    service: &ServiceKey,
    server: SocketAddr,
    stays: bool,
    now: Instant,
) -> Option<InitialHealth> {
    let state = adopted.services.get(service)?;
    let id = state
        .backends
        .iter()
        .find(|(_, it)| it.address == server)
        .map(|(id, _)| *id);
    Some(if id.is_some_and(|id| !stays || state.spread.has(id)) {
        InitialHealth::up(now)
    } else {
        InitialHealth::down(
            now,
            "out of the pool when the daemon started; not checked yet",
        )
    })
}

/// The servers that stay in the kernel when they have failed, but not those that take no new connections anyway.
pub(super) fn inhibited(services: &[Service]) -> BTreeSet<(ServiceKey, SocketAddr)> {
    let servers = services
        .iter()
        .flat_map(|service| service.servers.iter().map(|it| (service.key, it)));
    servers
        .filter(|(_, it)| it.inhibit_on_failure && it.weight > 0)
        .map(|(key, it)| (key, it.address))
        .collect()
}
