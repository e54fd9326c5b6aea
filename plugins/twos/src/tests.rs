use evenkeel_sdk::Selector;
use evenkeel_sdk::testing::FLOW;
use evenkeel_sdk::testing::kit::{
    Load, all_throws, assert_decides_both_ways_by_connections, assert_refuses_without_servers,
    drawn, loaded,
};
use proptest::prelude::*;

use super::*;

// With sum 3 there are four points: the first server owns 0 and 1, the others one each.

#[test]
fn the_first_server_owns_one_point_more_as_in_ipvs() {
    let equal = [("a", 1, 5, 0), ("b", 1, 5, 0), ("c", 1, 5, 0)];
    // Of equals the first drawn one is taken.
    assert_eq!(all_throws(choose, &equal, 4), [8, 4, 4]);
}

#[test]
fn the_lesser_loaded_of_two_is_taken_whichever_is_drawn_first() {
    let loads = [("a", 1, 5, 0), ("b", 1, 4, 0), ("c", 1, 3, 0)];
    // c whenever drawn: 16 - 9; b if c is not: 9 - 4; a if it is drawn twice.
    assert_eq!(all_throws(choose, &loads, 4), [4, 5, 7]);
}

#[test]
fn loads_are_by_weight_and_closing_connections_count_a_256th() {
    // Points: a 0 to 2, b 3. 4 / 2 is less than 3 / 1.
    let loads = [("a", 2, 4, 0), ("b", 1, 3, 0)];
    assert_eq!(all_throws(choose, &loads, 4), [15, 1]);
    let loads = [("a", 2, 4, 511), ("b", 1, 3, 0)];
    assert_eq!(all_throws(choose, &loads, 4), [15, 1]);
    let loads = [("a", 2, 4, 513), ("b", 1, 3, 0)];
    assert_eq!(all_throws(choose, &loads, 4), [9, 7]);
}

#[test]
fn the_plan_draws_by_the_odds_of_the_better_of_two() {
    let mut test = loaded::<TwoChoices>(&[("a", 1, 9, 0), ("b", 1, 2, 0)]);
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
    assert_refuses_without_servers::<TwoChoices>();
    let mut test = loaded::<TwoChoices>(&[("a", 0, 0, 0), ("b", 3, 9, 0)]);
    assert_eq!(test.pick(&FLOW).as_deref(), Some("b"));
    assert_eq!(test.counts().into_keys().collect::<String>(), "b");
}

#[test]
fn it_decides_both_ways_by_plan_unless_configured() {
    assert_decides_both_ways_by_connections::<TwoChoices>("twos");
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
        let mut counts: Vec<String> = loaded::<TwoChoices>(&described).counts().into_keys().collect();
        counts.sort_by_key(|name| names.iter().position(|known| known == name));
        prop_assert_eq!(counts, taking);
    }
}
