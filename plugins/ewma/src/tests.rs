use std::cell::RefCell;

use evenkeel_sdk::Counts;
use evenkeel_sdk::testing::{FLOW, SchedulerTest, scheduler_manifest};
use proptest::prelude::*;

use super::*;

thread_local! {
    /// The time and the random numbers of the next decision.
    static NEXT: RefCell<(Duration, u64, u64)> = const { RefCell::new((Duration::ZERO, 0, 0)) };
}

/// The scheduler with numbers and a time that are known.
struct Known(PeakEwma);

impl Scheduler for Known {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        PeakEwma::new(settings).map(Self)
    }

    fn plan(&mut self, backends: &Backends) -> Plan {
        self.0.observe(backends, NEXT.with_borrow(|next| next.0));
        Plan::None
    }

    fn pick(&mut self, _: &Flow, backends: &Backends) -> Option<BackendId> {
        let (now, first, second) = NEXT.with_borrow(|next| *next);
        self.0.choose(backends, now, (first, second))
    }
}

fn ms(millis: u64) -> Option<Duration> {
    Some(Duration::from_millis(millis))
}

fn set<S: Scheduler>(test: &mut SchedulerTest<S>, all: &[(&str, u32, u32, Option<Duration>)]) {
    let weights: Vec<_> = all.iter().map(|&(n, w, ..)| (n, w)).collect();
    test.backends(&weights);
    for &(name, _, active, latency) in all {
        let counts = Counts {
            active,
            latency,
            ..Counts::default()
        };
        test.counts_of(name, counts);
    }
}

/// The server chosen of two at that time in seconds, whichever is drawn first.
fn of_two(test: &mut SchedulerTest<Known>, at: u64) -> String {
    let mut chosen = [(0, u64::MAX), (u64::MAX, 0)].map(|(first, second)| {
        NEXT.set((Duration::from_secs(at), first, second));
        test.plan();
        test.pick(&FLOW).unwrap()
    });
    chosen.sort();
    let [one, other] = chosen;
    assert_eq!(one, other);
    one
}

#[test]
fn of_two_servers_the_one_with_the_lesser_cost_is_chosen() {
    for (all, expected) in [
        ([("a", 1, 1, ms(20)), ("b", 1, 3, ms(5))], "b"),
        ([("a", 1, 1, ms(20)), ("b", 1, 9, ms(5))], "a"),
        ([("a", 1, 1, ms(20)), ("b", 3, 6, ms(20))], "a"),
        ([("a", 1, 1, ms(20)), ("b", 3, 4, ms(20))], "b"),
        // Not measured yet: as slow as the others.
        ([("a", 1, 1, ms(20)), ("b", 1, 0, None)], "b"),
        ([("a", 1, 1, ms(20)), ("b", 1, 2, None)], "a"),
    ] {
        let mut test = SchedulerTest::<Known>::new(&[]).unwrap();
        set(&mut test, &all);
        assert_eq!(of_two(&mut test, 1), expected, "{all:?}");
    }
}

#[test]
fn a_server_that_was_slow_is_spared_for_a_while() {
    let mut test = SchedulerTest::<Known>::new(&[]).unwrap();
    set(&mut test, &[("a", 1, 0, ms(900)), ("b", 1, 4, ms(10))]);
    assert_eq!(of_two(&mut test, 100), "b");
    // As fast as the other again, and it has fewer connections.
    set(&mut test, &[("a", 1, 0, ms(10)), ("b", 1, 4, ms(10))]);
    assert_eq!(of_two(&mut test, 101), "b");
    assert_eq!(of_two(&mut test, 120), "b");
    // 890 ms are 16 ms after four times `decay`, and 26 < 5 * 10.
    assert_eq!(of_two(&mut test, 140), "a");
}

#[test]
fn a_peak_counts_at_once() {
    let mut test = SchedulerTest::<Known>::new(&[]).unwrap();
    set(&mut test, &[("a", 1, 4, ms(10)), ("b", 1, 5, ms(10))]);
    assert_eq!(of_two(&mut test, 100), "a");
    set(&mut test, &[("a", 1, 4, ms(15)), ("b", 1, 5, ms(10))]);
    assert_eq!(of_two(&mut test, 101), "b");
}

#[test]
fn the_plan_prefers_the_server_with_the_lesser_cost_and_is_asked_for_again_while_a_peak_decays() {
    let mut test = SchedulerTest::<PeakEwma>::new(&[("decay", Duration::from_secs(3600).into())]);
    let test = test.as_mut().unwrap();
    set(test, &[("a", 1, 3, ms(100)), ("b", 1, 3, ms(10))]);
    assert_eq!(test.counts(), [("b".to_owned(), 2)].into());
    assert_eq!(test.plan().as_table().and_then(|table| table.refresh), None);
    set(test, &[("a", 1, 3, ms(10)), ("b", 1, 3, ms(10))]);
    let plan = test.plan();
    let refresh = plan.as_table().and_then(|table| table.refresh);
    assert_eq!(refresh, Some(Duration::from_secs(450)));
    assert_eq!(test.counts(), [("b".to_owned(), 2)].into());
}

#[test]
fn without_a_server_that_takes_connections_they_are_refused() {
    let mut test = SchedulerTest::<PeakEwma>::new(&[]).unwrap();
    assert_eq!((test.pick(&FLOW), test.plan()), (None, Plan::None));
    set(&mut test, &[("a", 0, 0, ms(5))]);
    assert_eq!((test.pick(&FLOW), test.plan()), (None, Plan::None));
    set(&mut test, &[("a", 0, 0, ms(5)), ("b", 1, 0, None)]);
    assert_eq!(test.pick(&FLOW).as_deref(), Some("b"));
}

#[test]
fn it_says_what_it_is_and_refuses_settings_that_make_no_sense() {
    let manifest = scheduler_manifest::<PeakEwma>();
    assert_eq!(
        (manifest.name.as_str(), manifest.settings.len()),
        ("ewma", 2)
    );
    assert_eq!(
        PeakEwma::DECISIONS,
        [Decision::Plan, Decision::PerConnection]
    );
    assert_eq!(PeakEwma::FACTS, Facts::CONNECTIONS.and(Facts::LATENCY));
    for key in ["decay", "floor"] {
        let wrong = if key == "decay" {
            Duration::ZERO
        } else {
            Duration::MAX
        };
        assert!(
            SchedulerTest::<PeakEwma>::new(&[(key, wrong.into())]).is_err(),
            "{key}"
        );
    }
}

proptest! {
    #[test]
    fn only_servers_of_a_weight_are_chosen(
        all in prop::collection::vec(
            (0_u32..3, any::<u32>(), prop::option::of(any::<u32>())), 0..9),
        (at, first, second) in any::<(u32, u64, u64)>(),
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
        let mut test = SchedulerTest::<PeakEwma>::new(&[]).unwrap();
        set(&mut test, &described);
        let slots = test.slots();
        prop_assert_eq!(slots.is_empty(), taking.is_empty());
        prop_assert!(slots.iter().all(|name| taking.contains(&name.as_str())));
        let mut test = SchedulerTest::<Known>::new(&[]).unwrap();
        set(&mut test, &described);
        NEXT.set((Duration::from_millis(at.into()), first, second));
        let picked = test.pick(&FLOW);
        prop_assert_eq!(picked.is_some(), !taking.is_empty());
        prop_assert!(picked.is_none_or(|name| taking.contains(&name.as_str())));
    }
}
