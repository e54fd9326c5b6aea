//! Services, their servers and their slots.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_core::diff::diff;
use evenkeel_core::state::{Change, Prefixes, Selector, State};

use super::fixture::{
    Open, as_held, id, in_turn, kinds, put, reach, reach_one, server, service, web,
};

pub(super) fn nothing_is_there_at_first(open: Open<'_>) {
    let mut plane = open();
    assert_eq!(plane.read().unwrap(), State::default());
    assert_eq!(plane.counters().unwrap(), BTreeMap::new());
    plane.apply(&[]).unwrap();
    assert_eq!(plane.read().unwrap(), State::default());
}

pub(super) fn what_is_put_is_read(open: Open<'_>) {
    let mut plane = open();
    let mut wanted = State::default();
    let selectors = [
        Selector::Sequence,
        Selector::Random,
        Selector::HashSource,
        Selector::HashFlow,
        Selector::HashNetwork(Prefixes { v4: 20, v6: 56 }),
    ];
    for (n, key) in (1..).step_by(10).zip(kinds()) {
        for selector in selectors {
            let selector = selector.in_family(key.addr.is_ipv4());
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

pub(super) fn slots_change(open: Open<'_>) {
    let mut plane = open();
    for slots in [&[1, 2, 3], &[3, 2, 1], &[1, 1, 1], &[2, 3, 2]] {
        reach_one(open, &mut *plane, web(), in_turn(&web(), &[1, 2, 3], slots));
    }
}

pub(super) fn a_plan_grows_and_shrinks(open: Open<'_>) {
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

pub(super) fn a_service_refuses_and_serves_again(open: Open<'_>) {
    for key in kinds() {
        let mut plane = open();
        plane.clear().unwrap();
        reach_one(open, &mut *plane, key, in_turn(&key, &[], &[]));
        reach_one(open, &mut *plane, key, in_turn(&key, &[1, 2], &[1, 2]));
        reach_one(open, &mut *plane, key, in_turn(&key, &[1, 2], &[]));
        reach_one(open, &mut *plane, key, in_turn(&key, &[], &[]));
    }
}

pub(super) fn a_server_drains_leaves_and_returns(open: Open<'_>) {
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

pub(super) fn a_service_is_removed(open: Open<'_>) {
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

pub(super) fn several_changes_at_once(open: Open<'_>) {
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
    let wanted = as_held(&*plane, &wanted);
    assert_eq!(plane.read().unwrap(), wanted);
    assert_eq!(open().read().unwrap(), wanted);
}

pub(super) fn a_number_moves_between_services(open: Open<'_>) {
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

pub(super) fn what_was_there_is_adopted(open: Open<'_>) {
    let mut wanted = State::default();
    for (n, key) in (1..).step_by(10).zip(kinds()) {
        let mut state = service(&key, &[n, n + 1], Selector::Sequence, &[n, n + 1, n]);
        state.snat = n > 20;
        wanted.services.insert(key, state);
        // Every step is made by another process, and the first without having been asked to read.
        let mut plane = open();
        if n == 1 {
            let wanted = as_held(&*plane, &wanted);
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
    assert_eq!(open().read().unwrap(), as_held(&*plane, &wanted));
}
