//! Clients go where they went before.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use evenkeel_core::model::{Persistence, Protocol, ServiceKey};
use evenkeel_core::state::{Change, Selector, ServiceState, Spread};
use evenkeel_dataplane::DataPlane;
use evenkeel_dataplane::nftables::Nftables;

use crate::lab::{ask_from, client, id, key, service, set_up, within};
use evenkeel_tests::{in_a_namespace, sh};

fn sticky(v6: bool, secs: u64, prefix: u8, plan: &[u16]) -> ServiceState {
    let timeout = Duration::from_secs(secs);
    ServiceState {
        persistence: Some(Persistence { timeout, prefix }),
        ..service(v6, 0, Selector::Sequence, plan)
    }
}

/// The server that a client of this address gets.
fn from(address: &str, to: ServiceKey) -> u8 {
    let address: IpAddr = address.parse().unwrap();
    within("client", move || {
        ask_from(address, to.socket_addr()).unwrap()
    })
    .join()
    .unwrap()
}

/// Two clients of one network, and two of another.
fn clients(v6: bool) -> [&'static str; 4] {
    if v6 {
        ["fd77::2", "fd77::3", "fd77:2::2", "fd77:2::3"]
    } else {
        ["10.77.0.2", "10.77.0.3", "10.77.1.2", "10.77.1.3"]
    }
}

in_a_namespace! {
    fn a_client_s_network_keeps_its_server() {
        set_up();
        for v6 in [false, true] {
            let mut plane = Nftables::new("evenkeel").unwrap();
            plane.clear().unwrap();
            let key = key(v6, 80, Protocol::Udp);
            let prefix = if v6 { 64 } else { 24 };
            let [a, b, c, d] = clients(v6);
            plane.apply(&[Change::Put(key, sticky(v6, 300, prefix, &[1, 2, 3, 4]))]).unwrap();
            assert_eq!([a, b, a, c, d, a, c].map(|who| from(who, key)), [1, 1, 1, 2, 2, 1, 2]);

            // Another plan, in which the first one's server drains; then without any server for new clients.
            plane.apply(&[Change::Put(key, sticky(v6, 300, prefix, &[4, 3]))]).unwrap();
            assert_eq!([a, c, a].map(|who| from(who, key)), [1, 2, 1]);
            plane.apply(&[Change::Put(key, sticky(v6, 300, prefix, &[]))]).unwrap();
            assert_eq!([b, d].map(|who| from(who, key)), [1, 2]);

            // The daemon starts again, and goes on.
            let mut plane = Nftables::new("evenkeel").unwrap();
            assert_eq!(plane.read().unwrap().services[&key], sticky(v6, 300, prefix, &[]));
            plane.apply(&[Change::Put(key, sticky(v6, 60, prefix, &[4, 3]))]).unwrap();
            assert_eq!([a, c].map(|who| from(who, key)), [1, 2]);

            // The first one's server fails: another is chosen, and kept when it comes back.
            let mut failed = sticky(v6, 60, prefix, &[4, 3]);
            failed.backends.remove(&id(1));
            plane.apply(&[Change::Put(key, failed)]).unwrap();
            let chosen = from(a, key);
            assert!([3, 4].contains(&chosen), "{chosen}");
            assert_eq!([b, a, c].map(|who| from(who, key)), [chosen, chosen, 2]);
            plane.apply(&[Change::Put(key, sticky(v6, 60, prefix, &[1, 2]))]).unwrap();
            assert_eq!([a, b, c].map(|who| from(who, key)), [chosen, chosen, 2]);

            // By all bits of the address, every client is one of its own; without persistence none is remembered.
            let bits = if v6 { 128 } else { 32 };
            plane.apply(&[Change::Put(key, sticky(v6, 60, bits, &[1, 2]))]).unwrap();
            let (first, second) = (from(a, key), from(b, key));
            assert_ne!(first, second);
            assert_eq!([a, b, b, a].map(|who| from(who, key)), [first, second, second, first]);
            plane.apply(&[Change::Put(key, service(v6, 0, Selector::Sequence, &[1, 2]))]).unwrap();
            assert_ne!(from(a, key), from(a, key));
        }
    }
}

