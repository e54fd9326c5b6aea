use evenkeel_sdk::testing::{SchedulerTest, scheduler_manifest};
use evenkeel_sdk::{Protocol, SettingValue};

use super::*;

fn dh(settings: &[(&str, SettingValue)]) -> SchedulerTest<DestinationHashing> {
    SchedulerTest::new(settings).unwrap()
}

fn flow(destination: &str) -> Flow {
    Flow {
        protocol: Protocol::Tcp,
        source: "100.64.0.1:40000".parse().unwrap(),
        destination: format!("{destination}:80").parse().unwrap(),
    }
}

/// Who was picked for 59 virtual addresses, as one digit each; '-': refused.
fn picks(test: &mut SchedulerTest<DestinationHashing>) -> String {
    (1..60)
        .map(|i| test.pick(&flow(&format!("10.201.0.{i}"))))
        .map(|picked| picked.unwrap_or_else(|| "-".to_owned()))
        .collect()
}

/// As seen of IPVS in Linux 6.1 (User-Mode Linux).
const SEEN: &str = "42413141303120303420242424141413131303030202424201414231413";

#[test]
fn connections_go_where_ipvs_sends_them_whatever_the_weights() {
    let mut test = dh(&[]);
    test.backends(&[("0", 1), ("1", 1), ("2", 1), ("3", 1), ("4", 1)]);
    assert_eq!(picks(&mut test), SEEN);
    test.backends(&[("0", 9), ("1", 1), ("2", 5), ("3", 65_535), ("4", 1)]);
    assert_eq!(picks(&mut test), SEEN);
}

#[test]
fn a_draining_servers_connections_are_refused_or_go_to_the_next_bucket() {
    let servers = [("0", 1), ("1", 1), ("2", 1), ("3", 1), ("4", 0)];
    let mut test = dh(&[]);
    test.backends(&servers);
    assert_eq!(picks(&mut test), SEEN.replace('4', "-"));
    let mut test = dh(&[("fallback", true.into())]);
    test.backends(&servers);
    assert_eq!(picks(&mut test), SEEN.replace('4', "0"));
    test.backends(&[("4", 0)]);
    assert_eq!(picks(&mut test), "-".repeat(59));
    test.backends(&[]);
    assert_eq!(picks(&mut test), "-".repeat(59));
}

#[test]
fn a_plan_has_the_one_server_that_the_address_chooses() {
    let mut test = dh(&[("address", "10.201.0.2".into())]);
    test.backends(&[("0", 1), ("1", 1), ("2", 1), ("3", 1), ("4", 1)]);
    assert_eq!(test.slots(), ["2"]);
    test.backends(&[("0", 1), ("1", 1), ("2", 0), ("3", 1), ("4", 1)]);
    assert_eq!(test.plan(), Plan::None);
}

#[test]
fn without_a_configured_address_the_plan_follows_the_last_connection() {
    let mut test = dh(&[]);
    test.backends(&[("0", 1), ("1", 1), ("2", 1), ("3", 1), ("4", 1)]);
    assert_eq!(test.slots(), ["0"]);
    test.pick(&flow("10.201.0.1"));
    assert_eq!(test.slots(), ["4"]);
}

#[test]
fn it_says_what_it_is_and_refuses_what_is_no_address() {
    assert_eq!(scheduler_manifest::<DestinationHashing>().name, "dh");
    let problem = SchedulerTest::<DestinationHashing>::new(&[("address", "shop".into())]);
    assert_eq!(problem.unwrap_err(), "address: shop is not an IP address");
}
