//! What comes from the network and is no good: counted, and without consequences.

use proptest::prelude::*;

use super::super::{Counters, InstanceReport};
use super::*;

fn dropped(counters: &Counters) -> u64 {
    let Counters {
        malformed,
        checksum_errors,
        ttl_errors,
        version_errors,
        authentication_errors,
        unknown_peers,
        ..
    } = counters;
    malformed
        + checksum_errors
        + ttl_errors
        + version_errors
        + authentication_errors
        + unknown_peers
}

fn report(bench: &Bench) -> InstanceReport {
    bench.router.report(bench.now).remove(0)
}

#[test]
fn each_kind_of_bad_advert_has_its_counter_and_is_told_once() {
    type Spoil = fn(&mut Vec<u8>, &mut u8);
    type Count = fn(&Counters) -> u64;
    let rows: [(&str, Spoil, Count); 5] = [
        (
            "malformed",
            |message, _| message.truncate(9),
            |c| c.malformed,
        ),
        (
            "checksum",
            |message, _| message[6] ^= 1,
            |c| c.checksum_errors,
        ),
        ("TTL", |_, ttl| *ttl = 254, |c| c.ttl_errors),
        (
            "version 4",
            |message, _| message[0] = 0x41,
            |c| c.version_errors,
        ),
        (
            "version 2",
            |message, _| *message = two(),
            |c| c.version_errors,
        ),
    ];
    for (name, spoil, count) in rows {
        let mut bench = Bench::master(instance(100));
        for times in 1..=3 {
            let mut message = advert(200).encode(ip("10.10.54.156"), GROUP, Checksum::PseudoHeader);
            let mut ttl = 255;
            spoil(&mut message, &mut ttl);
            bench.hear_bytes("10.10.54.156", ttl, &message);
            assert_eq!(count(&report(&bench).counters), times, "{name}");
            let told = bench.outputs();
            let once: &[&str] = if times == 1 { &["warn"] } else { &[] };
            assert_eq!(told, once, "{name}, time {times}");
        }
        assert_eq!(bench.state(), State::Master, "{name}");
        assert_eq!(report(&bench).problems.len(), 1, "{name}");
        bench.pass(Duration::from_secs(10));
        assert!(
            report(&bench).problems.is_empty(),
            "{name}: not heard any more"
        );
    }
}

/// A good advert of version 2.
fn two() -> Vec<u8> {
    let advert = Advert {
        version: VrrpVersion::V2,
        interval: Duration::from_secs(1),
        ..advert(200)
    };
    advert.encode(ip("10.10.54.156"), GROUP, Checksum::PseudoHeader)
}

#[test]
fn another_password_is_dropped_and_told_and_no_one_shows_it() {
    let of = |word: &[u8; 8]| crate::model::Password(*word);
    let spec = VrrpInstance {
        version: VrrpVersion::V2,
        advert_interval: Duration::from_secs(1),
        password: Some(of(b"1111\0\0\0\0")),
        ..instance(100)
    };
    let other = |authentication| Advert {
        version: VrrpVersion::V2,
        interval: Duration::from_secs(1),
        authentication,
        ..advert(200)
    };
    let mut bench = Bench::master(spec);
    let wrong = [
        Authentication::None,
        Authentication::Text(of(b"2222\0\0\0\0")),
    ];
    for authentication in wrong {
        bench.hear("10.10.54.156", &other(authentication));
        assert_eq!(bench.state(), State::Master);
    }
    let counters = report(&bench).counters;
    assert_eq!((counters.authentication_errors, counters.received), (2, 0));
    let problems = report(&bench).problems.join("\n");
    assert!(problems.contains("password"), "{problems}");
    assert!(
        !problems.contains("1111") && !problems.contains("2222"),
        "{problems}"
    );
    bench.hear(
        "10.10.54.156",
        &other(Authentication::Text(of(b"1111\0\0\0\0"))),
    );
    assert_eq!(bench.state(), State::Backup);
    assert!(report(&bench).problems.is_empty(), "it fits again");
}

#[test]
fn only_named_peers_are_listened_to_and_they_may_be_far_away() {
    let spec = VrrpInstance {
        peers: vec![ip("10.10.54.156")],
        ..instance(100)
    };
    let mut bench = Bench::master(spec);
    bench.hear("10.10.54.157", &advert(200));
    assert_eq!(bench.state(), State::Master);
    assert_eq!(report(&bench).counters.unknown_peers, 1);
    let far = advert(200).encode(ip("10.10.54.156"), GROUP, Checksum::PseudoHeader);
    bench.hear_bytes("10.10.54.156", 60, &far);
    assert_eq!(bench.state(), State::Backup);
}

#[test]
fn ones_own_adverts_and_those_of_other_routers_are_no_news() {
    let mut bench = Bench::master(instance(100));
    bench.hear("10.10.54.155", &advert(200));
    let other = Advert {
        router_id: 52,
        ..advert(200)
    };
    bench.hear("10.10.54.156", &other);
    assert_eq!(report(&bench).counters.received, 0);
    assert_eq!(bench.outputs(), [""; 0]);
}

#[test]
fn a_flood_of_adverts_is_answered_a_few_times_an_interval() {
    let mut bench = Bench::master(instance(100));
    bench.outputs();
    let (mut sent, mut rounds) = (0, 0);
    for turn in 0..10_000 {
        bench.pass(Duration::from_micros(10));
        let priority = if turn % 2 == 0 { 50 } else { 0 };
        bench.hear("10.10.54.156", &advert(priority));
        for output in bench.outputs() {
            sent += usize::from(output.starts_with("send"));
            rounds += usize::from(output.starts_with("announce"));
        }
    }
    // 100 ms of it, which is one interval.
    assert!(sent <= 10, "{sent} adverts");
    assert!(rounds <= 4, "{rounds} announcements");
}

proptest! {
    #[test]
    fn whatever_is_received_is_counted_or_true_and_never_a_panic(
        packets in prop::collection::vec(
            (any::<[u8; 4]>(), any::<u8>(), prop::collection::vec(any::<u8>(), 0..60), any::<bool>()),
            1..50,
        ),
        master in any::<bool>(),
    ) {
        let mut bench = if master {
            Bench::master(instance(100))
        } else {
            Bench::new(instance(100))
        };
        bench.outputs();
        let state = bench.state();
        for (from, ttl, mut payload, pretend) in packets {
            if pretend && payload.len() > 1 {
                payload[0] = 0x31;
                payload[1] = 51;
            }
            let from = IpAddr::from(from).to_string();
            let before = report(&bench).counters;
            bench.hear_bytes(&from, ttl, &payload);
            let after = report(&bench).counters;
            let is_for_us = payload.len() < 2 || payload[1] == 51;
            let counted = dropped(&after) - dropped(&before) + after.received - before.received;
            if is_for_us && from != "10.10.54.155" {
                prop_assert_eq!(counted, 1);
            }
            if after.received == before.received {
                prop_assert_eq!(bench.state(), state);
                prop_assert_eq!(bench.deeds(), Vec::<String>::new());
            }
        }
    }
}
