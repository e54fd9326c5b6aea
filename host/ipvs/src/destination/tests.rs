use std::net::IpAddr;

use proptest::prelude::*;

use super::*;

#[test]
fn a_destination_is_said_in_the_kernel_s_words() {
    let destination = Destination {
        address: ([10, 0, 0, 1], 8080).into(),
        forward: Forward::Route,
        weight: 5,
        upper_threshold: 100,
        lower_threshold: 75,
        tunnel: Some(Tunnel {
            kind: TunnelKind::Ipip,
            port: 0x0102,
            flags: 0x0304,
        }),
    };
    let mut bytes = Vec::new();
    destination.encode(&mut bytes);
    #[rustfmt::skip]
    let expected = [
        6, 0, 11, 0, 2, 0, 0, 0,
        20, 0, 1, 0, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        6, 0, 2, 0, 0x1f, 0x90, 0, 0,
        8, 0, 3, 0, 3, 0, 0, 0,
        8, 0, 4, 0, 5, 0, 0, 0,
        8, 0, 5, 0, 100, 0, 0, 0,
        8, 0, 6, 0, 75, 0, 0, 0,
        5, 0, 13, 0, 0, 0, 0, 0,
        6, 0, 14, 0, 1, 2, 0, 0,
        6, 0, 15, 0, 4, 3, 0, 0,
    ];
    assert_eq!(bytes, expected);
}

#[test]
fn an_address_without_its_version_is_of_the_service_s() {
    let mut bytes = Vec::new();
    put_address(&mut bytes, attribute::ADDR, [10, 0, 0, 1].into());
    put(&mut bytes, attribute::PORT, &80_u16.to_be_bytes());
    let destination = Destination::decode(&bytes, Family::V4).unwrap();
    assert_eq!(destination.address, ([10, 0, 0, 1], 80).into());
    assert_eq!(destination.tunnel, None);
}

prop_compose! {
    fn destinations()(
        address in any::<(IpAddr, u16)>(),
        forward in 0..8_u32,
        numbers in any::<[u32; 3]>(),
        tunnel in any::<Option<(u8, u16, u16)>>(),
    ) -> Destination {
        let [weight, upper_threshold, lower_threshold] = numbers;
        Destination {
            address: address.into(),
            forward: Forward::from_number(forward),
            weight,
            upper_threshold,
            lower_threshold,
            tunnel: tunnel.map(|(kind, port, flags)| Tunnel { kind: TunnelKind::from_number(kind), port, flags }),
        }
    }
}

proptest! {
    #[test]
    fn a_destination_is_read_back_as_it_was_written(destination in destinations(), other: bool) {
        let mut bytes = Vec::new();
        destination.encode(&mut bytes);
        let family = if other { Family::V6 } else { Family::V4 };
        prop_assert_eq!(Destination::decode(&bytes, family), Some(destination));
        prop_assert_eq!(DestinationEntry::decode(&bytes, family).unwrap().destination, destination);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = DestinationEntry::decode(&bytes, Family::V4);
        let _ = DestinationEntry::decode(&bytes, Family::V6);
    }
}
