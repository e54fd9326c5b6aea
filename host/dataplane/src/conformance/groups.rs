//! Spreads in groups. A data plane without groups gets their shares.

use evenkeel_core::groups::{Group, Groups, clients};
use evenkeel_core::model::ServiceKey;
use evenkeel_core::state::{Prefixes, Selector, ServiceState, Spread, State};

use super::fixture::{Open, id, in_turn, kinds, reach, reach_one, service, web};

/// A service whose servers, numbered from `first` on, are in three groups.
fn grouped(key: &ServiceKey, first: u32, split: &[usize], rules: &[(&str, usize)]) -> ServiceState {
    let v4 = key.addr.is_ipv4();
    let network = Selector::HashNetwork(Prefixes { v4: 24, v6: 64 });
    let slots = |numbers: &[u32]| numbers.iter().map(|n| id(first + n)).collect();
    let groups = Groups {
        groups: vec![
            Group::Split {
                selector: Selector::HashSource,
                slots: split.to_vec(),
            },
            Group::Servers {
                selector: network,
                slots: slots(&[0, 1, 0]),
            },
            Group::Servers {
                selector: Selector::Sequence,
                slots: slots(&[2]),
            },
            Group::Refuse,
        ],
        clients: clients(
            &rules
                .iter()
                .map(|(net, group)| (net.parse().unwrap(), *group))
                .collect::<Vec<_>>(),
            v4,
        ),
    };
    let mut state = service(
        key,
        &[first, first + 1, first + 2],
        Selector::Sequence,
        &[first],
    );
    state.spread = Spread::Groups(groups.in_family(v4));
    state
}

/// Networks of both IP versions, one in another.
const RULES: [(&str, usize); 5] = [
    ("10.0.0.0/8", 2),
    ("10.1.0.0/16", 0),
    ("10.1.2.0/24", 3),
    ("fd00::/8", 1),
    ("fd00:1::/32", 2),
];

pub(super) fn groups_are_read_as_they_were_put(open: Open<'_>) {
    let mut plane = open();
    let mut wanted = State::default();
    for (n, key) in (1..).step_by(10).zip(kinds()) {
        for rules in [&RULES[..], &RULES[..1], &[]] {
            for split in [&[1, 2][..], &[1, 2, 1], &[2, 3, 3, 3, 1]] {
                let mut state = grouped(&key, n, split, rules);
                state.snat = n > 20;
                wanted.services.insert(key, state);
                reach(open, &mut *plane, &wanted);
            }
        }
    }
    wanted.services.pop_first();
    reach(open, &mut *plane, &wanted);
}

pub(super) fn groups_come_and_go(open: Open<'_>) {
    let mut plane = open();
    let plain = || in_turn(&web(), &[1, 2, 3], &[1, 2, 3]);
    let refused = || in_turn(&web(), &[], &[]);
    for state in [
        plain(),
        grouped(&web(), 1, &[1, 2], &[]),
        plain(),
        grouped(&web(), 1, &[1, 2], &RULES),
        refused(),
        grouped(&web(), 1, &[1, 2], &RULES),
        // The rules of one network, and then of others.
        grouped(&web(), 1, &[1, 2], &[("192.0.2.0/24", 1)]),
        grouped(&web(), 1, &[1, 2], &[("0.0.0.0/0", 2)]),
    ] {
        reach_one(open, &mut *plane, web(), state);
    }
    reach(open, &mut *plane, &State::default());
}
