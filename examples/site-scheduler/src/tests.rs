use evenkeel_sdk::testing::SchedulerTest;
use evenkeel_sdk::{GroupRun, SettingValue};

use super::*;

fn site<const N: usize>(name: &str, networks: [&str; N]) -> Vec<(&'static str, SettingValue)> {
    vec![("name", name.into()), ("networks", networks.into())]
}

fn sites<const N: usize>(
    sites: [Vec<(&str, SettingValue)>; N],
) -> Result<SchedulerTest<Sites>, String> {
    SchedulerTest::new(&[("sites", sites.into()), ("sticky", 70.into())])
}

fn three(test: &mut SchedulerTest<Sites>) {
    let servers = [("a", 1), ("b", 2), ("c", 1)];
    test.backends(&servers);
    test.labels("a", &[("site", "inner")]);
    test.labels("b", &[("site", "outer")]);
    test.backends(&servers);
}

fn delegates(group: &Group) -> usize {
    match group {
        Group::Delegate { scheduler, servers } if scheduler == LEAST => servers.len(),
        _ => 0,
    }
}

#[test]
fn each_site_is_a_group_and_others_are_divided() {
    let mut test = sites([
        site("inner", ["10.1.0.0/16", "fd00::/8"]),
        site("outer", ["10.2.0.0/16"]),
    ])
    .unwrap();
    three(&mut test);
    let plan = test.plan();
    let groups = plan.as_groups().unwrap();
    let run = |group, width| GroupRun { group, width };
    let split = Group::Split {
        runs: vec![run(3, 70), run(4, 30)],
        selector: Selector::HashSource,
    };
    assert_eq!(groups.groups[0], split);
    assert_eq!(
        groups.groups[1..].iter().map(delegates).collect::<Vec<_>>(),
        [1, 1, 0, 3]
    );
    assert!(matches!(
        &groups.groups[3],
        Group::Servers { selector: Selector::HashSource, runs } if runs.len() == 3
    ));
    let led: Vec<u32> = groups.rules.iter().map(|(_, group)| *group).collect();
    assert_eq!(led, [1, 1, 2]);
}

#[test]
fn a_site_without_servers_is_divided_as_all_others() {
    let mut test = sites([site("inner", ["10.1.0.0/16"])]).unwrap();
    test.backends(&[("a", 0), ("b", 1)]);
    test.labels("a", &[("site", "inner")]);
    test.backends(&[("a", 0), ("b", 1)]);
    let plan = test.plan();
    let groups = &plan.as_groups().unwrap().groups;
    assert_eq!(groups[1], groups[0]);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let wrong = |network: &str, other: &str, name: &str| {
        let both = [site("x", [network]), site(name, [other])];
        sites(both).err().unwrap()
    };
    let reason = wrong("10.0.0.0/99", "10.0.0.0/8", "y");
    assert!(reason.contains("\"10.0.0.0/99\" of site x: "), "{reason}");
    assert!(wrong("10.0.0.0/8", "10.1.0.0/8", "y").contains("twice"));
    assert!(wrong("10.0.0.0/8", "11.0.0.0/8", "x").contains("the site \"x\" is there twice"));
    let mut test = sites([site("inner", ["10.1.0.0/16"])]).unwrap();
    three(&mut test);
    assert_eq!(
        test.validate(vec![]).unwrap_err(),
        "no server has the label site = \"inner\""
    );
}