in_a_namespace! {
    fn tcp_and_full_nat_keep_their_servers_and_are_counted() {
        set_up();
        let mut plane = Nftables::new("evenkeel").unwrap();
        for v6 in [false, true] {
            for snat in [false, true] {
                plane.clear().unwrap();
                let key = key(v6, 80, Protocol::Tcp);
                let state = ServiceState { snat, ..sticky(v6, 300, 32, &[3, 1]) };
                plane.apply(&[Change::Put(key, state)]).unwrap();
                assert_eq!(client(10, key), [3; 10]);
                assert_eq!(plane.counters().unwrap()[&id(3)].connections, 10);
            }
        }
    }
}

/// Milliseconds until what is remembered in the map expires.
fn expires(map: &str) -> Vec<u64> {
    let listed = sh(&format!("nft list map inet evenkeel {map}"));
    let times = listed.split("expires ").skip(1);
    times
        .map(|rest| {
            let time = rest.split(' ').next().unwrap();
            let mut total = 0;
            let mut number = 0;
            let mut unit = String::new();
            for c in time.chars().chain(['0']) {
                if let Some(digit) = c.to_digit(10) {
                    total += match unit.as_str() {
                        "" => 0,
                        "ms" => number,
                        "s" => number * 1_000,
                        "m" => number * 60_000,
                        other => unreachable!("{other} in {time}"),
                    };
                    if !std::mem::take(&mut unit).is_empty() {
                        number = 0;
                    }
                    number = number * 10 + u64::from(digit);
                } else {
                    unit.push(c);
                }
            }
            total
        })
        .collect()
}

in_a_namespace! {
    fn a_client_is_remembered_from_its_last_connection_on_and_forgotten_in_time() {
        set_up();
        let mut plane = Nftables::new("evenkeel").unwrap();
        for (v6, map) in [(false, "aff4"), (true, "aff6")] {
            let key = key(v6, 80, Protocol::Udp);
            let [a, ..] = clients(v6);
            plane.clear().unwrap();
            plane.apply(&[Change::Put(key, sticky(v6, 50, 32, &[1, 2]))]).unwrap();
            assert_eq!(from(a, key), 1);
            // Longer than a look takes, which is seconds in an emulated kernel.
            let start = Instant::now();
            expires(map);
            std::thread::sleep(Duration::from_millis(300).max(start.elapsed() * 2));
            let before = expires(map);
            assert_eq!(from(a, key), 1);
            let after = expires(map);
            assert!(before.len() == 1 && after.len() == 1, "{before:?} {after:?}");
            assert!(after[0] > before[0] || before[0] < 40_000, "{before:?} {after:?}");

            // Its time becomes a short one with its next connection.
            plane.apply(&[Change::Put(key, sticky(v6, 1, 32, &[1, 2]))]).unwrap();
            assert_eq!(from(a, key), 1);
            while !expires(map).is_empty() {
                std::thread::sleep(Duration::from_millis(100));
            }
            assert_eq!(from(a, key), 2);
        }
    }
}

in_a_namespace! {
    fn a_service_that_is_removed_and_put_back_meets_no_stale_server() {
        set_up();
        let mut plane = Nftables::new("evenkeel").unwrap();
        let key = key(false, 80, Protocol::Udp);
        let [a, ..] = clients(false);
        plane.apply(&[Change::Put(key, sticky(false, 300, 32, &[1, 2]))]).unwrap();
        assert_eq!(from(a, key), 1);
        plane.apply(&[Change::Remove(key)]).unwrap();
        // Its servers have other numbers now.
        let mut again = ServiceState {
            persistence: sticky(false, 300, 32, &[]).persistence,
            ..service(false, 20, Selector::Sequence, &[3, 4])
        };
        plane.apply(&[Change::Put(key, again.clone())]).unwrap();
        assert_eq!([from(a, key), from(a, key)], [3, 3]);
        again.spread = Spread::Refuse;
        plane.apply(&[Change::Put(key, again)]).unwrap();
        assert_eq!(from(a, key), 3);
    }
}
