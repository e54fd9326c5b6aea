use evenkeel_sdk::testing::FLOW;
use evenkeel_sdk::testing::kit::{
    Load, assert_decides_both_ways_by_connections, assert_first_picks, assert_follows_rule,
    assert_refuses_without_servers, loaded,
};
use proptest::prelude::*;

use super::*;

#[test]
fn the_greatest_weight_comes_first_until_it_has_more_connections_than_that() {
    assert_first_picks::<Overflow>(&[
        (&[("a", 2, 0, 0), ("b", 5, 4, 0)][..], "b"),
        // As many connections as its weight are not too many.
        (&[("a", 2, 0, 0), ("b", 5, 5, 0)], "b"),
        (&[("a", 2, 0, 0), ("b", 5, 6, 0)], "a"),
        // Closing connections do not count; of equal weights it is the first.
        (&[("a", 5, 5, 9999), ("b", 5, 0, 0)], "a"),
        (&[("a", 0, 0, 0), ("b", 1, 0, 0)], "b"),
    ]);
}

#[test]
fn picks_fill_one_server_after_the_other_and_are_refused_when_all_have_overflowed() {
    let mut test = loaded::<Overflow>(&[("a", 1, 0, 0), ("b", 2, 0, 0)]);
    assert_eq!(test.picks(8).concat(), "bbbaa");
    assert_eq!(test.pick(&FLOW), None);
    assert_eq!(test.plan(), Plan::None);
}

#[test]
fn the_plan_fills_a_server_before_it_uses_the_next_even_one_of_the_same_weight() {
    let mut test = loaded::<Overflow>(&[("a", 9, 2, 0), ("b", 9, 0, 0), ("c", 3, 0, 0)]);
    assert_eq!(
        test.counts(),
        [("a".to_owned(), 8), ("b".to_owned(), 1)].into()
    );
    let mut test = loaded::<Overflow>(&[("a", 4, 4, 0), ("b", 4, 4, 0), ("c", 3, 0, 0)]);
    assert_eq!(
        test.counts(),
        [("a", 1), ("b", 1), ("c", 1)]
            .map(|(n, c)| (n.to_owned(), c))
            .into()
    );
}

#[test]
fn without_a_server_that_takes_connections_they_are_refused() {
    assert_refuses_without_servers::<Overflow>();
}

#[test]
fn it_decides_both_ways_by_plan_unless_configured() {
    assert_decides_both_ways_by_connections::<Overflow>("ovf");
}

/// The rule, as the kernel's source has it: of the greatest weight the first that has not overflowed.
fn rule<'a>(all: &[Load<'a>]) -> Option<&'a str> {
    let mut best: Option<(&str, u32)> = None;
    for &(name, weight, active, _) in all {
        let usable = weight > 0 && active <= weight;
        if usable && best.is_none_or(|(_, greatest)| weight > greatest) {
            best = Some((name, weight));
        }
    }
    best.map(|(name, _)| name)
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
        assert_follows_rule::<Overflow>(&all, rule);
    }
}
