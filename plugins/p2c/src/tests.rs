use evenkeel_sdk::Selector;
use evenkeel_sdk::testing::FLOW;
use evenkeel_sdk::testing::kit::{
    Load, all_throws, assert_decides_both_ways_by_connections, assert_refuses_without_servers,
    drawn, loaded,
};
use proptest::prelude::*;

use super::*;

#[test]
fn of_two_servers_it_is_always_the_lesser_loaded() {
    assert_eq!(
        all_throws(choose, &[("a", 1, 5, 0), ("b", 1, 4, 0)], 8),
        [0, 64]
    );
    // 5 + 1 for a weight of 3 is less than 1 + 1 for 1. Closing ones do not count.
    assert_eq!(
        all_throws(choose, &[("a", 3, 4, 9999), ("b", 1, 1, 0)], 8),
        [64, 0]
    );
}

#[test]
fn the_most_loaded_of_several_is_never_taken_and_the_least_when_it_is_drawn() {
    let loads = [
        ("a", 1, 1, 0),
        ("b", 1, 9, 0),
        ("c", 1, 5, 0),
        ("d", 0, 0, 0),
    ];
    // a unless b and c are drawn, which is a third of all pairs.
    assert_eq!(all_throws(choose, &loads, 6), [24, 0, 12, 0]);
}

#[test]
fn equally_loaded_servers_are_taken_by_weight() {
    // Equal are (open + 1) / weight.
    let loads = [("a", 1, 0, 0), ("b", 2, 1, 0), ("c", 3, 2, 0)];
    assert_eq!(all_throws(choose, &loads, 60), [600, 1200, 1800]);
}

#[test]
fn the_plan_draws_by_the_odds_of_the_better_of_two() {
    let mut test = loaded::<PowerOfTwoChoices>(&[("a", 1, 9, 0), ("b", 1, 2, 0)]);
    let plan = test.plan();
    assert_eq!(
        plan.as_table().map(|table| table.selector),
        Some(Selector::Random)
    );
    assert_eq!(
        test.counts(),
        [("a".to_owned(), 32), ("b".to_owned(), 96)].into()
    );
    // How far apart they are does not matter: nothing to rewrite.
    test.loads(&[("a", 400), ("b", 300)]);
    assert_eq!(test.plan(), plan);
}

#[test]
fn without_a_server_that_takes_connections_they_are_refused() {
    assert_refuses_without_servers::<PowerOfTwoChoices>();
    let mut test = loaded::<PowerOfTwoChoices>(&[("a", 0, 0, 0), ("b", 3, 9, 0)]);
    assert_eq!(test.pick(&FLOW).as_deref(), Some("b"));
    assert_eq!(test.counts().into_keys().collect::<String>(), "b");
}

#[test]
fn it_decides_both_ways_by_plan_unless_configured() {
    assert_decides_both_ways_by_connections::<PowerOfTwoChoices>("p2c");
}

proptest! {
    #[test]
    fn only_servers_of_a_weight_are_chosen_and_all_of_them_have_slots(
        all in prop::collection::vec((0_u32..=65_535, any::<u32>(), any::<u32>()), 0..12),
        dice in any::<(u64, u64)>(),
    ) {
        let names: Vec<String> = (0..all.len()).map(|i| format!("s{i}")).collect();
        let described: Vec<Load<'_>> =
            names.iter().zip(&all).map(|(n, &(w, a, i))| (n.as_str(), w, a, i)).collect();
        let taking: Vec<&str> =
            described.iter().filter(|(_, w, ..)| *w > 0).map(|(n, ..)| *n).collect();
        let picked = drawn(choose, dice, &described);
        prop_assert_eq!(picked.is_some(), !taking.is_empty());
        prop_assert!(picked.is_none_or(|name| taking.contains(&name.as_str())));
        let mut counts: Vec<String> = loaded::<PowerOfTwoChoices>(&described).counts().into_keys().collect();
        counts.sort_by_key(|name| names.iter().position(|known| known == name));
        prop_assert_eq!(counts, taking);
    }
}
