use std::collections::BTreeMap;

use ipnet::IpNet;
use proptest::prelude::*;

use super::*;
use crate::selector::Prefixes;

fn id(n: u32) -> BackendId {
    BackendId::new(n).unwrap()
}

fn servers(selector: Selector, slots: &[u32]) -> Group {
    Group::Servers {
        selector,
        slots: slots.iter().map(|n| id(*n)).collect(),
    }
}

fn split(selector: Selector, slots: &[usize]) -> Group {
    Group::Split {
        selector,
        slots: slots.to_vec(),
    }
}

fn rules(of: &[(&str, usize)]) -> Vec<(IpNet, usize)> {
    of.iter()
        .map(|(net, group)| (net.parse().unwrap(), *group))
        .collect()
}

fn shown(clients: &[Clients]) -> Vec<String> {
    clients
        .iter()
        .map(|it| format!("{}-{} {}", it.first, it.last, it.group))
        .collect()
}

#[test]
fn of_two_networks_the_longer_prefix_counts_and_neighbours_become_one() {
    type Case<'a> = (&'a [(&'a str, usize)], &'a [&'a str]);
    let cases: [Case<'_>; 6] = [
        (&[], &[]),
        (
            &[("10.0.0.0/8", 1), ("10.1.0.0/16", 2)],
            &[
                "10.0.0.0-10.0.255.255 1",
                "10.1.0.0-10.1.255.255 2",
                "10.2.0.0-10.255.255.255 1",
            ],
        ),
        // The first group needs no range, but leaves a gap in another's.
        (
            &[("10.0.0.0/30", 1), ("10.0.0.1/32", 0)],
            &["10.0.0.0-10.0.0.0 1", "10.0.0.2-10.0.0.3 1"],
        ),
        (
            &[("10.0.0.128/25", 3), ("10.0.0.0/25", 3)],
            &["10.0.0.0-10.0.0.255 3"],
        ),
        (
            &[
                ("0.0.0.0/0", 1),
                ("255.255.255.255/32", 2),
                ("0.0.0.0/32", 3),
            ],
            &[
                "0.0.0.0-0.0.0.0 3",
                "0.0.0.1-255.255.255.254 1",
                "255.255.255.255-255.255.255.255 2",
            ],
        ),
        // Of the other IP version.
        (&[("fd00::/8", 1)], &[]),
    ];
    for (of, expected) in cases {
        assert_eq!(shown(&clients(&rules(of), true)), expected, "{of:?}");
    }
    let six = clients(&rules(&[("::/0", 1), ("fd00::/8", 2)]), false);
    assert_eq!(
        shown(&six),
        [
            "::-fcff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 1",
            "fd00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 2",
            "fe00::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 1",
        ]
    );
}

proptest! {
    #[test]
    fn ranges_lead_every_client_where_the_longest_prefix_does(
        nets in prop::collection::btree_map((0u32..64, 26u8..=32), 0usize..4, 0..12),
    ) {
        let rules: Vec<(IpNet, usize)> = nets
            .iter()
            .map(|((low, prefix), group)| {
                let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + low);
                (IpNet::new(address.into(), *prefix).unwrap().trunc(), *group)
            })
            // No network twice.
            .collect::<BTreeMap<_, _>>()
            .into_iter()
            .collect();
        let groups = Groups {
            groups: vec![Group::Refuse; 4],
            clients: clients(&rules, true),
        };
        for pair in groups.clients.windows(2) {
            prop_assert!(pair[0].last < pair[1].first);
        }
        for low in 0..70 {
            let client: IpAddr = std::net::Ipv4Addr::from_bits(0x0a00_0000 + low).into();
            let longest = rules
                .iter()
                .filter(|(net, _)| net.contains(&client))
                .max_by_key(|(net, _)| net.prefix_len());
            prop_assert_eq!(groups.start(client), longest.map_or(0, |(_, group)| *group));
        }
    }
}

#[test]
fn a_client_is_led_through_splits_by_hashes_that_do_not_follow_each_other() {
    let groups = Groups {
        groups: vec![
            split(Selector::HashSource, &[1, 2]),
            servers(Selector::HashSource, &[1, 2]),
            servers(Selector::Sequence, &[3]),
        ],
        clients: clients(&rules(&[("192.0.2.0/24", 2)]), true),
    };
    let service: SocketAddr = "198.51.100.1:80".parse().unwrap();
    let mut seen: BTreeMap<Option<u32>, u32> = BTreeMap::new();
    for n in 0..2_000u32 {
        let client = SocketAddr::new(std::net::Ipv4Addr::from_bits(0x0a00_0000 + n).into(), 0);
        let led = groups.led(client, service);
        assert_eq!(led.through[0], 0);
        *seen.entry(led.to.map(|(_, id)| id.get())).or_default() += 1;
    }
    // Half of them to the group in turn, of which nobody can tell; a quarter to each of the other's servers.
    assert!(seen[&None].abs_diff(1_000) < 100, "{seen:?}");
    assert!(seen[&Some(1)].abs_diff(500) < 100, "{seen:?}");
    assert!(seen[&Some(2)].abs_diff(500) < 100, "{seen:?}");
    let named = groups.led("192.0.2.7:5".parse().unwrap(), service);
    assert_eq!(named.through, [2]);
    assert_eq!(named.to, None);
}

#[test]
fn one_table_has_the_shares_of_the_groups() {
    let of = |groups: Vec<Group>| {
        let groups = Groups {
            groups,
            clients: Vec::new(),
        };
        let (selector, slots) = groups.flat()?;
        let count = |n: u32| slots.iter().filter(|it| **it == id(n)).count();
        Some((selector, [count(1), count(2), count(3)]))
    };
    use Selector::{HashSource, Random, Sequence};
    let cases = [
        // Seven of ten to servers 1 and 2 alike, the rest to 3.
        (
            vec![
                split(HashSource, &[1, 1, 1, 1, 1, 1, 1, 2, 2, 2]),
                servers(HashSource, &[1, 2]),
                servers(Sequence, &[3]),
            ],
            Some((Sequence, [7, 7, 6])),
        ),
        (
            vec![
                split(HashSource, &[1, 2]),
                servers(HashSource, &[1]),
                servers(HashSource, &[2, 2, 3]),
            ],
            Some((HashSource, [3, 2, 1])),
        ),
        // Nobody comes to the second but by a network.
        (
            vec![servers(Random, &[1]), servers(Random, &[2])],
            Some((Sequence, [1, 0, 0])),
        ),
        (vec![Group::Refuse, servers(Random, &[2])], None),
    ];
    for (groups, expected) in cases {
        assert_eq!(of(groups.clone()), expected, "{groups:?}");
    }
}

#[test]
fn a_group_s_network_is_of_one_ip_version() {
    let both = Selector::HashNetwork(Prefixes { v4: 24, v6: 64 });
    let four = Selector::HashNetwork(Prefixes { v4: 24, v6: 128 });
    assert_eq!(both.in_family(true), four);
    assert_eq!(four.in_family(false), Selector::HashSource);
    assert_eq!(Selector::HashFlow.in_family(true), Selector::HashFlow);
}

#[test]
fn groups_are_described_in_words() {
    let groups = Groups {
        groups: vec![
            split(Selector::HashSource, &[1, 1, 2, 3]),
            servers(
                Selector::HashNetwork(Prefixes { v4: 24, v6: 128 }),
                &[1, 2, 1],
            ),
            servers(Selector::Sequence, &[1, 2]),
            Group::Refuse,
        ],
        clients: clients(&rules(&[("10.0.0.0/8", 2)]), true),
    };
    let expected = [
        "group 0: by a hash of the client's address, of 4 slots group 1 2, group 2 1, group 3 1",
        "group 1: by a hash of the client's network (/24, /128), of 3 slots rs1 2, rs2 1",
        "group 2: in turn, rs1, rs2",
        "group 3: refuses",
        "clients 10.0.0.0 to 10.255.255.255 begin in group 2",
    ];
    assert_eq!(groups.lines(|id| format!("rs{id}")), expected);
}
