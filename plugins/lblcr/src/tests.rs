use evenkeel_sdk::testing::{SchedulerTest, scheduler_manifest};
use evenkeel_sdk::{Protocol, SettingValue};

use super::*;

fn lblcr(settings: &[(&str, SettingValue)]) -> SchedulerTest<Replication> {
    SchedulerTest::new(settings).unwrap()
}

/// Who gets a connection to that virtual address.
fn to(test: &mut SchedulerTest<Replication>, destination: &str) -> Option<String> {
    test.pick(&Flow {
        protocol: Protocol::Tcp,
        source: "100.64.0.1:40000".parse().unwrap(),
        destination: format!("{destination}:80").parse().unwrap(),
    })
}

/// Servers of weight 4 of which the first two are in the set of 10.0.0.1.
fn of_two(settings: &[(&str, SettingValue)]) -> SchedulerTest<Replication> {
    let mut test = lblcr(settings);
    test.backends(&[("a", 4), ("b", 4), ("c", 4)]);
    assert_eq!(to(&mut test, "10.0.0.1").unwrap(), "a");
    test.loads(&[("a", 5), ("b", 0), ("c", 1)]);
    assert_eq!(to(&mut test, "10.0.0.1").unwrap(), "b");
    test
}

#[test]
fn the_least_loaded_server_of_the_set_is_chosen_and_others_are_not() {
    let mut test = of_two(&[]);
    test.loads(&[("a", 3), ("b", 2), ("c", 1)]);
    assert_eq!(to(&mut test, "10.0.0.1").unwrap(), "b");
    test.loads(&[("a", 2), ("b", 3), ("c", 0)]);
    assert_eq!(to(&mut test, "10.0.0.1").unwrap(), "a");
}

#[test]
fn the_set_grows_when_all_its_servers_are_overloaded() {
    let mut test = of_two(&[]);
    test.loads(&[("a", 5), ("b", 5), ("c", 1)]);
    assert_eq!(to(&mut test, "10.0.0.1").unwrap(), "c");
    test.loads(&[("a", 1), ("b", 1), ("c", 3)]);
    // Of equals the one that joined later comes first, as in IPVS's list.
    assert_eq!(to(&mut test, "10.0.0.1").unwrap(), "b");
}

#[test]
fn servers_that_drain_or_have_gone_are_not_chosen() {
    let mut test = of_two(&[]);
    test.backends(&[("a", 0), ("b", 4), ("c", 4)]);
    test.loads(&[("a", 0), ("b", 3), ("c", 0)]);
    assert_eq!(to(&mut test, "10.0.0.1").unwrap(), "b");
    test.backends(&[("c", 4)]);
    assert_eq!(to(&mut test, "10.0.0.1").unwrap(), "c");
    test.backends(&[("c", 0)]);
    assert_eq!(to(&mut test, "10.0.0.1"), None);
    assert_eq!(to(&mut test, "10.0.0.2"), None);
}

#[test]
fn it_says_what_it_is() {
    assert_eq!(scheduler_manifest::<Replication>().settings.len(), 3);
    assert_eq!(Replication::DECISIONS, [Decision::PerConnection]);
}
