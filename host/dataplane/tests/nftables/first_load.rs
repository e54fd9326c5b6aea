//! A table that is not there is made in parts, and holds all of them.

use evenkeel_core::diff::diff;
use evenkeel_core::model::{Persistence, Protocol, ServiceKey};
use evenkeel_core::state::{BackendId, Selector, ServiceState, Spread, State};
use evenkeel_dataplane::DataPlane;
use evenkeel_dataplane::nftables::Nftables;

use std::time::Duration;

use evenkeel_tests::in_a_namespace;

/// Services of so many slots; each fifth remembers its clients.
fn services(count: u16, slots: u32) -> State {
    let service = |n: u16| {
        let ids: Vec<_> = (1..=2)
            .map(|of| BackendId::new(u32::from(n) * 2 + of).unwrap())
            .collect();
        let address = |of: usize| {
            let address = (
                [10, 0, n.to_be_bytes()[1], u8::try_from(of + 1).unwrap()],
                80,
            );
            std::net::SocketAddr::from(address).into()
        };
        let state = ServiceState {
            snat: false,
            backends: ids
                .iter()
                .enumerate()
                .map(|(of, id)| (*id, address(of)))
                .collect(),
            spread: Spread::Slots {
                selector: Selector::HashSource,
                slots: (0..slots)
                    .map(|slot| ids[usize::from(slot % 3 == 0)])
                    .collect(),
            },
            persistence: n.is_multiple_of(5).then(|| Persistence {
                timeout: Duration::from_secs(300),
                prefix: 32,
            }),
            queue: None,
        };
        let key = ServiceKey {
            addr: [192, 0, 2, 1].into(),
            port: 1000 + n,
            protocol: if n.is_multiple_of(2) {
                Protocol::Tcp
            } else {
                Protocol::Udp
            },
        };
        (key, state)
    };
    State {
        services: (0..count).map(service).collect(),
        hairpin: ["10.0.0.0/16".parse().unwrap()].into(),
        ..State::default()
    }
}

in_a_namespace! {
    fn a_first_load_of_more_than_one_batch_holds_everything() {
        let wanted = services(50, 4096);
        let mut plane = Nftables::new("evenkeel").unwrap();
        plane.apply(&diff(&State::default(), &wanted)).unwrap();
        assert!(plane.read().unwrap() == wanted);
        // As another process finds it.
        let mut plane = Nftables::new("evenkeel").unwrap();
        assert!(plane.read().unwrap() == wanted);
        assert!(diff(&plane.read().unwrap(), &wanted).is_empty());
    }
}
