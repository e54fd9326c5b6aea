use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;

use proptest::prelude::*;

use super::*;
use crate::family::Family;
use crate::key::Protocol;

#[test]
fn a_service_is_said_in_the_kernel_s_words() {
    let service = Service {
        key: Key::Address {
            protocol: Protocol::TCP,
            address: ([192, 0, 2, 1], 80).into(),
        },
        scheduler: Some("wrr".into()),
        flags: Flags::PERSISTENT.and(Flags(0x4500_0000)),
        timeout: 300,
        granularity: Granularity::new(Family::V4, 24),
        engine: None,
    };
    let mut bytes = Vec::new();
    service.encode(&mut bytes);
    #[rustfmt::skip]
    let expected = [
        6, 0, 1, 0, 2, 0, 0, 0,
        6, 0, 2, 0, 6, 0, 0, 0,
        20, 0, 3, 0, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        6, 0, 4, 0, 0, 80, 0, 0,
        8, 0, 6, 0, b'w', b'r', b'r', 0,
        12, 0, 7, 0, 1, 0, 0, 0x45, 255, 255, 255, 255,
        8, 0, 8, 0, 44, 1, 0, 0,
        8, 0, 9, 0, 255, 255, 255, 0,
    ];
    assert_eq!(bytes, expected);
}

#[test]
fn a_firewall_mark_stands_for_protocol_address_and_port() {
    let service = Service {
        key: Key::Fwmark {
            mark: NonZeroU32::new(7).unwrap(),
            family: Family::V6,
        },
        scheduler: None,
        flags: Flags::default(),
        timeout: 0,
        granularity: Granularity::single(Family::V6),
        engine: Some("sip".into()),
    };
    let mut bytes = Vec::new();
    service.encode(&mut bytes);
    #[rustfmt::skip]
    let expected = [
        6, 0, 1, 0, 10, 0, 0, 0,
        8, 0, 5, 0, 7, 0, 0, 0,
        9, 0, 6, 0, b'n', b'o', b'n', b'e', 0, 0, 0, 0,
        8, 0, 11, 0, b's', b'i', b'p', 0,
        12, 0, 7, 0, 0, 0, 0, 0, 255, 255, 255, 255,
        8, 0, 8, 0, 0, 0, 0, 0,
        8, 0, 9, 0, 128, 0, 0, 0,
    ];
    assert_eq!(bytes, expected);
}

#[test]
fn a_mask_with_gaps_is_no_prefix() {
    assert_eq!(Granularity::Mask([255, 0, 255, 0].into()).bits(), None);
    for bits in 0..=32 {
        assert_eq!(Granularity::new(Family::V4, bits).bits(), Some(bits));
    }
    assert_eq!(
        Granularity::new(Family::V4, 20),
        Granularity::Mask([255, 255, 240, 0].into())
    );
}

fn addresses() -> impl Strategy<Value = SocketAddr> {
    any::<(IpAddr, u16)>().prop_map(SocketAddr::from)
}

fn keys() -> impl Strategy<Value = Key> {
    prop_oneof![
        (any::<u16>(), addresses()).prop_map(|(protocol, address)| Key::Address {
            protocol: Protocol(protocol),
            address
        }),
        (1..=u32::MAX, any::<bool>()).prop_map(|(mark, v6)| Key::Fwmark {
            mark: NonZeroU32::new(mark).unwrap(),
            family: if v6 { Family::V6 } else { Family::V4 },
        }),
    ]
}

fn services() -> impl Strategy<Value = Service> {
    let name = "[a-z]{1,12}".prop_filter("means that there is none", |name| name != NO_SCHEDULER);
    (
        keys(),
        prop::option::of(name),
        any::<u32>(),
        any::<u32>(),
        any::<u32>(),
        prop::option::of("[a-z]{1,12}"),
    )
        .prop_map(|(key, scheduler, flags, timeout, mask, engine)| Service {
            key,
            scheduler,
            flags: Flags(flags),
            timeout,
            granularity: match key.family() {
                Family::V4 => Granularity::Mask(mask.into()),
                Family::V6 => Granularity::Prefix(mask.to_ne_bytes()[0]),
            },
            engine,
        })
}

proptest! {
    #[test]
    fn a_service_is_read_back_as_it_was_written(service in services()) {
        let mut bytes = Vec::new();
        service.encode(&mut bytes);
        prop_assert_eq!(Service::decode(&bytes), Some(service.clone()));
        prop_assert_eq!(ServiceEntry::decode(&bytes).unwrap().service, service);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = ServiceEntry::decode(&bytes);
    }

    #[test]
    fn a_service_with_bytes_changed_does_not_panic(
        service in services(),
        changes in prop::collection::vec(any::<(prop::sample::Index, u8)>(), 1..8),
    ) {
        let mut bytes = Vec::new();
        service.encode(&mut bytes);
        for (place, value) in changes {
            let at = place.index(bytes.len());
            bytes[at] = value;
        }
        let _ = ServiceEntry::decode(&bytes);
    }
}
