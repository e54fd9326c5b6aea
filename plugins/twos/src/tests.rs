use std::cell::RefCell;

use evenkeel_sdk::Selector;
use evenkeel_sdk::testing::{FLOW, SchedulerTest, scheduler_manifest};
use proptest::prelude::*;

use super::*;

thread_local! {
    /// The random numbers of the next decision.
    static DICE: RefCell<(u64, u64)> = const { RefCell::new((0, 0)) };
}

/// The scheduler with numbers that are known, and counts that stay as they are.
struct Known;

impl Scheduler for Known {
    type Settings = ();

    fn new((): ()) -> Result<Self, String> {
        Ok(Self)
    }

    fn plan(&mut self, _: &Backends) -> Plan {
        Plan::None
    }

    fn pick(&mut self, _: &Flow, backends: &Backends) -> Option<BackendId> {
        let (first, second) = DICE.with_borrow(|dice| *dice);
        choose(backends, first, second)
    }
}

/// Servers with weight, open and closing connections.
fn servers<S: Scheduler>(servers: &[(&str, u32, u32, u32)]) -> SchedulerTest<S> {
    SchedulerTest::loaded(servers).unwrap_or_else(|error| panic!("{error}"))
}

/// How often each server is chosen when each of two dice shows each of so many numbers once.
fn all_throws(all: &[(&str, u32, u32, u32)], sides: u64) -> Vec<u32> {
    let mut test = servers::<Known>(all);
    let number = |side: u64| side * (u64::MAX / sides) + u64::MAX / (2 * sides);
    let mut chosen = vec![0; all.len()];
    for throw in 0..sides * sides {
        DICE.set((number(throw / sides), number(throw % sides)));
        let name = test.pick(&FLOW);
        let place = all.iter().position(|(n, ..)| Some(*n) == name.as_deref());
        chosen[place.unwrap()] += 1;
    }
    chosen
}

// With sum 3 there are four points: the first server owns 0 and 1, the others one each.

#[test]
fn the_first_server_owns_one_point_more_as_in_ipvs() {
    let equal = [("a", 1, 5, 0), ("b", 1, 5, 0), ("c", 1, 5, 0)];
    // Of equals the first drawn one is taken.
    assert_eq!(all_throws(&equal, 4), [8, 4, 4]);
}

#[test]
fn the_lesser_loaded_of_two_is_taken_whichever_is_drawn_first() {
    let loads = [("a", 1, 5, 0), ("b", 1, 4, 0), ("c", 1, 3, 0)];
    // c whenever drawn: 16 - 9; b if c is not: 9 - 4; a if it is drawn twice.
    assert_eq!(all_throws(&loads, 4), [4, 5, 7]);
}

#[test]
fn loads_are_by_weight_and_closing_connections_count_a_256th() {
    // Points: a 0 to 2, b 3. 4 / 2 is less than 3 / 1.
    let loads = [("a", 2, 4, 0), ("b", 1, 3, 0)];
    assert_eq!(all_throws(&loads, 4), [15, 1]);
    let loads = [("a", 2, 4, 511), ("b", 1, 3, 0)];
    assert_eq!(all_throws(&loads, 4), [15, 1]);
    let loads = [("a", 2, 4, 513), ("b", 1, 3, 0)];
    assert_eq!(all_throws(&loads, 4), [9, 7]);
}

#[test]
fn the_plan_draws_by_the_odds_of_the_better_of_two() {
    let mut test = servers::<TwoChoices>(&[("a", 1, 9, 0), ("b", 1, 2, 0)]);
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
    for none in [&[][..], &[("a", 0, 0, 0)]] {
        let mut test = servers::<TwoChoices>(none);
        assert_eq!(test.pick(&FLOW), None);
        assert_eq!(test.plan(), Plan::None);
    }
    let mut test = servers::<TwoChoices>(&[("a", 0, 0, 0), ("b", 3, 9, 0)]);
    assert_eq!(test.pick(&FLOW).as_deref(), Some("b"));
    assert_eq!(test.counts().into_keys().collect::<String>(), "b");
}

#[test]
fn it_can_be_followed_both_ways_by_plan_unless_configured() {
    assert_eq!(scheduler_manifest::<TwoChoices>().name, "twos");
    assert_eq!(
        TwoChoices::DECISIONS,
        [Decision::Plan, Decision::PerConnection]
    );
    assert_eq!(TwoChoices::FACTS, Facts::CONNECTIONS);
}

proptest! {
    #[test]
    fn only_servers_of_a_weight_are_chosen_and_all_of_them_have_slots(
        all in prop::collection::vec((0_u32..=65_535, any::<u32>(), any::<u32>()), 0..12),
        dice in any::<(u64, u64)>(),
    ) {
        let names: Vec<String> = (0..all.len()).map(|i| format!("s{i}")).collect();
        let described: Vec<(&str, u32, u32, u32)> =
            names.iter().zip(&all).map(|(n, &(w, a, i))| (n.as_str(), w, a, i)).collect();
        let taking: Vec<&str> =
            described.iter().filter(|(_, w, ..)| *w > 0).map(|(n, ..)| *n).collect();
        DICE.set(dice);
        let picked = servers::<Known>(&described).pick(&FLOW);
        prop_assert_eq!(picked.is_some(), !taking.is_empty());
        prop_assert!(picked.is_none_or(|name| taking.contains(&name.as_str())));
        let mut counts: Vec<String> = servers::<TwoChoices>(&described).counts().into_keys().collect();
        counts.sort_by_key(|name| names.iter().position(|known| known == name));
        prop_assert_eq!(counts, taking);
    }
}
