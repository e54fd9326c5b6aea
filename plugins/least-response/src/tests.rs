use evenkeel_sdk::Counts;
use evenkeel_sdk::testing::{FLOW, SchedulerTest, scheduler_manifest};
use proptest::prelude::*;

use super::*;

fn ms(millis: u64) -> Option<Duration> {
    Some(Duration::from_millis(millis))
}

/// Servers with weight, open connections and latency.
fn servers(servers: &[(&str, u32, u32, Option<Duration>)]) -> SchedulerTest<LeastResponse> {
    let mut test = SchedulerTest::new(&[]).unwrap();
    let weights: Vec<_> = servers.iter().map(|&(n, w, ..)| (n, w)).collect();
    test.backends(&weights);
    for &(name, _, active, latency) in servers {
        let counts = Counts {
            active,
            latency,
            ..Counts::default()
        };
        test.counts_of(name, counts);
    }
    test
}

#[test]
fn the_least_product_of_latency_and_connections_counts_for_the_weight() {
    for (all, expected) in [
        (&[("a", 1, 1, ms(20)), ("b", 1, 3, ms(5))][..], "b"),
        (&[("a", 1, 1, ms(20)), ("b", 1, 9, ms(5))], "a"),
        // The new connection is counted: an idle server is not better than one that is much faster.
        (&[("a", 1, 0, ms(50)), ("b", 1, 2, ms(5))], "b"),
        (&[("a", 1, 1, ms(10)), ("b", 3, 4, ms(10))], "b"),
        // Of equals the first.
        (&[("a", 1, 1, ms(10)), ("b", 1, 1, ms(10))], "a"),
        // What is below the floor is equal.
        (&[("a", 1, 2, ms(0)), ("b", 1, 1, ms(1))], "b"),
        // Not measured yet: the average of 10 and 30.
        (
            &[("a", 1, 1, ms(10)), ("b", 1, 1, ms(30)), ("c", 1, 0, None)],
            "a",
        ),
        (
            &[("a", 1, 2, ms(10)), ("b", 1, 1, ms(30)), ("c", 1, 0, None)],
            "c",
        ),
        (
            &[("a", 1, 2, None), ("b", 1, 1, None), ("c", 0, 0, None)],
            "b",
        ),
        (
            &[
                ("a", 1, u32::MAX, Some(Duration::MAX)),
                ("b", 2, u32::MAX, Some(Duration::MAX)),
            ],
            "b",
        ),
    ] {
        assert_eq!(
            servers(all).pick(&FLOW).as_deref(),
            Some(expected),
            "{all:?}"
        );
    }
}

#[test]
fn a_server_ten_times_as_slow_gets_about_a_tenth() {
    let mut test = servers(&[("a", 1, 0, ms(10)), ("b", 1, 0, ms(100))]);
    let mut picked = [0, 0];
    for _ in 0..110 {
        let place = usize::from(test.pick(&FLOW).as_deref() == Some("b"));
        picked[place] += 1;
    }
    assert_eq!(picked, [100, 10]);
}

#[test]
fn the_plan_prefers_the_fast_server() {
    let mut test = servers(&[("a", 1, 3, ms(100)), ("b", 1, 3, ms(10))]);
    assert_eq!(test.counts(), [("b".to_owned(), 2)].into());
    let mut test = servers(&[("a", 1, 3, ms(10)), ("b", 1, 3, ms(10))]);
    assert_eq!(test.slots(), ["a", "b"]);
}

#[test]
fn without_a_server_that_takes_connections_they_are_refused() {
    for none in [&[][..], &[("a", 0, 0, ms(5))]] {
        let mut test = servers(none);
        assert_eq!(test.pick(&FLOW), None);
        assert_eq!(test.plan(), Plan::None);
    }
}

#[test]
fn it_asks_for_latency_and_its_floor_can_be_set() {
    let manifest = scheduler_manifest::<LeastResponse>();
    assert_eq!(
        (manifest.name.as_str(), manifest.settings.len()),
        ("least-response", 1)
    );
    assert_eq!(LeastResponse::DECISIONS[0], Decision::Plan);
    assert_eq!(LeastResponse::FACTS, Facts::CONNECTIONS.and(Facts::LATENCY));
    let floor = |floor| SchedulerTest::<LeastResponse>::new(&[("floor", floor)]).is_ok();
    assert!(floor(Duration::ZERO.into()));
    assert!(!floor(Duration::MAX.into()));
}

proptest! {
    #[test]
    fn only_servers_of_a_weight_are_chosen(
        all in prop::collection::vec(
            (0_u32..3, any::<u32>(), prop::option::of(any::<u32>())), 0..9),
    ) {
        let names: Vec<String> = (0..all.len()).map(|i| format!("s{i}")).collect();
        let described: Vec<_> = names
            .iter()
            .zip(&all)
            .map(|(n, &(w, a, l))| {
                (n.as_str(), w, a, l.map(|l| Duration::from_micros(l.into())))
            })
            .collect();
        let taking: Vec<&str> =
            described.iter().filter(|(_, w, ..)| *w > 0).map(|(n, ..)| *n).collect();
        let mut test = servers(&described);
        let slots = test.slots();
        prop_assert_eq!(slots.is_empty(), taking.is_empty());
        prop_assert!(slots.iter().all(|name| taking.contains(&name.as_str())));
        let picked = test.pick(&FLOW);
        prop_assert_eq!(picked.is_some(), !taking.is_empty());
        // The choice of the moment is in the plan.
        prop_assert!(picked.is_none_or(|name| slots.contains(&name)));
    }
}
