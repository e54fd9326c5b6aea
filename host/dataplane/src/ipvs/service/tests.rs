use std::net::SocketAddr;

use evenkeel_core::approximate::approximate;
use evenkeel_core::model::DataPlaneKind;
use evenkeel_core::state::Selector;
use evenkeel_ipvs::Tunnel;
use proptest::prelude::*;

use super::super::identity::{Owner, number, owner, service_key};
use super::*;

fn id(n: u32) -> BackendId {
    BackendId::new(n).unwrap()
}

#[test]
fn a_number_is_kept_by_a_tunnel() {
    for n in [1, 0xffff, 0x1_0000, 0xab_cdef, BackendId::MAX] {
        assert_eq!(number(&tunnel(id(n))), Some(id(n)));
    }
    assert_eq!(tunnel(id(0xab_cdef)).port, 0xcdef);
    assert_eq!(number(&Tunnel::default()), None);
    let kind = TunnelKind::Gue;
    assert_eq!(
        number(&Tunnel {
            kind,
            ..tunnel(id(7))
        }),
        None
    );
    assert_eq!(
        number(&Tunnel {
            flags: 0x100,
            ..tunnel(id(7))
        }),
        None,
        "above the greatest"
    );
}

fn keys() -> impl Strategy<Value = ServiceKey> {
    let protocols = [
        model::Protocol::Tcp,
        model::Protocol::Udp,
        model::Protocol::Sctp,
        model::Protocol::Fwmark(7.try_into().unwrap()),
    ];
    (prop::sample::select(protocols.to_vec()), any::<bool>()).prop_map(|(protocol, v6)| {
        let marked = protocol.fwmark().is_some();
        let addr = match (marked, v6) {
            (true, false) => [0; 4].into(),
            (true, true) => [0_u8; 16].into(),
            (false, false) => [192, 0, 2, 1].into(),
            (false, true) => [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into(),
        };
        let port = if marked { 0 } else { 80 };
        ServiceKey {
            addr,
            port,
            protocol,
        }
    })
}

prop_compose! {
    fn services()(
        key in keys(),
        weights in prop::collection::vec((0..5_u32, 0..3_u32, 0..3_u32), 0..6),
        selector in prop::sample::select(vec![
            Selector::Sequence, Selector::Random, Selector::HashSource, Selector::HashFlow,
        ]),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..300),
        persistence in any::<Option<(u16, u8)>>(),
    ) -> (ServiceKey, ServiceState) {
        let v6 = key.addr.is_ipv6();
        let backends: BTreeMap<_, _> = (1..).zip(&weights).map(|(n, (weight, forward, upper))| {
            let address = if v6 {
                SocketAddr::from(([0xfd00, 0, 0, 0, 0, 0, 0, n], 80))
            } else {
                SocketAddr::from(([10, 0, 0, n.to_be_bytes()[1]], 80))
            };
            let forward = [model::Forward::Nat, model::Forward::Dr, model::Forward::Tun][*forward as usize];
            let (upper_threshold, lower_threshold) = (upper * 10, upper * 5);
            let backend = Backend { address, forward, weight: *weight, upper_threshold, lower_threshold };
            (id(u32::from(n)), backend)
        }).collect();
        let numbers: Vec<BackendId> = backends.keys().copied().collect();
        let slots: Vec<BackendId> = match numbers.len() {
            0 => Vec::new(),
            len => picks.iter().map(|pick| numbers[pick.index(len)]).collect(),
        };
        let spread = if slots.is_empty() { Spread::Refuse } else { Spread::Slots { selector, slots } };
        let bits = if v6 { 128 } else { 32 };
        let persistence = persistence.map(|(secs, prefix)| Persistence {
            timeout: Duration::from_secs(u64::from(secs) + 1),
            prefix: prefix % bits + 1,
        });
        let state = ServiceState { snat: false, backends: backends.into(), spread, persistence, queue: None };
        (key, approximate(DataPlaneKind::Ipvs, &state))
    }
}

