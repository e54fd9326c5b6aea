use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{KernelScheduler, approximate, fidelity};
use crate::groups::{Group, Groups};
use crate::model::DataPlaneKind;
use crate::state::{Backend, BackendId, Prefixes, Selector, ServiceState, Spread};

fn id(n: u32) -> BackendId {
    BackendId::new(n).unwrap()
}

/// A service of servers 1, 2, ... of these weights.
fn service(weights: &[u32], selector: Selector, slots: &[u32]) -> ServiceState {
    let backend = |n: u32, weight: u32| Backend {
        weight,
        ..std::net::SocketAddr::from(([10, 0, 0, u8::try_from(n % 200).unwrap()], 80)).into()
    };
    ServiceState {
        snat: false,
        backends: (1..)
            .zip(weights)
            .map(|(n, weight)| (id(n), backend(n, *weight)))
            .collect(),
        spread: Spread::Slots {
            selector,
            slots: slots.iter().copied().map(id).collect(),
        },
        persistence: None,
        queue: None,
    }
}

fn ipvs(service: &ServiceState) -> (Option<KernelScheduler>, Vec<u32>) {
    let state = approximate(DataPlaneKind::Ipvs, service);
    let weights = state.backends.values().map(|it| it.weight).collect();
    (KernelScheduler::of(&state.spread), weights)
}

#[test]
fn a_slot_each_is_round_robin_whatever_the_weights() {
    let service = service(&[5, 1, 2], Selector::Sequence, &[3, 1, 2]);
    assert_eq!(ipvs(&service), (Some(KernelScheduler::Rr), vec![5, 1, 2]));
}

#[test]
fn slots_that_are_the_weights_shares_leave_the_weights_as_they_are() {
    let service = service(&[6, 2, 2], Selector::Sequence, &[1, 1, 2, 1, 3]);
    assert_eq!(ipvs(&service), (Some(KernelScheduler::Wrr), vec![6, 2, 2]));
}

#[test]
fn slots_of_other_shares_become_weights() {
    let service = service(&[6, 2, 2], Selector::Sequence, &[1, 2, 2, 1, 2, 2]);
    assert_eq!(ipvs(&service), (Some(KernelScheduler::Wrr), vec![1, 2, 0]));
}

#[test]
fn equal_shares_of_a_plan_are_round_robin() {
    let equal = service(&[4, 4], Selector::Sequence, &[1, 2, 1, 2, 1, 2]);
    assert_eq!(ipvs(&equal), (Some(KernelScheduler::Rr), vec![4, 4]));
    // Not with weights that would say something else.
    let other = service(&[5, 1], Selector::Sequence, &[1, 2, 1, 2, 1, 2]);
    assert_eq!(ipvs(&other), (Some(KernelScheduler::Rr), vec![1, 1]));
}

#[test]
fn groups_become_the_shares_of_their_servers() {
    let turn = |ids: &[u32]| Group::Servers {
        selector: Selector::Sequence,
        slots: ids.iter().copied().map(id).collect(),
    };
    let mut grouped = service(&[1, 1, 1], Selector::Sequence, &[1]);
    grouped.spread = Spread::Groups(Groups {
        groups: vec![
            Group::Split {
                selector: Selector::HashSource,
                slots: vec![1, 2],
            },
            turn(&[1, 2]),
            turn(&[3]),
        ],
        clients: Vec::new(),
    });
    assert_eq!(ipvs(&grouped), (Some(KernelScheduler::Wrr), vec![1, 1, 2]));
    let held = approximate(DataPlaneKind::Ipvs, &grouped);
    assert_eq!(approximate(DataPlaneKind::Ipvs, &held), held);
    assert_eq!(
        fidelity(&grouped.spread, &held.spread).to_string(),
        "shares exact, in IPVS's order; not by groups, which IPVS does not have"
    );
    assert_eq!(
        approximate(DataPlaneKind::Nftables, &grouped).spread,
        grouped.spread
    );
}

#[test]
fn a_hash_of_networks_is_one_of_whole_addresses() {
    let network = Selector::HashNetwork(Prefixes { v4: 24, v6: 128 });
    let hashed = service(&[1, 1], network, &[1, 2]);
    let held = approximate(DataPlaneKind::Ipvs, &hashed);
    assert_eq!(approximate(DataPlaneKind::Ipvs, &held), held);
    assert_eq!(
        fidelity(&hashed.spread, &held.spread).to_string(),
        "shares exact, by IPVS's hash of the whole address"
    );
}

