use evenkeel_sdk::testing::kit::{
    Load, assert_decides_both_ways_by_connections, assert_first_picks, assert_follows_rule,
    assert_refuses_without_servers, first_of_least, loaded,
};
use proptest::prelude::*;

use super::*;

#[test]
fn the_fewest_connections_for_the_weight_count() {
    assert_first_picks::<WeightedLeastConnections>(&[
        (&[("a", 1, 1, 0), ("b", 3, 2, 0)][..], "b"),
        (&[("a", 1, 1, 0), ("b", 3, 3, 0)], "a"),
        (&[("a", 3, 3, 0), ("b", 1, 1, 0)], "a"),
        // A closing connection is a 256th of an open one.
        (&[("a", 2, 0, 512), ("b", 1, 0, 255)], "b"),
        (&[("a", 1, 0, 0), ("b", 9, 0, 0)], "a"),
        (&[("a", 0, 0, 0), ("b", 1, 9, 9)], "b"),
        (
            &[
                ("a", 65_534, u32::MAX, u32::MAX),
                ("b", 65_535, u32::MAX, u32::MAX),
            ],
            "b",
        ),
    ]);
}

#[test]
fn picks_come_to_the_proportion_of_the_weights() {
    let mut test = loaded::<WeightedLeastConnections>(&[("a", 3, 0, 0), ("b", 1, 0, 0)]);
    assert_eq!(test.picks(8).concat(), "abaaabaa");
}

#[test]
fn the_plan_has_the_proportion_of_the_weights_when_loads_have_it() {
    let mut test = loaded::<WeightedLeastConnections>(&[("a", 3, 30, 0), ("b", 1, 10, 0)]);
    assert_eq!(
        test.counts(),
        [("a".to_owned(), 3), ("b".to_owned(), 1)].into()
    );
}

#[test]
fn without_a_server_that_takes_connections_they_are_refused() {
    assert_refuses_without_servers::<WeightedLeastConnections>();
}

#[test]
fn it_decides_both_ways_by_plan_unless_configured() {
    assert_decides_both_ways_by_connections::<WeightedLeastConnections>("wlc");
}

/// The rule in whole numbers: the first of the least. All weights here divide 60.
fn rule<'a>(all: &[Load<'a>]) -> Option<&'a str> {
    first_of_least(all, |weight, open, closing| {
        (open * 256 + closing) * 60 / weight
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
        assert_follows_rule::<WeightedLeastConnections>(&all, rule);
    }
}
