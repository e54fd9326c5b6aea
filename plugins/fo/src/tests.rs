use evenkeel_sdk::testing::{FLOW, SchedulerTest, scheduler_manifest};
use proptest::prelude::*;

use super::*;

fn server(all: &[(&str, u32)]) -> Option<String> {
    let mut test = SchedulerTest::<Failover>::new(&[]).unwrap();
    test.backends(all);
    let picked = test.pick(&FLOW);
    let slots = test.slots();
    // The plan is the same decision.
    assert_eq!(slots, picked.clone().into_iter().collect::<Vec<_>>());
    picked
}

#[test]
fn the_greatest_weight_takes_all_and_of_equals_the_first() {
    for (all, expected) in [
        (&[("a", 1), ("b", 9), ("c", 2)][..], Some("b")),
        (&[("a", 9), ("b", 9)], Some("a")),
        (&[("a", 0), ("b", 1)], Some("b")),
        (&[("a", 65_535)], Some("a")),
        (&[("a", 0), ("b", 0)], None),
        (&[], None),
    ] {
        assert_eq!(server(all).as_deref(), expected, "{all:?}");
    }
}

#[test]
fn when_a_server_fails_the_next_one_takes_all_until_it_is_back() {
    let mut test = SchedulerTest::<Failover>::new(&[]).unwrap();
    test.backends(&[("a", 3), ("b", 2), ("c", 1)]);
    assert_eq!(test.slots(), ["a"]);
    test.backends(&[("b", 2), ("c", 1)]);
    assert_eq!(test.slots(), ["b"]);
    test.backends(&[("a", 3), ("b", 2), ("c", 1)]);
    assert_eq!(test.slots(), ["a"]);
}

#[test]
fn it_says_what_it_is_and_counts_nothing() {
    assert_eq!(scheduler_manifest::<Failover>().name, "fo");
    assert_eq!(Failover::DECISIONS[0], Decision::Plan);
    assert_eq!(Failover::FACTS, evenkeel_sdk::Facts::NONE);
}

proptest! {
    #[test]
    fn no_server_has_a_greater_weight_than_the_one_that_takes_all(
        weights in prop::collection::vec(0_u32..5, 0..9),
    ) {
        let names: Vec<String> = (0..weights.len()).map(|i| format!("s{i}")).collect();
        let all: Vec<(&str, u32)> =
            names.iter().map(String::as_str).zip(weights.iter().copied()).collect();
        let greatest = weights.iter().copied().max().unwrap_or(0);
        let expected = all.iter().find(|(_, weight)| *weight == greatest && *weight > 0);
        prop_assert_eq!(server(&all), expected.map(|(name, _)| (*name).to_owned()));
    }
}
