//! Messages as they were captured from keepalived 2.2.7, and messages that are none.

use proptest::prelude::*;

use super::super::packet::{Advert, Authentication, DecodeError};
use super::*;
use crate::model::Password;

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}

/// Name, message, source, destination, what it says, and how its checksum is made.
type Captured = (&'static str, Vec<u8>, IpAddr, IpAddr, Advert, Checksum);

fn captured() -> Vec<Captured> {
    let v2 = Advert {
        version: VrrpVersion::V2,
        router_id: 51,
        priority: 100,
        interval: Duration::from_secs(1),
        addresses: vec![ip("10.9.0.100"), ip("10.9.0.101")],
        authentication: Authentication::Text(Password(*b"s3cretpw")),
    };
    let v3 = Advert {
        version: VrrpVersion::V3,
        priority: 150,
        interval: Duration::from_millis(500),
        addresses: vec![ip("10.9.0.100")],
        authentication: Authentication::None,
        ..v2.clone()
    };
    let v6 = Advert {
        interval: Duration::from_secs(1),
        addresses: vec![ip("fe80::51"), ip("2001:db8::100")],
        ..v3.clone()
    };
    let mut six = bytes("313396020064e922");
    for addr in ["fe80::51", "2001:db8::100"] {
        if let IpAddr::V6(addr) = ip(addr) {
            six.extend(addr.octets());
        }
    }
    let link_local = ip("fe80::70b7:14ff:febf:9f13");
    let pseudo = Checksum::PseudoHeader;
    vec![
        (
            "version 2 with a password",
            bytes("213364020101b85c0a0900640a0900657333637265747077"),
            ip("10.9.0.2"),
            GROUP,
            v2,
            pseudo,
        ),
        (
            "version 3 with a pseudo-header",
            bytes("31339601003243930a090064"),
            ip("10.9.0.1"),
            GROUP,
            v3.clone(),
            pseudo,
        ),
        (
            "version 3 without",
            bytes("3133960100322e2c0a090064"),
            ip("10.9.0.1"),
            GROUP,
            v3,
            Checksum::MessageOnly,
        ),
        (
            "version 3 over IPv6",
            six,
            link_local,
            ip("ff02::12"),
            v6,
            pseudo,
        ),
    ]
}

#[test]
fn captured_messages_are_read_and_written_to_the_byte() {
    for (name, message, source, destination, advert, checksum) in captured() {
        let read = Advert::decode(&message, source, destination);
        assert_eq!(read, Ok(advert.clone()), "{name}");
        let written = advert.encode(source, destination, checksum);
        assert_eq!(written, message, "{name}");
    }
}

#[test]
fn a_message_with_any_one_bit_changed_is_dropped() {
    // Ones' complement sees every single bit: no change of one bit is a multiple of 0xffff.
    for (name, message, source, destination, ..) in captured() {
        for bit in 0..message.len() * 8 {
            let mut changed = message.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let read = Advert::decode(&changed, source, destination);
            assert!(read.is_err(), "{name}, bit {bit}: {read:?}");
        }
    }
}

#[test]
fn each_way_of_being_no_advert_has_its_error() {
    let (_, good, source, destination, ..) = captured().remove(1);
    let read = |message: &[u8]| Advert::decode(message, source, destination).unwrap_err();
    let with = |at: usize, value: u8| {
        let mut message = good.clone();
        message[at] = value;
        message
    };
    assert_eq!(read(&[]), DecodeError::Malformed);
    assert_eq!(
        read(&good[..7]),
        DecodeError::Malformed,
        "shorter than a header"
    );
    assert_eq!(read(&good[..11]), DecodeError::Malformed, "half an address");
    assert_eq!(read(&[&good[..], &[0; 4]].concat()), DecodeError::Malformed);
    assert_eq!(read(&with(0, 0x32)), DecodeError::Malformed, "another type");
    assert_eq!(read(&with(3, 2)), DecodeError::Malformed, "a wrong count");
    assert_eq!(read(&with(1, 0)), DecodeError::Malformed, "VRID 0");
    assert_eq!(read(&with(0, 0x41)), DecodeError::Version(4));
    assert_eq!(read(&with(2, 151)), DecodeError::Checksum);
    let (_, six, from, to, ..) = captured().remove(3);
    let mut two = six;
    two[0] = 0x21;
    let read = Advert::decode(&two, from, to);
    assert_eq!(read, Err(DecodeError::Version(2)), "version 2 over IPv6");
}

#[test]
fn an_interval_of_zero_is_no_interval() {
    let none = Advert {
        interval: Duration::ZERO,
        ..advert(100)
    };
    let message = none.encode(ip("10.9.0.1"), GROUP, Checksum::PseudoHeader);
    let read = Advert::decode(&message, ip("10.9.0.1"), GROUP);
    assert_eq!(read, Err(DecodeError::Malformed));
}

fn adverts() -> impl Strategy<Value = (Advert, IpAddr, IpAddr)> {
    let v2 = (any::<[u8; 8]>(), 1..=255u64, any::<bool>()).prop_map(|(word, seconds, text)| {
        let authentication = if text {
            Authentication::Text(Password(word))
        } else {
            Authentication::None
        };
        (
            VrrpVersion::V2,
            Duration::from_secs(seconds),
            authentication,
        )
    });
    let v3 = (1..=4095u64).prop_map(|cs| {
        (
            VrrpVersion::V3,
            Duration::from_millis(cs * 10),
            Authentication::None,
        )
    });
    let four = (
        prop_oneof![v2, v3.clone()],
        prop::collection::vec(any::<[u8; 4]>(), 0..20),
        any::<[u8; 4]>(),
    );
    let six = (
        v3,
        prop::collection::vec(any::<[u8; 16]>(), 0..20),
        any::<[u8; 16]>(),
    );
    let four = four.prop_map(|(kind, all, from)| {
        let all: Vec<IpAddr> = all.into_iter().map(IpAddr::from).collect();
        (kind, all, IpAddr::from(from), GROUP)
    });
    let six = six.prop_map(|(kind, all, from)| {
        let all: Vec<IpAddr> = all.into_iter().map(IpAddr::from).collect();
        (kind, all, IpAddr::from(from), ip("ff02::12"))
    });
    (prop_oneof![four, six], 1..=255u8, any::<u8>()).prop_map(
        |(((version, interval, authentication), addresses, from, to), router_id, priority)| {
            let advert = Advert {
                version,
                router_id,
                priority,
                interval,
                addresses,
                authentication,
            };
            (advert, from, to)
        },
    )
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_again((advert, from, to) in adverts(), plain in any::<bool>()) {
        let checksum = if plain { Checksum::MessageOnly } else { Checksum::PseudoHeader };
        let message = advert.encode(from, to, checksum);
        prop_assert_eq!(Advert::decode(&message, from, to), Ok(advert));
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(
        message in prop::collection::vec(any::<u8>(), 0..80),
        from in any::<IpAddr>(),
        to in any::<IpAddr>(),
    ) {
        if let Ok(advert) = Advert::decode(&message, from, to) {
            prop_assert!(!advert.interval.is_zero());
        }
    }

    #[test]
    fn damaged_messages_are_dropped_or_say_something_true(
        (advert, from, to) in adverts(),
        at in any::<prop::sample::Index>(),
        value in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut message = advert.encode(from, to, Checksum::PseudoHeader);
        let length = message.len();
        message[at.index(length)] = value;
        message.truncate(cut.index(length) + 1);
        if let Ok(read) = Advert::decode(&message, from, to) {
            // Only what the checksum cannot see: 0x00 for 0xff in its own field, or no change at all.
            prop_assert_eq!(message.len(), length);
            prop_assert_eq!(read, advert);
        }
    }
}
