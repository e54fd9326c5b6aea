use evenkeel_sdk::testing::{FLOW, SchedulerTest, scheduler_manifest};
use proptest::prelude::*;

use super::*;

/// Servers with weight, open and closing connections.
fn servers(servers: &[(&str, u32, u32, u32)]) -> SchedulerTest<Overflow> {
    SchedulerTest::loaded(servers).unwrap()
}

fn first(all: &[(&str, u32, u32, u32)]) -> Option<String> {
    servers(all).pick(&FLOW)
}

#[test]
fn the_greatest_weight_comes_first_until_it_has_more_connections_than_that() {
    for (all, expected) in [
        (&[("a", 2, 0, 0), ("b", 5, 4, 0)][..], "b"),
        // As many connections as its weight are not too many.
        (&[("a", 2, 0, 0), ("b", 5, 5, 0)], "b"),
        (&[("a", 2, 0, 0), ("b", 5, 6, 0)], "a"),
        // Closing connections do not count; of equal weights it is the first.
        (&[("a", 5, 5, 9999), ("b", 5, 0, 0)], "a"),
        (&[("a", 0, 0, 0), ("b", 1, 0, 0)], "b"),
    ] {
        assert_eq!(first(all).as_deref(), Some(expected), "{all:?}");
    }
}

#[test]
fn picks_fill_one_server_after_the_other_and_are_refused_when_all_have_overflowed() {
    let mut test = servers(&[("a", 1, 0, 0), ("b", 2, 0, 0)]);
    assert_eq!(test.picks(8).concat(), "bbbaa");
    assert_eq!(test.pick(&FLOW), None);
    assert_eq!(test.plan(), Plan::None);
}

#[test]
fn the_plan_fills_a_server_before_it_uses_the_next_even_one_of_the_same_weight() {
    let mut test = servers(&[("a", 9, 2, 0), ("b", 9, 0, 0), ("c", 3, 0, 0)]);
    assert_eq!(
        test.counts(),
        [("a".to_owned(), 8), ("b".to_owned(), 1)].into()
    );
    let mut test = servers(&[("a", 4, 4, 0), ("b", 4, 4, 0), ("c", 3, 0, 0)]);
    assert_eq!(
        test.counts(),
        [("a", 1), ("b", 1), ("c", 1)]
            .map(|(n, c)| (n.to_owned(), c))
            .into()
    );
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
    assert_eq!(scheduler_manifest::<Overflow>().name, "ovf");
    assert_eq!(
        Overflow::DECISIONS,
        [Decision::Plan, Decision::PerConnection]
    );
    assert_eq!(Overflow::FACTS, Facts::CONNECTIONS);
}

/// The rule, as the kernel's source has it: of the greatest weight the first that has not overflowed.
fn reference<'a>(all: &[(&'a str, u32, u32, u32)]) -> Option<&'a str> {
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
