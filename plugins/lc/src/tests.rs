use evenkeel_sdk::testing::kit::{
    Load, assert_decides_both_ways_by_connections, assert_first_picks, assert_follows_rule,
    assert_refuses_without_servers, first_of_least, loaded,
};
use proptest::prelude::*;

use super::*;

#[test]
fn the_fewest_connections_count_an_open_one_as_256_that_close() {
    assert_first_picks::<LeastConnections>(&[
        (&[("a", 1, 2, 0), ("b", 1, 1, 0), ("c", 1, 1, 0)][..], "b"),
        (&[("a", 1, 1, 0), ("b", 1, 0, 255)], "b"),
        (&[("a", 1, 1, 0), ("b", 1, 0, 256)], "a"),
        (&[("a", 1, 1, 0), ("b", 1, 0, 257)], "a"),
        // Weights count only as 0 or not.
        (&[("a", 0, 0, 0), ("b", 9, 5, 0), ("c", 1, 4, 0)], "c"),
        (&[("a", 1, u32::MAX, u32::MAX), ("b", 1, u32::MAX, 0)], "b"),
    ]);
}

#[test]
fn picks_fill_up_the_server_that_is_behind_and_then_take_turns() {
    let mut test = loaded::<LeastConnections>(&[("a", 1, 3, 0), ("b", 7, 1, 0), ("c", 1, 3, 0)]);
    assert_eq!(test.picks(8).concat(), "bbabcabc");
}

#[test]
fn the_plan_gives_more_to_the_server_that_is_behind() {
    let mut test = loaded::<LeastConnections>(&[("a", 1, 30, 0), ("b", 1, 10, 0), ("c", 0, 0, 0)]);
    assert_eq!(test.slots(), ["b", "b"]);
    let mut test = loaded::<LeastConnections>(&[("a", 1, 8, 0), ("b", 1, 8, 0), ("c", 1, 8, 0)]);
    assert_eq!(test.slots(), ["a", "b", "c"]);
}

#[test]
fn without_a_server_that_takes_connections_they_are_refused() {
    assert_refuses_without_servers::<LeastConnections>();
}

#[test]
fn it_decides_both_ways_by_plan_unless_configured() {
    assert_decides_both_ways_by_connections::<LeastConnections>("lc");
}

/// The rule in whole numbers: the first of the least.
fn rule<'a>(all: &[Load<'a>]) -> Option<&'a str> {
    first_of_least(all, |_, open, closing| open * 256 + closing)
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
        assert_follows_rule::<LeastConnections>(&all, rule);
    }
}
