use evenkeel_sdk::testing::kit::{
    Load, assert_decides_both_ways_by_connections, assert_first_picks, assert_follows_rule,
    assert_refuses_without_servers, first_of_least, loaded,
};
use proptest::prelude::*;

use super::*;

#[test]
fn the_least_open_connections_for_the_weight_count_the_new_one_included() {
    assert_first_picks::<ShortestExpectedDelay>(&[
        (&[("a", 1, 0, 0), ("b", 3, 0, 0)][..], "b"),
        (&[("a", 1, 0, 0), ("b", 3, 2, 0)], "a"),
        (&[("a", 1, 0, 0), ("b", 3, 1, 0)], "b"),
        // Closing connections do not count.
        (&[("a", 1, 1, 0), ("b", 1, 0, 9999)], "b"),
        (&[("a", 0, 0, 0), ("b", 1, 9, 0)], "b"),
        (
            &[("a", 65_534, u32::MAX, 0), ("b", 65_535, u32::MAX, 0)],
            "b",
        ),
    ]);
}

#[test]
fn picks_begin_with_the_heaviest_server() {
    let mut test = loaded::<ShortestExpectedDelay>(&[("a", 1, 0, 0), ("b", 3, 0, 0)]);
    assert_eq!(test.picks(8).concat(), "bbabbbab");
}

#[test]
fn the_plan_has_the_proportion_of_the_weights_when_loads_have_it() {
    let mut test = loaded::<ShortestExpectedDelay>(&[("a", 1, 10, 0), ("b", 3, 30, 0)]);
    assert_eq!(
        test.counts(),
        [("a".to_owned(), 1), ("b".to_owned(), 3)].into()
    );
}

#[test]
fn without_a_server_that_takes_connections_they_are_refused() {
    assert_refuses_without_servers::<ShortestExpectedDelay>();
}

#[test]
fn it_decides_both_ways_by_plan_unless_configured() {
    assert_decides_both_ways_by_connections::<ShortestExpectedDelay>("sed");
}

/// The rule in whole numbers: the first of the least. All weights here divide 60.
fn rule<'a>(all: &[Load<'a>]) -> Option<&'a str> {
    first_of_least(all, |weight, open, _| (open + 1) * 60 / weight)
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
        assert_follows_rule::<ShortestExpectedDelay>(&all, rule);
    }
}
