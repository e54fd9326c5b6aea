use super::*;
use crate::plan::Plan;
use crate::state::Prefixes;

fn id(n: u32) -> BackendId {
    BackendId::new(n).unwrap()
}

fn servers(selector: Selector, runs: &[(u32, u32)]) -> PlannedGroup {
    let slots = runs
        .iter()
        .map(|(n, width)| Run {
            id: id(*n),
            width: *width,
        })
        .collect();
    PlannedGroup::Servers(GroupTable { slots, selector })
}

fn split(runs: &[(usize, u32)]) -> PlannedGroup {
    let slots = runs
        .iter()
        .map(|(group, width)| GroupRun {
            group: *group,
            width: *width,
        })
        .collect();
    PlannedGroup::Split(GroupTable {
        slots,
        selector: Selector::HashSource,
    })
}

fn plan(groups: Vec<PlannedGroup>, rules: &[(&str, usize)]) -> Result<Spread, PlanError> {
    let rules = rules
        .iter()
        .map(|(net, group)| (net.parse().unwrap(), *group))
        .collect();
    let plan = Plan::Groups(PlannedGroups {
        groups,
        rules,
        refresh_ms: None,
    });
    plan.spread(&[id(1), id(2)].into())
}

#[test]
fn groups_and_rules_are_laid_out() {
    let turn = || servers(Selector::Sequence, &[(1, 1), (2, 2)]);
    let spread = plan(
        vec![split(&[(1, 3), (2, 1)]), turn(), PlannedGroup::Refuse],
        &[("10.0.0.0/8", 1), ("fd00::/8", 2)],
    );
    let Ok(Spread::Groups(groups)) = spread else {
        panic!("{spread:?}");
    };
    assert_eq!(
        groups.groups,
        [
            Group::Split {
                selector: Selector::HashSource,
                slots: vec![1, 1, 1, 2]
            },
            Group::Servers {
                selector: Selector::Sequence,
                slots: vec![id(1), id(2), id(2)]
            },
            Group::Refuse
        ]
    );
    assert_eq!(groups.clients.len(), 2);
    let four = Spread::Groups(groups).in_family(true);
    let Spread::Groups(four) = four else {
        panic!("{four:?}");
    };
    assert_eq!(four.clients.len(), 1);
}

#[test]
fn groups_say_when_they_are_to_be_planned_again() {
    let plan = |refresh_ms| {
        Plan::Groups(PlannedGroups {
            refresh_ms,
            ..PlannedGroups::default()
        })
    };
    assert_eq!(plan(Some(7)).refresh_ms(), Some(7));
    assert_eq!(plan(None).refresh_ms(), None);
    assert_eq!(Plan::None.refresh_ms(), None);
}

#[test]
fn one_group_is_a_table() {
    let spread = plan(vec![servers(Selector::Random, &[(1, 2), (2, 1)])], &[]);
    let expected = Spread::Slots {
        selector: Selector::Random,
        slots: vec![id(1), id(1), id(2)],
    };
    assert_eq!(spread, Ok(expected));
    assert_eq!(plan(vec![PlannedGroup::Refuse], &[]), Ok(Spread::Refuse));
}

#[test]
fn what_cannot_be_followed_is_refused_with_the_group_that_it_is_about() {
    let some = || servers(Selector::Sequence, &[(1, 1)]);
    let network = |v4, v6| {
        servers(
            Selector::HashNetwork(Prefixes { v4, v6 }),
            &[(1, 1), (2, 1)],
        )
    };
    let delegate = PlannedGroup::Delegate {
        scheduler: "lc".to_owned(),
        servers: vec![id(1)],
    };
    type Case<'a> = (Vec<PlannedGroup>, &'a [(&'a str, usize)], &'a str);
    let cases: [Case<'_>; 12] = [
        (vec![], &[], "the plan has 0 groups"),
        (vec![some(); 65], &[], "the plan has 65 groups"),
        (
            vec![servers(Selector::Sequence, &[])],
            &[],
            "group 0 of the plan has no slots",
        ),
        (
            vec![some(), split(&[])],
            &[],
            "group 1 of the plan has no slots",
        ),
        (vec![split(&[(1, 0)]), some()], &[], "a run of width 0"),
        (
            vec![split(&[(2, 1)]), some()],
            &[],
            "the plan names group 2, and has 2",
        ),
        (
            vec![some(), split(&[(1, 1)])],
            &[],
            "group 1 of the plan leads to group 1",
        ),
        (
            vec![some(), split(&[(0, 1)])],
            &[],
            "group 1 of the plan leads to group 0",
        ),
        (
            vec![some()],
            &[("10.0.0.0/8", 1)],
            "the plan names group 1, and has 1",
        ),
        (
            vec![some(), some()],
            &[("10.0.0.0/8", 1), ("10.1.0.0/8", 0)],
            "two rules for 10.0.0.0/8",
        ),
        (
            vec![some(), network(0, 64)],
            &[],
            "networks of 0 bits, where 1 to 32",
        ),
        (
            vec![delegate, some()],
            &[],
            "group 0 of the plan is the scheduler lc's",
        ),
    ];
    for (groups, rules, expected) in cases {
        let error = plan(groups.clone(), rules).unwrap_err().to_string();
        assert!(error.contains(expected), "{error} for {groups:?}");
    }
    let unknown = plan(vec![some(), servers(Selector::Random, &[(9, 1)])], &[]);
    assert_eq!(unknown, Err(PlanError::UnknownBackend(9)));
    let large = plan(
        vec![
            servers(Selector::HashSource, &[(1, 60_000)]),
            servers(Selector::HashSource, &[(1, 6_000)]),
        ],
        &[],
    );
    assert_eq!(large, Err(PlanError::TooLarge(66_000)));
}
