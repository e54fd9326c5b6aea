use std::net::SocketAddr;

use evenkeel_sdk::testing::{SchedulerTest, scheduler_manifest};
use evenkeel_sdk::{Protocol, SettingValue};
use proptest::prelude::*;

use super::*;
use crate::moves;

fn sh(settings: &[(&str, SettingValue)]) -> SchedulerTest<SourceHashing> {
    SchedulerTest::new(settings).unwrap()
}

fn flow(source: SocketAddr) -> Flow {
    Flow {
        protocol: Protocol::Tcp,
        source,
        destination: "192.0.2.250:80".parse().unwrap(),
    }
}

/// Who was picked for 60 clients, as one digit each; '-': refused.
fn picks(test: &mut SchedulerTest<SourceHashing>, port: impl Fn(u16) -> u16) -> String {
    (0..60_u16)
        .map(|i| {
            let source = format!("10.9.{}.{}:{}", i % 7, 1 + i, port(i));
            let picked = test.pick(&flow(source.parse().unwrap()));
            picked.unwrap_or_else(|| "-".to_owned())
        })
        .collect()
}

const WEIGHTS: [(&str, u32); 5] = [("0", 1), ("1", 2), ("2", 7), ("3", 5), ("4", 3)];
const DRAINING: [(&str, u32); 5] = [("0", 1), ("1", 2), ("2", 0), ("3", 5), ("4", 3)];

/// What follows was seen of IPVS in Linux 6.1 (User-Mode Linux): 60 clients, five servers.
#[test]
fn clients_go_where_ipvs_sends_them() {
    let mut test = sh(&[]);
    test.backends(&WEIGHTS);
    test.plan();
    let seen = "234234232234232242331342342312342302422402122423423123423124";
    assert_eq!(picks(&mut test, |_| 999), seen);
    test.backends(&[("0", 1000), ("1", 1), ("2", 65_535), ("3", 300), ("4", 7)]);
    test.plan();
    assert_eq!(picks(&mut test, |_| 999), "0".repeat(60));
}

#[test]
fn clients_of_a_draining_server_are_refused_as_ipvs_does() {
    let mut test = sh(&[]);
    test.backends(&DRAINING);
    test.plan();
    let seen = "34343433-443034-434031343434131343014-4-3034-43433134343313-";
    assert_eq!(picks(&mut test, |_| 999), seen);
}

#[test]
fn with_fallback_clients_of_a_draining_server_go_where_ipvs_sends_them() {
    let mut test = sh(&[("fallback", true.into())]);
    test.backends(&DRAINING);
    test.plan();
    let seen = "343434331443034343403134343413134301414130343434331343433131";
    assert_eq!(picks(&mut test, |_| 999), seen);
}

#[test]
fn with_port_connections_of_a_client_go_where_ipvs_sends_them() {
    let mut test = sh(&[("port", true.into())]);
    test.backends(&WEIGHTS);
    test.plan();
    let seen = "302223422341123422233122330234412230222342333112342223442234";
    assert_eq!(picks(&mut test, |i| 20_000 + 37 * i), seen);
}

#[test]
fn most_clients_move_when_a_server_comes_or_goes() {
    // That is what mh and maglev are for.
    let moved = moves::all::<SourceHashing>("sh", &[]);
    assert!(moved.iter().any(|moved| moved.clients > 80.0));
}

#[test]
fn the_plan_has_the_buckets_as_slots_and_gives_draining_ones_away() {
    let mut test = sh(&[]);
    test.backends(&[("a", 1), ("b", 2)]);
    let slots = test.slots();
    assert_eq!((slots.len(), slots[..6].concat()), (256, "abbabb".into()));
    assert_eq!(
        test.plan().as_table().unwrap().selector,
        Selector::HashSource
    );
    test.backends(&[("a", 1), ("b", 0)]);
    assert_eq!(test.counts(), [("a".to_owned(), 256)].into());
    let mut by_port = sh(&[("port", true.into())]);
    by_port.backends(&[("a", 1)]);
    assert_eq!(
        by_port.plan().as_table().unwrap().selector,
        Selector::HashFlow
    );
}

#[test]
fn a_server_that_has_gone_is_not_picked_even_before_the_next_plan() {
    let mut test = sh(&[]);
    test.backends(&[("0", 1), ("1", 1)]);
    test.plan();
    test.backends(&[("1", 1)]);
    assert_eq!(picks(&mut test, |_| 999), "1".repeat(60));
    test.backends(&[]);
    assert_eq!(picks(&mut test, |_| 999), "-".repeat(60));
    assert_eq!(test.plan(), Plan::None);
}

#[test]
fn it_says_what_it_is() {
    let manifest = scheduler_manifest::<SourceHashing>();
    let keys: Vec<_> = manifest.settings.iter().map(|s| s.key.as_str()).collect();
    assert_eq!(keys, ["port", "fallback"]);
}

proptest! {
    #[test]
    fn only_servers_with_a_weight_are_used(
        weights in prop::collection::vec(0_u32..=65_535, 0..1000),
        source in any::<u32>(),
    ) {
        let names: Vec<String> = (0..weights.len()).map(|i| i.to_string()).collect();
        let servers: Vec<_> = names.iter().map(String::as_str).zip(weights.iter().copied()).collect();
        let mut test = sh(&[("fallback", true.into())]);
        test.backends(&servers);
        for slot in test.slots() {
            prop_assert!(weights[slot.parse::<usize>().unwrap()] > 0);
        }
        let source = SocketAddr::new(std::net::Ipv4Addr::from_bits(source).into(), 1);
        if let Some(picked) = test.pick(&flow(source)) {
            prop_assert!(weights[picked.parse::<usize>().unwrap()] > 0);
        }
    }
}
