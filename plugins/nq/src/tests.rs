use evenkeel_sdk::testing::kit::{
    Load, assert_decides_both_ways_by_connections, assert_first_picks, assert_follows_rule,
    assert_refuses_without_servers, first_of_least, loaded,
};
use proptest::prelude::*;

use super::*;

#[test]
fn an_idle_server_comes_first_and_then_the_shortest_delay() {
    assert_first_picks::<NeverQueue>(&[
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
    ]);
}

#[test]
fn picks_give_every_server_one_before_weights_count() {
    let mut test = loaded::<NeverQueue>(&[("a", 1, 0, 0), ("b", 3, 0, 0)]);
    assert_eq!(test.picks(8).concat(), "abbbbbab");
}

#[test]
fn the_plan_uses_an_idle_server_at_once() {
    let mut test = loaded::<NeverQueue>(&[("a", 1, 5, 0), ("b", 1, 0, 0), ("c", 1, 5, 0)]);
    assert_eq!(test.slots(), ["b", "b", "b"]);
}

#[test]
fn without_a_server_that_takes_connections_they_are_refused() {
    assert_refuses_without_servers::<NeverQueue>();
}

#[test]
fn it_decides_both_ways_by_plan_unless_configured() {
    assert_decides_both_ways_by_connections::<NeverQueue>("nq");
}

/// The rule in whole numbers: the first of the least. All weights here divide 60.
fn rule<'a>(all: &[Load<'a>]) -> Option<&'a str> {
    first_of_least(all, |weight, open, _| match open {
        0 => 0,
        _ => (open + 1) * 60 / weight,
    })
}

proptest! {
    #[test]
    fn a_pick_and_a_plan_are_what_the_rule_says_of_any_servers(
        mut all in prop::collection::vec((0_u32..5, 0_u32..6, 0_u32..600), 0..9),
        scale in prop::sample::select(vec![1_u32, 65_535, u32::MAX]),
    ) {
        for (_, open, _) in &mut all {
            *open = open.saturating_mul(scale);
        }
        assert_follows_rule::<NeverQueue>(&all, rule);
    }
}
