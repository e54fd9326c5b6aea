use evenkeel_sdk::testing::{SchedulerTest, scheduler_manifest};
use evenkeel_sdk::{Counts, Protocol, SettingValue};

use super::*;

fn lblc(settings: &[(&str, SettingValue)]) -> SchedulerTest<Locality> {
    SchedulerTest::new(settings).unwrap()
}

fn flow(source: &str, destination: &str) -> Flow {
    Flow {
        protocol: Protocol::Tcp,
        source: format!("{source}:40000").parse().unwrap(),
        destination: format!("{destination}:80").parse().unwrap(),
    }
}

/// Who gets a connection to that virtual address.
fn to(test: &mut SchedulerTest<Locality>, destination: &str) -> String {
    test.pick(&flow("100.64.0.1", destination)).unwrap()
}

#[test]
fn an_address_keeps_its_server_and_a_new_one_gets_the_least_loaded() {
    let mut test = lblc(&[]);
    test.backends(&[("a", 10), ("b", 10), ("c", 20)]);
    test.loads(&[("a", 3), ("b", 2), ("c", 5)]);
    assert_eq!(to(&mut test, "10.0.0.1"), "b");
    test.loads(&[("a", 1), ("b", 9)]);
    assert_eq!(to(&mut test, "10.0.0.1"), "b");
    assert_eq!(to(&mut test, "10.0.0.2"), "a");
}

#[test]
fn of_equal_loads_the_first_server_is_taken_and_closing_connections_count_a_little() {
    let mut test = lblc(&[]);
    test.backends(&[("draining", 0), ("a", 10), ("b", 10)]);
    assert_eq!(to(&mut test, "10.0.0.1"), "a");
    let closing = |inactive| Counts {
        active: 1,
        inactive,
        ..Counts::default()
    };
    test.counts_of("a", closing(2));
    test.counts_of("b", closing(1));
    assert_eq!(to(&mut test, "10.0.0.2"), "b");
}

#[test]
fn an_overloaded_server_is_left_only_for_one_that_is_half_idle() {
    let mut test = lblc(&[]);
    test.backends(&[("a", 4), ("b", 4)]);
    test.loads(&[("b", 2)]);
    assert_eq!(to(&mut test, "10.0.0.1"), "a");
    test.loads(&[("a", 4), ("b", 0)]);
    assert_eq!(to(&mut test, "10.0.0.1"), "a");
    test.loads(&[("a", 5), ("b", 2)]);
    assert_eq!(to(&mut test, "10.0.0.1"), "a");
    test.loads(&[("a", 5), ("b", 1)]);
    assert_eq!(to(&mut test, "10.0.0.1"), "b");
    test.loads(&[("a", 0), ("b", 3)]);
    assert_eq!(to(&mut test, "10.0.0.1"), "b");
}

#[test]
fn an_address_whose_server_drains_or_goes_gets_another() {
    let mut test = lblc(&[]);
    test.backends(&[("a", 1), ("b", 1), ("c", 1)]);
    assert_eq!(to(&mut test, "10.0.0.1"), "a");
    test.backends(&[("a", 0), ("b", 1), ("c", 1)]);
    assert_eq!(to(&mut test, "10.0.0.1"), "b");
    test.backends(&[("a", 0), ("c", 1)]);
    assert_eq!(to(&mut test, "10.0.0.1"), "c");
    test.backends(&[("a", 0)]);
    assert_eq!(test.pick(&flow("100.64.0.1", "10.0.0.1")), None);
}

#[test]
fn the_clients_address_can_be_the_key() {
    let mut test = lblc(&[("key", "source".into())]);
    test.backends(&[("a", 9), ("b", 9)]);
    let mut from = |source| test.pick(&flow(source, "10.0.0.1")).unwrap();
    assert_eq!(from("100.64.0.1"), "a");
    assert_eq!(from("100.64.0.2"), "b");
    assert_eq!(from("100.64.0.1"), "a");
    assert_eq!(from("100.64.0.1"), "a");
}

#[test]
fn an_unused_address_is_forgotten_after_the_timeout() {
    let mut test = lblc(&[("timeout", Duration::from_millis(5).into())]);
    test.backends(&[("a", 90), ("b", 90)]);
    assert_eq!(to(&mut test, "10.0.0.1"), "a");
    test.loads(&[("a", 50)]);
    std::thread::sleep(Duration::from_millis(6));
    assert_eq!(to(&mut test, "10.0.0.1"), "b");
}

#[test]
fn while_nobody_can_be_asked_clients_keep_their_servers_by_weight() {
    let mut test = lblc(&[]);
    test.backends(&[("a", 30_000), ("b", 10_000), ("draining", 0)]);
    let counts = test.counts();
    assert_eq!((counts["a"], counts["b"], counts.len()), (768, 256, 2));
    test.backends(&[]);
    assert_eq!(test.plan(), Plan::None);
}

#[test]
fn it_says_what_it_is() {
    assert_eq!(scheduler_manifest::<Locality>().settings.len(), 3);
    assert_eq!(Locality::DECISIONS, [Decision::PerConnection]);
}
