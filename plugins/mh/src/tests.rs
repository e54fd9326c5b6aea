use std::net::SocketAddr;

use evenkeel_sdk::testing::{SchedulerTest, scheduler_manifest};
use evenkeel_sdk::{Protocol, SettingValue};
use proptest::prelude::*;

use super::*;
use crate::moves;

fn mh(settings: &[(&str, SettingValue)]) -> SchedulerTest<MaglevHashing> {
    SchedulerTest::new(settings).unwrap()
}

/// Five servers at 10.8.0.1:80 to 10.8.0.5:80, whose addresses the table depends on.
fn set(test: &mut SchedulerTest<MaglevHashing>, weights: [u32; 5]) {
    let servers = (0..5_u32).zip(weights).map(|(i, weight)| {
        let endpoint = format!("10.8.0.{}:80", 1 + i).parse().unwrap();
        Backend::new(70 - i, i.to_string(), endpoint, weight)
    });
    test.set_backends(servers.collect());
    test.plan();
}

fn flow(source: SocketAddr) -> Flow {
    Flow {
        protocol: Protocol::Tcp,
        source,
        destination: "192.0.2.250:80".parse().unwrap(),
    }
}

/// Who was picked for 60 clients, as one digit each; '-': refused.
fn picks(test: &mut SchedulerTest<MaglevHashing>, port: impl Fn(u16) -> u16) -> String {
    (0..60_u16)
        .map(|i| {
            let source = format!("10.9.{}.{}:{}", i % 7, 1 + i, port(i));
            let picked = test.pick(&flow(source.parse().unwrap()));
            picked.unwrap_or_else(|| "-".to_owned())
        })
        .collect()
}

/// What follows was seen of IPVS in Linux 6.1 (User-Mode Linux): 60 clients, five servers.
#[test]
fn clients_go_where_ipvs_sends_them() {
    let mut test = mh(&[]);
    set(&mut test, [1, 2, 7, 5, 3]);
    let seen = "212213334014220032212203442323112214223223421222310213333140";
    assert_eq!(picks(&mut test, |_| 999), seen);
    set(&mut test, [1000, 1, 65_535, 300, 7]);
    let seen = "222222222222222222222223222222222224222223222222220222222222";
    assert_eq!(picks(&mut test, |_| 999), seen);
}

#[test]
fn a_draining_server_keeps_its_slots_and_its_clients_are_refused_as_ipvs_does() {
    let mut test = mh(&[]);
    set(&mut test, [1, 2, 7, 5, 3]);
    set(&mut test, [1, 2, 0, 5, 3]);
    let seen = "-1--13334014--003--1--0344-3-311--14--3--34-1---310-13333140";
    assert_eq!(picks(&mut test, |_| 999), seen);
}

#[test]
fn with_fallback_clients_of_a_draining_server_go_where_ipvs_sends_them() {
    let mut test = mh(&[("fallback", true.into())]);
    set(&mut test, [1, 2, 7, 5, 3]);
    set(&mut test, [1, 2, 0, 5, 3]);
    let seen = "313013334014430034413303444333113314143313431304310113333140";
    assert_eq!(picks(&mut test, |_| 999), seen);
}

#[test]
fn with_port_connections_of_a_client_go_where_ipvs_sends_them() {
    let mut test = mh(&[("port", true.into())]);
    set(&mut test, [1, 2, 7, 5, 3]);
    let seen = "322234322202132422322232331014222244033140221212323222334232";
    assert_eq!(picks(&mut test, |i| 20_000 + 37 * i), seen);
}

#[test]
fn little_more_moves_than_must() {
    // With 41 slots for each of 100 servers, chains of changes add some percent.
    for moved in moves::all::<MaglevHashing>("mh", &[]) {
        for share in [moved.clients, moved.slots] {
            assert!(share >= moved.ideal * 0.7, "{}", moved.change);
            assert!(share <= moved.ideal + 6.0, "{}", moved.change);
        }
    }
}

#[test]
fn the_plan_moves_only_a_draining_servers_slots() {
    let mut test = mh(&[]);
    set(&mut test, [1, 2, 7, 5, 3]);
    let before = test.slots();
    assert_eq!(before.len(), 4093);
    set(&mut test, [1, 2, 0, 5, 3]);
    let after = test.slots();
    assert!(after.iter().all(|name| name != "2"));
    for (before, after) in before.iter().zip(&after) {
        assert!(before == "2" || before == after);
    }
}

#[test]
fn without_a_server_that_takes_connections_they_are_refused() {
    let mut test = mh(&[("fallback", true.into())]);
    assert_eq!(test.plan(), Plan::None);
    set(&mut test, [1; 5]);
    set(&mut test, [0; 5]);
    assert_eq!(test.plan(), Plan::None);
    assert_eq!(picks(&mut test, |_| 999), "-".repeat(60));
}

#[test]
fn it_says_what_it_is() {
    let manifest = scheduler_manifest::<MaglevHashing>();
    let keys: Vec<_> = manifest.settings.iter().map(|s| s.key.as_str()).collect();
    assert_eq!(keys, ["port", "fallback"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn only_servers_with_a_weight_are_used_and_all_slots_are_taken(
        weights in prop::collection::vec(0_u32..=65_535, 1..1000),
    ) {
        let names: Vec<String> = (0..weights.len()).map(|i| i.to_string()).collect();
        let servers: Vec<_> = names.iter().map(String::as_str).zip(weights.iter().copied()).collect();
        let mut test = mh(&[]);
        test.backends(&servers);
        let slots = test.slots();
        prop_assert!(slots.len() == 4093 || weights.iter().all(|weight| *weight == 0));
        prop_assert!(slots.iter().all(|slot| weights[slot.parse::<usize>().unwrap()] > 0));
    }

    #[test]
    fn shares_are_by_weight_within_one_turn(
        weights in prop::collection::vec(1_u32..=31, 1..20),
    ) {
        // Undivided weights, so that a turn is a weight.
        let mut weights = weights;
        weights.push(1);
        let names: Vec<String> = (0..weights.len()).map(|i| i.to_string()).collect();
        let servers: Vec<_> = names.iter().map(String::as_str).zip(weights.iter().copied()).collect();
        let mut test = mh(&[]);
        test.backends(&servers);
        let counts = test.counts();
        let total: u32 = weights.iter().sum();
        for (name, weight) in servers {
            let rounds = 4093 / total;
            prop_assert!((rounds * weight..=(rounds + 1) * weight).contains(&counts[name]));
        }
    }
}
