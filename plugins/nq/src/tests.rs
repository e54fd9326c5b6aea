use evenkeel_sdk::testing::{FLOW, SchedulerTest, scheduler_manifest};
use proptest::prelude::*;

use super::*;

/// Servers with weight, open and closing connections.
fn servers(servers: &[(&str, u32, u32, u32)]) -> SchedulerTest<NeverQueue> {
    SchedulerTest::loaded(servers).unwrap()
}

fn first(all: &[(&str, u32, u32, u32)]) -> Option<String> {
    servers(all).pick(&FLOW)
}

#[test]
fn an_idle_server_comes_first_and_then_the_shortest_delay() {
    for (all, expected) in [
        // Idle is idle, even if a heavier server would be faster.
        (&[("a", 9, 1, 0), ("b", 1, 0, 0)][..], "b"),
        (&[("a", 1, 0, 0), ("b", 9, 0, 0)], "a"),
        (&[("a", 1, 0, 9999), ("b", 1, 1, 0)], "a"),
        // No one is idle: (open + 1) / weight.
        (&[("a", 1, 1, 0), ("b", 3, 2, 0)], "b"),
        (&[("a", 1, 1, 0), ("b", 3, 5, 0)], "a"),
        (&[("a", 0, 0, 0), ("b", 1, 9, 0)], "b"),
        (
            &[("a", 65_534, u32::MAX, 0), ("b", 65_535, u32::MAX, 0)],
            "b",
        ),
    ] {
        assert_eq!(first(all).as_deref(), Some(expected), "{all:?}");
    }
}

#[test]
fn picks_give_every_server_one_before_weights_count() {
    let mut test = servers(&[("a", 1, 0, 0), ("b", 3, 0, 0)]);
    assert_eq!(test.picks(8).concat(), "abbbbbab");
}

#[test]
fn the_plan_uses_an_idle_server_at_once() {
    let mut test = servers(&[("a", 1, 5, 0), ("b", 1, 0, 0), ("c", 1, 5, 0)]);
    assert_eq!(test.slots(), ["b", "b", "b"]);
}

#[test]
fn without_a_server_that_takes_connections_they_are_refused() {
    for none in [
        &[][..],
        &[("a", 0, 0, 0)],
        &[("a", 0, 0, 0), ("b", 0, 5, 5)],
    ] {
        let mut test = servers(none);
        assert_eq!(test.pick(&FLOW), None);
        assert_eq!(test.plan(), Plan::None);
    }
}

#[test]
fn it_can_be_followed_both_ways_by_plan_unless_configured() {
    assert_eq!(scheduler_manifest::<NeverQueue>().name, "nq");
    assert_eq!(
        NeverQueue::DECISIONS,
        [Decision::Plan, Decision::PerConnection]
    );
    assert_eq!(NeverQueue::FACTS, Facts::CONNECTIONS);
}

/// The rule in whole numbers: the first of the least.
fn reference<'a>(all: &[(&'a str, u32, u32, u32)]) -> Option<&'a str> {
    let mut best: Option<(&str, u128)> = None;
    for &(name, w, active, _) in all {
        let (weight, active) = (u128::from(w), u128::from(active));
        if w == 0 {
            continue;
        }
        // All weights here divide 60.
        let cost = if active == 0 {
            0
        } else {
            (active + 1) * 60 / weight
        };
        if best.is_none_or(|(_, least)| cost < least) {
            best = Some((name, cost));
        }
    }
    best.map(|(name, _)| name)
}

proptest! {
    #[test]
    fn a_pick_and_a_plan_are_what_the_rule_says_of_any_servers(
        all in prop::collection::vec((0_u32..5, 0_u32..6, 0_u32..600), 0..9),
        scale in prop::sample::select(vec![1_u32, 65_535, u32::MAX]),
    ) {
        let names: Vec<String> = (0..all.len()).map(|i| format!("s{i}")).collect();
        let described: Vec<(&str, u32, u32, u32)> = names
            .iter()
            .zip(&all)
            .map(|(n, &(w, a, i))| (n.as_str(), w, a.saturating_mul(scale), i))
            .collect();
        let mut test = servers(&described);
        let slots = test.slots();
        for name in &slots {
            prop_assert!(described.iter().any(|(n, w, ..)| n == name && *w > 0));
        }
        let expected = reference(&described);
        prop_assert_eq!(slots.is_empty(), expected.is_none());
        if let Some(expected) = expected {
            // Whom the rule chooses now has a slot.
            prop_assert!(slots.iter().any(|name| name == expected));
        }
        let picked = test.pick(&FLOW);
        prop_assert_eq!(picked.as_deref(), expected);
    }
}
