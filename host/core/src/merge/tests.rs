use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn id(n: u32) -> BackendId {
    BackendId::new(n).unwrap()
}

fn plan(selector: Selector, slots: &[u32]) -> Spread {
    Spread::Slots {
        selector,
        slots: slots.iter().map(|n| id(*n)).collect(),
    }
}

/// The merged slots, and how many of them are the canary's.
fn merged(first: &Spread, canary: &Spread, share: u8) -> (Vec<u32>, usize) {
    let merged = merge(first, canary, share).unwrap().unwrap();
    let Plan::Table { slots, .. } = &merged.plan else {
        panic!("no table");
    };
    let laid_out = slots
        .iter()
        .flat_map(|run| (0..run.width).map(|_| run.id.get()));
    let laid_out: Vec<u32> = laid_out.collect();
    assert_eq!(laid_out.len(), merged.slots);
    (laid_out, merged.canary)
}

fn counts(slots: &[u32]) -> BTreeMap<u32, usize> {
    let mut counts = BTreeMap::new();
    for id in slots {
        *counts.entry(*id).or_default() += 1;
    }
    counts
}

#[test]
fn slots_in_turn_are_the_canarys_at_even_distances_and_each_plan_keeps_its_order() {
    let (first, canary) = (
        plan(Selector::Sequence, &[1, 2]),
        plan(Selector::Sequence, &[3, 4]),
    );
    let (slots, canary) = merged(&first, &canary, 25);
    assert_eq!(slots, [1, 2, 1, 3, 2, 1, 2, 4]);
    assert_eq!(canary, 2);
}

#[test]
fn half_of_the_slots_are_every_second() {
    let (first, canary) = (plan(Selector::Random, &[1]), plan(Selector::Random, &[2]));
    assert_eq!(merged(&first, &canary, 50), (vec![1, 2], 1));
}

#[test]
fn a_small_share_of_a_short_plan_has_as_many_slots_as_it_takes() {
    let first = plan(Selector::Sequence, &[1, 2, 3]);
    let fo = plan(Selector::Sequence, &[1]);
    let (slots, canary) = merged(&first, &fo, 5);
    assert_eq!((slots.len(), canary), (60, 3));
    assert_eq!(counts(&slots), [(1, 22), (2, 19), (3, 19)].into());
}

#[test]
fn clients_of_a_hash_have_the_server_of_the_plan_whose_slot_they_have() {
    let first = plan(Selector::HashSource, &[1, 2]);
    let canary = plan(Selector::HashSource, &[4, 5]);
    let (slots, filled) = merged(&first, &canary, 20);
    assert_eq!(slots, [1, 1, 1, 1, 4, 2, 2, 2, 2, 5]);
    assert_eq!(filled, 2);
}

#[test]
fn plans_by_different_selectors_are_refused_with_both() {
    let first = plan(Selector::Sequence, &[1]);
    let canary = plan(Selector::HashSource, &[1]);
    let error = merge(&first, &canary, 5).unwrap_err();
    assert_eq!(
        error.to_string(),
        "its plan is spread by hash-source, and the first scheduler's by sequence: both must be spread by the same"
    );
}

#[test]
fn there_is_nothing_to_merge_where_a_plan_refuses() {
    let some = plan(Selector::Sequence, &[1]);
    assert_eq!(merge(&some, &Spread::Refuse, 5), Ok(None));
    assert_eq!(merge(&Spread::Refuse, &some, 5), Ok(None));
}

fn selector() -> impl Strategy<Value = Selector> {
    prop_oneof![
        Just(Selector::Sequence),
        Just(Selector::Random),
        Just(Selector::HashSource),
        Just(Selector::HashFlow),
    ]
}

/// A plan as long as plans are: short ones, and some of thousands of slots.
fn slots_of(servers: std::ops::Range<u32>) -> impl Strategy<Value = Vec<u32>> {
    prop_oneof![
        proptest::collection::vec(servers.clone(), 1..40),
        proptest::collection::vec(servers, 1..9000),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_canary_gets_its_share_within_one_slot_and_no_slot_of_the_first_is_lost(
        selector in selector(),
        first in slots_of(1..30),
        canary in slots_of(100..130),
        share in 1_u8..=50,
    ) {
        let (one, other) = (plan(selector, &first), plan(selector, &canary));
        let (slots, filled) = merged(&one, &other, share);
        prop_assert!(slots.len() <= MAX_SLOTS);
        let wanted = slots.len() * usize::from(share);
        prop_assert!((filled * 100).abs_diff(wanted) <= 100, "{filled} of {}", slots.len());
        let of_canary = slots.iter().filter(|it| **it >= 100).count();
        prop_assert_eq!(of_canary, filled);
        let held: BTreeSet<u32> = slots.iter().copied().collect();
        for id in &first {
            prop_assert!(held.contains(id), "{id} is lost");
        }
        // The same on the other director.
        prop_assert_eq!(merged(&one, &other, share), (slots, filled));
    }

    #[test]
    fn the_firsts_shares_stay_as_they_were(
        first in slots_of(1..5),
        canary in slots_of(100..103),
        share in 1_u8..=50,
    ) {
        let (one, other) = (plan(Selector::Sequence, &first), plan(Selector::Sequence, &canary));
        let (slots, filled) = merged(&one, &other, share);
        let (left, before, now) = (slots.len() - filled, counts(&first), counts(&slots));
        for (id, count) in before {
            // A slot that is drawn out is in the table once more or less.
            let off = (now[&id] * first.len()).abs_diff(left * count);
            prop_assert!(off <= (count + 1) * first.len(), "{id}: {count} of {left}");
        }
    }
}
