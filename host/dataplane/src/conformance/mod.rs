//! What every data plane has to pass: [`run`] it on each implementation.

#![expect(
    clippy::unwrap_used,
    reason = "a suite of tests: a failure is to end it"
)]

mod extras;
mod offload;
mod timeouts;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use evenkeel_core::diff::diff;
use evenkeel_core::follow;
use evenkeel_core::model::{Protocol, ServiceKey};
use evenkeel_core::state::{BackendId, Change, Counters, Selector, ServiceState, Spread, State};

use crate::{DataPlane, Error};

/// Opens the data plane anew, as a restarted process would.
pub type Open<'a> = &'a mut dyn FnMut() -> Box<dyn DataPlane>;

pub use offload::INTERFACES;

type Case = fn(Open<'_>);

/// Runs all cases; each begins with [`DataPlane::clear`]. Where the data plane asks the kernel, [`INTERFACES`] are to be there.
///
/// # Panics
/// When the data plane fails one of them.
pub fn run(open: Open<'_>) {
    let cases: [(&str, Case); 20] = [
        ("nothing is there at first", nothing_is_there_at_first),
        ("what is put is read", what_is_put_is_read),
        ("slots change", slots_change),
        ("a plan grows and shrinks", a_plan_grows_and_shrinks),
        (
            "a service refuses and serves again",
            a_service_refuses_and_serves_again,
        ),
        (
            "a server drains, leaves and returns",
            a_server_drains_leaves_and_returns,
        ),
        ("a service is removed", a_service_is_removed),
        ("several changes at once", several_changes_at_once),
        (
            "a number moves between services",
            a_number_moves_between_services,
        ),
        (
            "an invalid change leaves everything",
            an_invalid_change_leaves_everything,
        ),
        ("what was there is adopted", what_was_there_is_adopted),
        ("full NAT is switched", full_nat_is_switched),
        ("hairpin networks", hairpin_networks),
        ("counters begin at zero", counters_begin_at_zero),
        (
            "persistence is kept and changed",
            extras::persistence_is_kept_and_changed,
        ),
        (
            "services ask and cease to",
            extras::services_ask_and_cease_to,
        ),
        (
            "a persistence that cannot be is refused",
            extras::a_persistence_that_cannot_be_is_refused,
        ),
        (
            "the short way is set, changed and gone",
            offload::the_short_way_is_set_changed_and_gone,
        ),
        (
            "times are set where the data plane has them",
            timeouts::times_are_set_where_the_data_plane_has_them,
        ),
        ("a random walk", walk::a_random_walk),
    ];
    for (name, case) in cases {
        tracing::info!(name, "conformance");
        open().clear().unwrap();
        case(open);
    }
    let mut plane = open();
    plane.clear().unwrap();
    plane.clear().unwrap();
    assert_eq!(
        plane.read().unwrap(),
        State::default(),
        "after it was cleared"
    );
}

fn id(n: u32) -> BackendId {
    BackendId::new(n).unwrap()
}

fn key(addr: &str, port: u16, protocol: Protocol) -> ServiceKey {
    ServiceKey {
        addr: addr.parse().unwrap(),
        port,
        protocol,
    }
}

fn web() -> ServiceKey {
    key("192.0.2.1", 80, Protocol::Tcp)
}

/// One service of each IP version and protocol.
fn kinds() -> [ServiceKey; 4] {
    [
        web(),
        key("192.0.2.1", 80, Protocol::Udp),
        key("2001:db8::1", 80, Protocol::Tcp),
        key("2001:db8::1", 65_535, Protocol::Udp),
    ]
}

/// The server with this number, of the IP version of the service.
fn server(key: &ServiceKey, n: u32) -> SocketAddr {
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
fn service(key: &ServiceKey, servers: &[u32], selector: Selector, slots: &[u32]) -> ServiceState {
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
        ask: None,
        persistence: None,
        snat: false,
        backends,
        spread,
    }
}

fn in_turn(key: &ServiceKey, servers: &[u32], slots: &[u32]) -> ServiceState {
    service(key, servers, Selector::Sequence, slots)
}

/// The state in the form that the data plane can hold, as the daemon brings it into.
fn nearest(plane: &dyn DataPlane, wanted: &State) -> State {
    let services = wanted.services.iter();
    State {
        services: services
            .map(|(key, service)| (*key, follow::nearest(plane.kind(), service)))
            .collect(),
        ..wanted.clone()
    }
}

/// The same for a change.
fn put(plane: &dyn DataPlane, key: ServiceKey, service: &ServiceState) -> Change {
    Change::Put(key, follow::nearest(plane.kind(), service))
}

/// Makes the data plane hold `wanted`, and checks that it does, also for a process that is started now.
fn reach(open: Open<'_>, plane: &mut dyn DataPlane, wanted: &State) {
    let wanted = &nearest(plane, wanted);
    let actual = plane.read().unwrap();
    plane.apply(&diff(&actual, wanted)).unwrap();
    same(&plane.read().unwrap(), wanted, "read");
    same(&open().read().unwrap(), wanted, "read by another process");
}

/// Plans can be long: only a part of what differs is shown.
fn same(actual: &State, wanted: &State, when: &str) {
    let differ = format!("{:?}", diff(actual, wanted));
    assert!(
        actual == wanted,
        "{when}, it takes this to what is wanted: {differ:.2000}"
    );
}

/// The same for a state of one service.
fn reach_one(open: Open<'_>, plane: &mut dyn DataPlane, key: ServiceKey, service: ServiceState) {
    let wanted = State {
        services: [(key, service)].into(),
        ..State::default()
    };
    reach(open, plane, &wanted);
}

fn nothing_is_there_at_first(open: Open<'_>) {
    let mut plane = open();
    assert_eq!(plane.read().unwrap(), State::default());
    assert_eq!(plane.counters().unwrap(), BTreeMap::new());
    plane.apply(&[]).unwrap();
    assert_eq!(plane.read().unwrap(), State::default());
}

fn what_is_put_is_read(open: Open<'_>) {
    let mut plane = open();
    let mut wanted = State::default();
    let selectors = [
        Selector::Sequence,
        Selector::Random,
        Selector::HashSource,
        Selector::HashFlow,
    ];
    for (n, key) in (1..).step_by(10).zip(kinds()) {
        for selector in selectors {
            let state = service(
                &key,
                &[n, n + 1, n + 2],
                selector,
                &[n, n, n + 1, n + 2, n + 1],
            );
            wanted.services.insert(key, state);
            reach(open, &mut *plane, &wanted);
        }
    }
}

fn slots_change(open: Open<'_>) {
    let mut plane = open();
    for slots in [&[1, 2, 3], &[3, 2, 1], &[1, 1, 1], &[2, 3, 2]] {
        reach_one(open, &mut *plane, web(), in_turn(&web(), &[1, 2, 3], slots));
    }
}

fn a_plan_grows_and_shrinks(open: Open<'_>) {
    let mut plane = open();
    for len in [1, 2, 3, 5, 4, 8, 9, 100, 1_000, 65, 64, 2, 1, 65_536, 7] {
        let slots: Vec<u32> = (0..len).map(|n| n % 3 + 1).collect();
        reach_one(
            open,
            &mut *plane,
            web(),
            in_turn(&web(), &[1, 2, 3], &slots),
        );
    }
}

fn a_service_refuses_and_serves_again(open: Open<'_>) {
    for key in kinds() {
        let mut plane = open();
        plane.clear().unwrap();
        reach_one(open, &mut *plane, key, in_turn(&key, &[], &[]));
        reach_one(open, &mut *plane, key, in_turn(&key, &[1, 2], &[1, 2]));
        reach_one(open, &mut *plane, key, in_turn(&key, &[1, 2], &[]));
        reach_one(open, &mut *plane, key, in_turn(&key, &[], &[]));
    }
}

fn a_server_drains_leaves_and_returns(open: Open<'_>) {
    let mut plane = open();
    for (servers, slots) in [
        (&[1, 2, 3][..], &[1, 2, 3][..]),
        (&[1, 2, 3], &[1, 2]),
        (&[1, 2], &[1, 2]),
        (&[1, 2, 3], &[1, 2, 3]),
        (&[3], &[3]),
        (&[1, 2, 3, 4], &[4, 4, 4, 1]),
    ] {
        reach_one(open, &mut *plane, web(), in_turn(&web(), servers, slots));
    }
    let mut moved = in_turn(&web(), &[1], &[1]);
    moved.backends.insert(id(1), server(&web(), 9).into());
    reach_one(open, &mut *plane, web(), moved);
}

fn a_service_is_removed(open: Open<'_>) {
    let mut plane = open();
    let [first, second, third, fourth] = kinds();
    let mut wanted = State::default();
    wanted.services.insert(first, in_turn(&first, &[1], &[1]));
    wanted.services.insert(second, in_turn(&second, &[2], &[2]));
    wanted
        .services
        .insert(third, in_turn(&third, &[3], &[3, 3]));
    reach(open, &mut *plane, &wanted);
    for gone in [second, first] {
        wanted.services.remove(&gone);
        reach(open, &mut *plane, &wanted);
    }
    wanted.services.insert(fourth, in_turn(&fourth, &[4], &[4]));
    reach(open, &mut *plane, &wanted);
    reach(open, &mut *plane, &State::default());
    // Removing what is not there is no error.
    plane.apply(&[Change::Remove(first)]).unwrap();
    assert_eq!(plane.read().unwrap(), State::default());
}

fn several_changes_at_once(open: Open<'_>) {
    let mut plane = open();
    let [first, second, third, _] = kinds();
    let one = put(&*plane, first, &in_turn(&first, &[1], &[1]));
    let two = put(&*plane, second, &in_turn(&second, &[2], &[2]));
    plane.apply(&[one, two]).unwrap();
    let networks: BTreeSet<_> = ["10.0.0.0/24".parse().unwrap()].into();
    let two = put(&*plane, second, &in_turn(&second, &[2, 5], &[2, 5, 2]));
    let three = put(&*plane, third, &in_turn(&third, &[3], &[3]));
    let changes = [
        Change::Remove(first),
        two,
        three,
        Change::Hairpin(networks.clone()),
    ];
    plane.apply(&changes).unwrap();
    let services = [
        (second, in_turn(&second, &[2, 5], &[2, 5, 2])),
        (third, in_turn(&third, &[3], &[3])),
    ];
    let wanted = State {
        services: services.into(),
        hairpin: networks,
        ..State::default()
    };
    let wanted = nearest(&*plane, &wanted);
    assert_eq!(plane.read().unwrap(), wanted);
    assert_eq!(open().read().unwrap(), wanted);
}

fn a_number_moves_between_services(open: Open<'_>) {
    let mut plane = open();
    let [first, second, third, _] = kinds();
    for (one, other) in [(first, second), (second, third), (third, first)] {
        reach_one(open, &mut *plane, one, in_turn(&one, &[1, 2], &[1, 2]));
        reach_one(open, &mut *plane, other, in_turn(&other, &[1, 2], &[2, 1]));
    }
    let swap = |one: u32, two: u32| State {
        services: [
            (first, in_turn(&first, &[one], &[one])),
            (second, in_turn(&second, &[two], &[two])),
        ]
        .into(),
        ..State::default()
    };
    reach(open, &mut *plane, &swap(1, 2));
    reach(open, &mut *plane, &swap(2, 1));
}

fn an_invalid_change_leaves_everything(open: Open<'_>) {
    let mut plane = open();
    let [first, second, third, _] = kinds();
    let good = in_turn(&first, &[1, 2], &[1, 2]);
    let wanted = State {
        services: [(first, good)].into(),
        ..State::default()
    };
    reach(open, &mut *plane, &wanted);
    let wanted = nearest(&*plane, &wanted);

    let mut unknown = in_turn(&second, &[3], &[3]);
    unknown.spread = Spread::Slots {
        selector: Selector::Random,
        slots: vec![id(3), id(4)],
    };
    let mut empty = in_turn(&second, &[3], &[3]);
    empty.spread = Spread::Slots {
        selector: Selector::Random,
        slots: Vec::new(),
    };
    let mut too_many = in_turn(&second, &[3], &[3]);
    too_many.spread = Spread::Slots {
        selector: Selector::Random,
        slots: vec![id(3); 65_537],
    };
    let mut other_family = in_turn(&second, &[3], &[3]);
    other_family
        .backends
        .insert(id(5), server(&third, 5).into());
    let taken = in_turn(&second, &[2], &[2]);
    let twice = put(&*plane, third, &in_turn(&third, &[7], &[7]));
    let bad: Vec<Change> = [unknown, empty, too_many, other_family, taken]
        .into_iter()
        .map(|service| Change::Put(second, service))
        .chain([Change::Hairpin(["10.0.0.1/24".parse().unwrap()].into())])
        .collect();
    for change in bad {
        let batch = [
            put(&*plane, first, &in_turn(&first, &[1, 2, 9], &[9])),
            twice.clone(),
            change.clone(),
        ];
        let error = plane.apply(&batch).unwrap_err();
        assert!(
            matches!(error, Error::Invalid(_)),
            "{change:.200?}: {error}"
        );
        assert_eq!(plane.read().unwrap(), wanted, "after {change:?}");
    }
    let same_number = [twice, put(&*plane, second, &in_turn(&second, &[7], &[7]))];
    assert!(matches!(
        plane.apply(&same_number).unwrap_err(),
        Error::Invalid(_)
    ));
    assert_eq!(open().read().unwrap(), wanted);
}

fn what_was_there_is_adopted(open: Open<'_>) {
    let mut wanted = State::default();
    for (n, key) in (1..).step_by(10).zip(kinds()) {
        let mut state = service(&key, &[n, n + 1], Selector::Sequence, &[n, n + 1, n]);
        state.snat = n > 20;
        wanted.services.insert(key, state);
        // Every step is made by another process, and the first without having been asked to read.
        let mut plane = open();
        if n == 1 {
            let wanted = nearest(&*plane, &wanted);
            plane.apply(&diff(&State::default(), &wanted)).unwrap();
        }
        reach(open, &mut *plane, &wanted);
    }
    // An `apply` goes on from what is there, too.
    let [first, ..] = kinds();
    let change = in_turn(&first, &[1, 2], &[2]);
    let mut plane = open();
    plane.apply(&[put(&*plane, first, &change)]).unwrap();
    wanted.services.insert(first, change);
    assert_eq!(open().read().unwrap(), nearest(&*plane, &wanted));
}

fn full_nat_is_switched(open: Open<'_>) {
    for key in kinds() {
        let mut plane = open();
        plane.clear().unwrap();
        for (snat, servers, slots) in [
            (true, &[1, 2][..], &[1, 2][..]),
            (false, &[1, 2], &[1, 2]),
            (true, &[1, 2, 3], &[3, 2]),
            (false, &[2], &[2]),
            (true, &[], &[]),
            (false, &[], &[]),
            (true, &[4], &[4, 4, 4]),
        ] {
            let state = ServiceState {
                snat,
                ..in_turn(&key, servers, slots)
            };
            reach_one(open, &mut *plane, key, state);
        }
    }
}

fn hairpin_networks(open: Open<'_>) {
    let mut plane = open();
    for networks in [
        &["10.0.0.0/24"][..],
        &["10.0.0.0/24", "fd00::/64"],
        &[
            "10.0.0.0/8",
            "10.0.0.0/24",
            "10.0.0.9/32",
            "fd00::/64",
            "fd00:1::/64",
        ],
        &["10.0.0.0/24", "10.1.0.0/24"],
        &["0.0.0.0/0", "::/0", "fd00::1/128"],
        &[],
    ] {
        let hairpin = networks.iter().map(|net| net.parse().unwrap()).collect();
        reach(
            open,
            &mut *plane,
            &State {
                hairpin,
                ..State::default()
            },
        );
    }
}

fn counters_begin_at_zero(open: Open<'_>) {
    let mut plane = open();
    let [first, _, third, _] = kinds();
    let mut wanted = State::default();
    wanted
        .services
        .insert(first, in_turn(&first, &[1, 2], &[1]));
    wanted.services.insert(
        third,
        ServiceState {
            snat: true,
            ..in_turn(&third, &[3], &[3])
        },
    );
    reach(open, &mut *plane, &wanted);
    let zero = Counters { connections: 0 };
    let all = [1, 2, 3].map(|n| (id(n), zero));
    assert_eq!(plane.counters().unwrap(), all.into());
    wanted.services.remove(&third);
    reach(open, &mut *plane, &wanted);
    assert_eq!(
        plane.counters().unwrap(),
        [1, 2].map(|n| (id(n), zero)).into()
    );
    // Flows of a backend without any, and of one that is not known.
    plane.kill_flows(id(1)).unwrap();
    plane.kill_flows(id(4_000)).unwrap();
}
