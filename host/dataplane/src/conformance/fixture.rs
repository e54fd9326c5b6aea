//! Services of every kind, and how a state is reached and checked.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use evenkeel_core::approximate;
use evenkeel_core::diff::diff;
use evenkeel_core::model::{Protocol, ServiceKey};
use evenkeel_core::state::{BackendId, Change, Selector, ServiceState, Spread, State};

use crate::DataPlane;

/// Opens the data plane anew, as a restarted process would.
pub type Open<'a> = &'a mut dyn FnMut() -> Box<dyn DataPlane>;

pub(super) fn id(n: u32) -> BackendId {
    BackendId::new(n).unwrap()
}

pub(super) fn key(addr: &str, port: u16, protocol: Protocol) -> ServiceKey {
    ServiceKey {
        addr: addr.parse().unwrap(),
        port,
        protocol,
    }
}

pub(super) fn web() -> ServiceKey {
    key("192.0.2.1", 80, Protocol::Tcp)
}

/// One service of each IP version and protocol.
pub(super) fn kinds() -> [ServiceKey; 4] {
    [
        web(),
        key("192.0.2.1", 80, Protocol::Udp),
        key("2001:db8::1", 80, Protocol::Tcp),
        key("2001:db8::1", 65_535, Protocol::Udp),
    ]
}

/// The server with this number, of the IP version of the service.
pub(super) fn server(key: &ServiceKey, n: u32) -> SocketAddr {
    let [_, _, high, low] = n.to_be_bytes();
    if key.addr.is_ipv4() {
        ([10, 0, high, low], 8080).into()
    } else {
        (
            [0xfd00, 0, 0, 0, 0, 0, u16::from(high), u16::from(low)],
            8080,
        )
            .into()
    }
}

/// A service with these servers; the slots name servers by number. No slots: it refuses.
pub(super) fn service(
    key: &ServiceKey,
    servers: &[u32],
    selector: Selector,
    slots: &[u32],
) -> ServiceState {
    let backends: BTreeMap<_, _> = servers
        .iter()
        .map(|n| (id(*n), server(key, *n).into()))
        .collect();
    let spread = if slots.is_empty() {
        Spread::Refuse
    } else {
        Spread::Slots {
            selector,
            slots: slots.iter().copied().map(id).collect(),
        }
    };
    ServiceState {
        queue: None,
        persistence: None,
        snat: false,
        backends: backends.into(),
        spread,
    }
}

pub(super) fn in_turn(key: &ServiceKey, servers: &[u32], slots: &[u32]) -> ServiceState {
    service(key, servers, Selector::Sequence, slots)
}

/// The state in the form that the data plane can hold, as the daemon brings it into.
pub(super) fn as_held(plane: &dyn DataPlane, wanted: &State) -> State {
    let services = wanted.services.iter();
    State {
        services: services
            .map(|(key, service)| (*key, approximate::approximate(plane.kind(), service)))
            .collect(),
        ..wanted.clone()
    }
}

/// The same for a change.
pub(super) fn put(plane: &dyn DataPlane, key: ServiceKey, service: &ServiceState) -> Change {
    Change::Put(key, approximate::approximate(plane.kind(), service))
}

/// Makes the data plane hold `wanted`, and checks that it does, also for a process that is started now.
pub(super) fn reach(open: Open<'_>, plane: &mut dyn DataPlane, wanted: &State) {
    let wanted = &as_held(plane, wanted);
    let actual = plane.read().unwrap();
    plane.apply(&diff(&actual, wanted)).unwrap();
    same(&plane.read().unwrap(), wanted, "read");
    same(&open().read().unwrap(), wanted, "read by another process");
}

/// Plans can be long: only a part of what differs is shown.
pub(super) fn same(actual: &State, wanted: &State, when: &str) {
    let differ = format!("{:?}", diff(actual, wanted));
    assert!(
        actual == wanted,
        "{when}, it takes this to what is wanted: {differ:.2000}"
    );
}

/// The same for a state of one service.
pub(super) fn reach_one(
    open: Open<'_>,
    plane: &mut dyn DataPlane,
    key: ServiceKey,
    service: ServiceState,
) {
    let wanted = State {
        services: [(key, service)].into(),
        ..State::default()
    };
    reach(open, plane, &wanted);
}
