use super::*;
use crate::model::Protocol;
use crate::state::{ServiceState, Spread};

fn key(port: u16) -> ServiceKey {
    ServiceKey {
        addr: [10, 0, 0, 1].into(),
        port,
        protocol: Protocol::Tcp,
    }
}

fn server(n: u8) -> SocketAddr {
    ([10, 1, 0, n], 80).into()
}

fn id(n: u32) -> BackendId {
    BackendId::new(n).unwrap()
}

/// What the kernel holds: these servers of the service on port 80.
fn kernel(servers: &[(u32, u8)]) -> State {
    let mut state = State::default();
    state.services.insert(
        key(80),
        ServiceState {
            snat: false,
            backends: servers
                .iter()
                .map(|(number, n)| (id(*number), server(*n).into()))
                .collect(),
            spread: Spread::Refuse,
            persistence: None,
            queue: None,
        },
    );
    state
}

fn kept(last: u32, servers: &[(u8, u32)]) -> Numbers {
    let servers = servers.iter().map(|(n, number)| Numbered {
        service: key(80),
        server: server(*n),
        id: id(*number),
    });
    Numbers {
        last,
        servers: servers.collect(),
    }
}

#[test]
fn a_server_keeps_its_number_and_the_same_server_in_another_service_has_another() {
    let mut ids = Ids::default();
    let first = ids.get(key(80), server(1));
    assert_eq!(first, ids.get(key(80), server(1)));
    assert_ne!(first, ids.get(key(81), server(1)));
}

#[test]
fn a_server_that_is_removed_and_added_again_has_its_old_number_and_no_other_gets_it_meanwhile() {
    let mut ids = Ids::default();
    let first = ids.get(key(80), server(1));
    ids.release(key(80), server(1));
    assert_ne!(first, ids.get(key(80), server(2)));
    assert_eq!(first, ids.get(key(80), server(1)));
}

#[test]
fn adopted_servers_keep_the_numbers_that_the_kernel_holds() {
    let mut ids = Ids::adopt(&kernel(&[(700, 1)]));
    assert_eq!(ids.get(key(80), server(1)), Some(id(700)));
    assert_eq!(ids.get(key(80), server(2)), Some(id(701)));
}

#[test]
fn a_server_that_was_down_or_removed_during_a_restart_has_its_old_number() {
    let mut before = Ids::default();
    for n in 1..=3 {
        before.get(key(80), server(n));
    }
    // The second is down, and so not in the kernel; the third was removed.
    before.release(key(80), server(3));
    let mut ids = Ids::adopt(&kernel(&[(1, 1)]));
    ids.recall(&before.numbers(), &InUse::new());
    assert_eq!(ids.get(key(80), server(4)), Some(id(4)));
    assert_eq!(ids.get(key(80), server(2)), Some(id(2)));
    assert_eq!(ids.get(key(80), server(3)), Some(id(3)));
}

#[test]
fn without_what_was_kept_conntrack_tells_whose_a_number_is_and_no_other_server_gets_it() {
    let in_use = InUse::from([(id(5), Some((key(80), server(2)))), (id(9), None)]);
    let mut ids = Ids::adopt(&kernel(&[(1, 1)]));
    ids.recall(&Numbers::default(), &in_use);
    assert_eq!(ids.get(key(80), server(3)), Some(id(10)));
    assert_eq!(ids.get(key(80), server(2)), Some(id(5)));
}

#[test]
fn what_was_kept_gives_way_to_the_kernel_and_to_conntrack() {
    // Kept by another machine, or long ago.
    let old = kept(3, &[(1, 7), (2, 8), (3, 700), (4, 9)]);
    let in_use = InUse::from([(id(8), Some((key(80), server(9))))]);
    let mut ids = Ids::adopt(&kernel(&[(700, 1)]));
    ids.recall(&old, &in_use);
    assert_eq!(ids.get(key(80), server(1)), Some(id(700)), "the kernel's");
    assert_eq!(ids.get(key(80), server(9)), Some(id(8)), "conntrack's");
    assert_eq!(ids.get(key(80), server(4)), Some(id(9)), "undisputed");
    assert_eq!(ids.get(key(80), server(2)), Some(id(701)));
    assert_eq!(ids.get(key(80), server(3)), Some(id(702)));
}

#[test]
fn numbers_go_round_and_skip_those_that_are_given_or_that_conntrack_has() {
    let mut ids = Ids::default();
    let in_use = InUse::from([(id(1), None)]);
    ids.recall(&kept(BackendId::MAX, &[(2, 2)]), &in_use);
    assert_eq!(ids.get(key(80), server(1)), Some(id(3)));
    ids.recall(&kept(u32::MAX, &[]), &InUse::new());
    assert_eq!(
        ids.get(key(80), server(3)),
        Some(id(4)),
        "a number too large"
    );
}

#[test]
fn so_many_servers_that_are_gone_are_remembered_and_the_oldest_is_forgotten() {
    let mut ids = Ids::default();
    let port = |n: usize| key(u16::try_from(n % 60_000).unwrap() + 1);
    let address = |n: usize| server(u8::try_from(n / 60_000).unwrap());
    for n in 0..=MAX_RESTING {
        ids.get(port(n), address(n));
        ids.release(port(n), address(n));
    }
    assert_eq!(ids.numbers().servers.len(), MAX_RESTING);
    let next = u32::try_from(MAX_RESTING).unwrap() + 2;
    assert_eq!(ids.get(port(0), address(0)), Some(id(next)));
    assert_eq!(ids.get(port(1), address(1)), Some(id(2)));
}

#[test]
fn it_tells_when_there_is_something_to_keep() {
    let mut ids = Ids::default();
    assert!(!ids.take_changed());
    ids.get(key(80), server(1));
    assert!(ids.take_changed());
    ids.get(key(80), server(1));
    assert!(!ids.take_changed());
    ids.release(key(80), server(1));
    assert!(ids.take_changed());
    assert_eq!(ids.numbers(), kept(1, &[(1, 1)]));
}
