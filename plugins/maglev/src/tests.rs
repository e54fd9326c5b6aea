use evenkeel_sdk::SettingValue;
use evenkeel_sdk::testing::{SchedulerTest, scheduler_manifest};
use proptest::prelude::*;

use super::*;
use crate::moves::{self, flow, servers};

fn maglev(settings: &[(&str, SettingValue)]) -> SchedulerTest<Maglev> {
    SchedulerTest::new(settings).unwrap()
}

#[test]
fn little_more_moves_than_must() {
    // What is above the ideal shrinks with the number of slots for each server: 41 and 655 here.
    for (size, most) in [(4093, 4.0), (65_521, 1.5)] {
        for moved in moves::all::<Maglev>(&format!("maglev {size}"), &[("size", size.into())]) {
            for share in [moved.clients, moved.slots] {
                assert!(share >= moved.ideal * 0.7, "{}", moved.change);
                assert!(share <= moved.ideal + most, "{}", moved.change);
            }
        }
    }
}

#[test]
fn both_directors_of_a_pair_choose_the_same_server() {
    let mut one = maglev(&[]);
    let weighted = |(i, mut server): (usize, Backend)| {
        server.weight = u32::try_from(1 + i % 5).unwrap();
        server
    };
    one.set_backends(servers(50).enumerate().map(weighted).collect());
    let mut other = maglev(&[]);
    let mut reversed: Vec<Backend> = servers(50).enumerate().map(weighted).collect();
    reversed.reverse();
    for (i, server) in reversed.iter_mut().enumerate() {
        server.id = BackendId::new(u32::try_from(1000 + i * 3).unwrap());
    }
    other.set_backends(reversed);
    assert_eq!(one.slots(), other.slots());
    for client in 0..1000 {
        assert_eq!(one.pick(&flow(client)), other.pick(&flow(client)));
    }
}

#[test]
fn plan_and_pick_have_the_same_shares() {
    let mut test = maglev(&[]);
    test.backends(&[("a", 1), ("b", 3), ("draining", 0)]);
    let counts = test.counts();
    assert_eq!((counts["a"], counts["b"], counts.len()), (1023, 3070, 2));
    let picked_a = (0..100_000)
        .filter(|client| test.pick(&flow(*client)).unwrap() == "a")
        .count();
    assert!((24_000..26_000).contains(&picked_a), "{picked_a}");
}

#[test]
fn with_port_connections_of_a_client_are_spread() {
    for (port, most) in [(false, 1), (true, 4)] {
        let mut test = maglev(&[("port", port.into())]);
        test.backends(&[("a", 1), ("b", 1), ("c", 1), ("d", 1)]);
        let mut used: Vec<_> = (0..100)
            .map(|i| {
                let mut flow = flow(1);
                flow.source.set_port(40_000 + i);
                test.pick(&flow).unwrap()
            })
            .collect();
        used.sort();
        used.dedup();
        assert_eq!(used.len(), most);
        let selector = test.plan().as_table().unwrap().selector;
        assert_eq!(selector == Selector::HashFlow, port);
    }
}

#[test]
fn a_server_that_has_gone_is_not_picked_even_before_the_next_plan() {
    let mut test = maglev(&[]);
    test.backends(&[("a", 1), ("b", 1)]);
    test.plan();
    test.backends(&[("b", 1), ("a", 0)]);
    assert!((0..100).all(|client| test.pick(&flow(client)).unwrap() == "b"));
    test.backends(&[]);
    assert_eq!(test.pick(&flow(1)), None);
    assert_eq!(test.plan(), Plan::None);
}

#[test]
fn the_size_is_a_prime_number() {
    assert!(SchedulerTest::<Maglev>::new(&[("size", 65_521.into())]).is_ok());
    let problem = SchedulerTest::<Maglev>::new(&[("size", 4096.into())]).unwrap_err();
    assert_eq!(problem, "size = 4096 is not a prime number; 4093 is");
    assert_eq!(scheduler_manifest::<Maglev>().settings.len(), 2);
}

#[test]
fn a_thousand_servers_of_all_weights_fill_the_greatest_table() {
    let mut test = maglev(&[("size", 65_521.into())]);
    test.set_backends(
        servers(1000)
            .map(|mut server| {
                server.weight = 1 + server.id.get() * 65;
                server
            })
            .collect(),
    );
    assert_eq!(test.slots().len(), 65_521);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn shares_are_by_weight_to_a_slot_or_two_and_every_server_has_one(
        weights in prop::collection::vec(0_u32..=65_535, 1..100),
    ) {
        let names: Vec<String> = (0..weights.len()).map(|i| i.to_string()).collect();
        let servers: Vec<_> = names.iter().map(String::as_str).zip(weights.iter().copied()).collect();
        let mut test = maglev(&[]);
        test.backends(&servers);
        let counts = test.counts();
        let total: u32 = weights.iter().sum();
        let least = weights.iter().filter(|w| **w > 0).count();
        for (name, weight) in servers {
            let slots = f64::from(counts.get(name).copied().unwrap_or(0));
            prop_assert_eq!(slots > 0.0, weight > 0);
            if weight > 0 {
                let due = 4093.0 * f64::from(weight) / f64::from(total);
                // Servers that are lifted to their one slot take it from the others by weight.
                let lifted = f64::from(u32::try_from(least).unwrap()) * f64::from(weight) / f64::from(total);
                prop_assert!((slots - due).abs() <= 1.5 + lifted, "{} for {}", slots, due);
            }
        }
    }
}