/// A service of these weights, with a slot for each unit.
fn in_turn(weights: &[u32]) -> ServiceState {
    let backends = (1_u8..).zip(weights).map(|(n, weight)| {
        let address = SocketAddr::from(([10, 0, 0, n], 80));
        let weight = *weight;
        (
            id(n.into()),
            Backend {
                weight,
                ..address.into()
            },
        )
    });
    let backends: BTreeMap<_, _> = backends.collect();
    let slots = backends
        .iter()
        .flat_map(|(id, it)| (0..it.weight).map(|_| *id))
        .collect();
    let selector = Selector::Sequence;
    let spread = Spread::Slots { selector, slots };
    let state = ServiceState {
        snat: false,
        backends: backends.into(),
        spread,
        persistence: None,
        queue: None,
    };
    approximate(DataPlaneKind::Ipvs, &state)
}

#[test]
fn a_scheduler_that_does_the_same_is_not_exchanged() {
    let key = ServiceKey {
        addr: [192, 0, 2, 1].into(),
        port: 80,
        protocol: model::Protocol::Tcp,
    };
    let name = |held: &Held| held.service.scheduler.clone().unwrap();
    let round = wanted(&key, &in_turn(&[1, 1, 1]), None);
    assert_eq!(name(&round), "rr");
    let weighted = wanted(&key, &in_turn(&[2, 1, 1]), Some(&round));
    assert_eq!(name(&weighted), "wrr");
    // The first server fails, and returns.
    let failed = wanted(&key, &in_turn(&[0, 1, 1]), Some(&weighted));
    assert_eq!(name(&failed), "wrr");
    assert_eq!(state(&failed), in_turn(&[0, 1, 1]));
    // With weights that are not to count, wrr would do something else.
    let mut uneven = in_turn(&[1, 1]);
    uneven.backends.get_mut(&id(1)).unwrap().weight = 5;
    assert_eq!(name(&wanted(&key, &uneven, Some(&weighted))), "rr");
}

proptest! {
    #[test]
    fn what_is_wanted_is_what_the_kernel_s_form_of_it_comes_to((key, wish) in services(), (_, before) in services()) {
        let held = wanted(&key, &wish, None);
        prop_assert_eq!(state(&held), wish.clone());
        prop_assert_eq!(service_key(&held.service.key), Some(key));
        prop_assert_eq!(owner(held.service.flags), Owner::Service);
        for server in held.servers.values() {
            prop_assert_eq!(server.destination.tunnel.as_ref().and_then(number), Some(server.id));
        }
        // Whatever was there before.
        let again = wanted(&key, &wish, Some(&wanted(&key, &before, None)));
        prop_assert_eq!(state(&again), wish);
    }

    #[test]
    fn what_someone_else_changed_differs_from_all_that_can_be_wanted(
        (key, wish) in services(),
        what in 0..8_usize,
    ) {
        let mut held = wanted(&key, &wish, None);
        let server = held.servers.values_mut().next();
        match (what, server) {
            (0, _) => held.service.flags.0 |= Flags::ONE_PACKET.0,
            (1, _) => held.service.engine = Some("sip".into()),
            (2, _) if wish.persistence.is_none() => held.service.timeout = 5,
            (3, _) if wish.spread != Spread::Refuse => held.service.scheduler = Some("wlc".into()),
            (4, Some(server)) => server.destination.forward = Forward::Local,
            (5, Some(server)) => server.destination.tunnel = Some(Tunnel { kind: TunnelKind::Gre, ..Tunnel::default() }),
            (6, _) if wish.spread != Spread::Refuse => held.service.scheduler = None,
            (7, Some(server)) if wish.spread == Spread::Refuse => server.destination.weight = 1,
            _ => return Ok(()),
        }
        let found = state(&held);
        prop_assert!(found != wish);
        let differs = found.persistence == Some(FOREIGN)
            || found.backends.values().any(|it| it.lower_threshold > it.upper_threshold)
            || approximate(DataPlaneKind::Ipvs, &found) != found
            || what == 7;
        prop_assert!(differs, "{found:?} can be wanted");
    }
}
