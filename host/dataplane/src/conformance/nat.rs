//! Full NAT, hairpin networks and counters.

use evenkeel_core::state::{Counters, ServiceState, State};

use super::fixture::{Open, id, in_turn, kinds, reach, reach_one};

pub(super) fn full_nat_is_switched(open: Open<'_>) {
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

pub(super) fn hairpin_networks(open: Open<'_>) {
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

pub(super) fn counters_begin_at_zero(open: Open<'_>) {
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
