use evenkeel_sdk::testing::{SchedulerTest, scheduler_manifest};
use evenkeel_sdk::{Decision, Facts, Selector};
use proptest::prelude::*;

use super::*;

fn random(servers: &[(&str, u32)]) -> SchedulerTest<Random> {
    let mut test = SchedulerTest::new(&[]).unwrap();
    test.backends(servers);
    test
}

#[test]
fn every_server_has_slots_in_proportion_to_its_weight() {
    let mut test = random(&[("a", 300), ("b", 100), ("draining", 0)]);
    assert_eq!(
        test.counts(),
        [("a".to_owned(), 3), ("b".to_owned(), 1)].into()
    );
    let plan = test.plan();
    assert_eq!(
        plan.as_table().map(|table| table.selector),
        Some(Selector::Random)
    );
}

#[test]
fn without_a_server_that_takes_connections_they_are_refused() {
    assert_eq!(random(&[]).plan(), Plan::None);
    assert_eq!(random(&[("a", 0)]).plan(), Plan::None);
}

#[test]
fn weights_that_need_too_many_slots_are_rounded() {
    let counts = random(&[("a", 65_535), ("b", 65_534), ("c", 1)]).counts();
    assert_eq!(counts.into_values().collect::<Vec<_>>(), [4096, 4095, 1]);
}

#[test]
fn only_the_kernel_draws_and_nothing_is_counted() {
    assert_eq!(scheduler_manifest::<Random>().name, "random");
    assert_eq!(Random::DECISIONS, [Decision::Plan]);
    assert_eq!(Random::FACTS, Facts::NONE);
}

proptest! {
    #[test]
    fn shares_are_those_of_the_weights_to_the_nearest_slot(
        weights in prop::collection::vec(1_u32..=65_535, 1..40),
    ) {
        let widths = Shares::of(&weights, MAX_SLOTS).slots;
        let sum: u64 = widths.iter().copied().map(u64::from).sum();
        prop_assert!(sum <= u64::from(MAX_SLOTS) + 40);
        let total: f64 = weights.iter().copied().map(f64::from).sum();
        for (weight, width) in weights.iter().zip(widths) {
            let due = f64::from(*weight) / total * sum as f64;
            prop_assert!(width >= 1);
            prop_assert!((f64::from(width) - due).abs() <= 1.0 + due / 100.0, "{} {}", width, due);
        }
    }
}