#[test]
fn a_table_of_256_slots_is_sh_and_another_one_mh() {
    let table = |len: u32| -> Vec<u32> { (0..len).map(|n| n % 3 + 1).collect() };
    let sh = service(&[1, 1, 1], Selector::HashSource, &table(256));
    assert_eq!(
        ipvs(&sh),
        (Some(KernelScheduler::Sh { port: false }), vec![1, 1, 1])
    );
    let mh = service(&[1, 1, 1], Selector::HashFlow, &table(4093));
    assert_eq!(
        ipvs(&mh),
        (Some(KernelScheduler::Mh { port: true }), vec![1, 1, 1])
    );
}

#[test]
fn nftables_knows_nothing_of_weights() {
    let plain = approximate(
        DataPlaneKind::Nftables,
        &service(&[5, 1], Selector::Sequence, &[1, 2]),
    );
    assert!(plain.backends.values().all(|it| it.weight == 0));
}

#[test]
fn how_near_it_comes_is_said_in_words() {
    let said = |service: &ServiceState| {
        let held = approximate(DataPlaneKind::Ipvs, service);
        fidelity(&service.spread, &held.spread).to_string()
    };
    let weighted = service(&[2, 1], Selector::Sequence, &[1, 2, 1]);
    assert_eq!(said(&weighted), "shares exact, in IPVS's order");
    let random = service(&[1, 1], Selector::Random, &[1, 2, 1, 2]);
    assert_eq!(
        said(&random),
        "shares exact, in turn, since IPVS has nothing random"
    );
    let table: Vec<u32> = (0..1009).map(|n| n % 3 + 1).collect();
    let hashed = service(&[1, 1, 1], Selector::HashSource, &table);
    assert_eq!(said(&hashed), "shares within 0.1 %, by IPVS's hash");
}

fn selectors() -> impl Strategy<Value = Selector> {
    prop_oneof![
        Just(Selector::Sequence),
        Just(Selector::Random),
        Just(Selector::HashSource),
        Just(Selector::HashFlow)
    ]
}

/// Weights of a few servers, of very different sizes too, and slots.
fn services() -> impl Strategy<Value = ServiceState> {
    let weight = prop_oneof![0..4_u32, 0..300_u32, 60_000..65_536_u32];
    let weights = prop::collection::vec(weight, 1..12);
    let sizes = prop_oneof![1..20_usize, Just(256), 250..600_usize];
    (weights, selectors(), sizes, any::<u64>(), any::<bool>()).prop_map(
        |(weights, selector, size, seed, by_weight)| {
            let mut random = seed;
            let mut next = move || {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                random >> 33
            };
            let all: u64 = weights.iter().map(|it| u64::from(*it)).sum::<u64>().max(1);
            let slots: Vec<u32> = (0..size)
                .map(|_| {
                    let servers = weights.len() as u64;
                    let mut at = next() % if by_weight { all } else { servers };
                    if !by_weight {
                        return u32::try_from(at).unwrap() + 1;
                    }
                    (1..)
                        .zip(&weights)
                        .find(|(_, weight)| {
                            let here = at < u64::from(**weight);
                            at = at.saturating_sub(u64::from(**weight));
                            here
                        })
                        .map_or(1, |(n, _)| n)
                })
                .collect();
            service(&weights, selector, &slots)
        },
    )
}

proptest! {
    #[test]
    fn what_is_approximated_is_its_own_approximation(service in services()) {
        let once = approximate(DataPlaneKind::Ipvs, &service);
        prop_assert_eq!(&approximate(DataPlaneKind::Ipvs, &once), &once);
        let plain = approximate(DataPlaneKind::Nftables, &service);
        prop_assert_eq!(&approximate(DataPlaneKind::Nftables, &plain), &plain);
    }

    #[test]
    fn what_the_kernel_holds_tells_the_slots(service in services()) {
        let held = approximate(DataPlaneKind::Ipvs, &service);
        let scheduler = KernelScheduler::of(&held.spread).unwrap();
        let weights: BTreeMap<_, _> = held.backends.iter().map(|(id, it)| (*id, it.weight)).collect();
        prop_assert_eq!(scheduler.spread(&weights), held.spread);
    }

    #[test]
    fn a_server_has_a_weight_exactly_if_it_has_a_slot(service in services()) {
        let Spread::Slots { slots, .. } = &service.spread else { unreachable!() };
        let held = approximate(DataPlaneKind::Ipvs, &service);
        for (id, backend) in &held.backends {
            prop_assert_eq!(backend.weight > 0, slots.contains(id));
        }
    }
}
