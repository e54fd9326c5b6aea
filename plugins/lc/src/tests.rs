use evenkeel_sdk::testing::{FLOW, SchedulerTest, scheduler_manifest};
use proptest::prelude::*;

use super::*;

/// Servers with weight, open and closing connections.
fn servers(servers: &[(&str, u32, u32, u32)]) -> SchedulerTest<LeastConnections> {
    SchedulerTest::loaded(servers).unwrap()
}

fn first(all: &[(&str, u32, u32, u32)]) -> Option<String> {
    servers(all).pick(&FLOW)
}

#[test]
fn the_fewest_connections_count_an_open_one_as_256_that_close() {
    for (all, expected) in [
        (&[("a", 1, 2, 0), ("b", 1, 1, 0), ("c", 1, 1, 0)][..], "b"),
        (&[("a", 1, 1, 0), ("b", 1, 0, 255)], "b"),
        (&[("a", 1, 1, 0), ("b", 1, 0, 256)], "a"),
        (&[("a", 1, 1, 0), ("b", 1, 0, 257)], "a"),
        // Weights count only as 0 or not.
        (&[("a", 0, 0, 0), ("b", 9, 5, 0), ("c", 1, 4, 0)], "c"),
        (&[("a", 1, u32::MAX, u32::MAX), ("b", 1, u32::MAX, 0)], "b"),
    ] {
        assert_eq!(first(all).as_deref(), Some(expected), "{all:?}");
    }
}

#[test]
fn picks_fill_up_the_server_that_is_behind_and_then_take_turns() {
    let mut test = servers(&[("a", 1, 3, 0), ("b", 7, 1, 0), ("c", 1, 3, 0)]);
    assert_eq!(test.picks(8).concat(), "bbabcabc");
}

#[test]
fn the_plan_gives_more_to_the_server_that_is_behind() {
    let mut test = servers(&[("a", 1, 30, 0), ("b", 1, 10, 0), ("c", 0, 0, 0)]);
    assert_eq!(test.slots(), ["b", "b"]);
    let mut test = servers(&[("a", 1, 8, 0), ("b", 1, 8, 0), ("c", 1, 8, 0)]);
    assert_eq!(test.slots(), ["a", "b", "c"]);
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
    assert_eq!(scheduler_manifest::<LeastConnections>().name, "lc");
    assert_eq!(
        LeastConnections::DECISIONS,
        [Decision::Plan, Decision::PerConnection]
    );
    assert_eq!(LeastConnections::FACTS, Facts::CONNECTIONS);
}

/// The rule in whole numbers: the first of the least.
fn reference<'a>(all: &[(&'a str, u32, u32, u32)]) -> Option<&'a str> {
    let mut best: Option<(&str, u128)> = None;
    for &(name, w, active, inactive) in all {
        let (active, inactive) = (u128::from(active), u128::from(inactive));
        if w == 0 {
            continue;
        }
        let cost = active * 256 + inactive;
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
