use std::collections::BTreeMap;

use evenkeel_sdk::SettingValue;
use evenkeel_sdk::testing::{SchedulerTest, logged, scheduler_manifest};
use proptest::prelude::*;

use super::*;

fn wrr(settings: &[(&str, SettingValue)]) -> SchedulerTest<WeightedRoundRobin> {
    SchedulerTest::new(settings).unwrap()
}

fn slots(servers: &[(&str, u32)]) -> String {
    let mut test = wrr(&[]);
    test.backends(servers);
    test.slots().concat()
}

/// The plain form of the algorithm, a step looking at every server.
fn plain(shares: &[u32]) -> Vec<usize> {
    let total: i64 = shares.iter().copied().map(i64::from).sum();
    let mut credit = vec![0; shares.len()];
    let mut round = Vec::new();
    for _ in 0..total {
        let mut best = 0;
        for i in 0..shares.len() {
            credit[i] += i64::from(shares[i]);
            if credit[i] > credit[best] {
                best = i;
            }
        }
        credit[best] -= total;
        round.push(best);
    }
    round
}

#[test]
fn a_heavy_server_is_spread_out_over_the_round() {
    assert_eq!(slots(&[("a", 5), ("b", 1), ("c", 1)]), "aabacaa");
    assert_eq!(slots(&[("a", 5), ("b", 1), ("c", 1), ("d", 1)]), "aabacada");
}

/// IPVS's order in the plain form of its algorithm: a pointer that walks round the list, and a weight
/// that falls by the greatest common divisor whenever it passes the end.
fn walk(weights: &[u32], connections: usize) -> Vec<usize> {
    let step = weights.iter().copied().fold(0, |a, b| {
        let (mut a, mut b) = (a, b);
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    });
    let greatest = weights.iter().copied().max().unwrap();
    let (mut at, mut least) = (None, greatest);
    let mut chosen = Vec::new();
    while chosen.len() < connections {
        let next = at.map_or(0, |at| at + 1);
        if next < weights.len() {
            at = Some(next);
            if weights[next] >= least {
                chosen.push(next);
            }
        } else {
            at = None;
            least = if least > step { least - step } else { greatest };
        }
    }
    chosen
}

#[test]
fn ipvs_order_begins_with_the_heaviest_alone() {
    let mut test = wrr(&[("order", "ipvs".into())]);
    test.backends(&[("a", 4), ("b", 3), ("c", 2)]);
    // The example of the LVS documentation.
    assert_eq!(test.slots().concat(), "aababcabc");
    // As seen of IPVS in Linux 6.1 (User-Mode Linux).
    test.backends(&[("0", 4), ("1", 3), ("2", 2), ("3", 1), ("4", 6)]);
    let seen = "012344404014012401234440401401240123444040140124";
    let round = test.slots().concat();
    assert_eq!(round.len(), 16);
    assert!(round.repeat(5).contains(seen));
    test.backends(&[("a", 100), ("b", 0), ("c", 300)]);
    assert_eq!(test.slots().concat(), "ccac");
}

#[test]
fn ipvs_order_of_extreme_weights_has_every_turn() {
    let mut shares = vec![1; 1000];
    shares[500] = 64_536;
    let round = ipvs::passes(&shares);
    assert_eq!(round.len(), 65_535);
    // The heaviest alone, until all take their one turn.
    assert!(round[..64_535].iter().all(|&server| server == 500));
    assert!(round[64_535..].iter().copied().eq(0..1000));
}

#[test]
fn weights_with_a_common_divisor_make_the_shorter_round() {
    assert_eq!(slots(&[("a", 300), ("b", 100)]), "aaba");
    assert_eq!(slots(&[("a", 7), ("b", 7), ("c", 7)]), "abc");
}

#[test]
fn a_draining_server_gets_no_slot_and_alone_means_refusing() {
    assert_eq!(slots(&[("a", 2), ("b", 0), ("c", 1)]), "aca");
    let mut test = wrr(&[]);
    test.backends(&[("a", 0)]);
    assert_eq!(test.plan(), Plan::None);
    test.backends(&[]);
    assert_eq!(test.plan(), Plan::None);
}

#[test]
fn weights_that_need_too_many_slots_are_rounded_by_largest_remainder_and_that_is_said() {
    let mut test = wrr(&[("max-slots", 10.into())]);
    test.backends(&[("a", 7), ("b", 5), ("c", 1)]);
    // 5.38, 3.85 and 0.77 slots: c is lifted to one, and b has the largest remainder.
    let expected: BTreeMap<String, u32> =
        [("a".into(), 5), ("b".into(), 4), ("c".into(), 1)].into();
    assert_eq!(test.counts(), expected);
    assert_eq!(logged().len(), 1);
    test.backends(&[("a", 5), ("b", 5)]);
    test.plan();
    assert!(logged().is_empty());
}

#[test]
fn every_server_has_a_slot_even_if_there_are_more_of_them_than_slots() {
    let shares = Shares::of(&[1, 2, 3, 4], 2);
    assert_eq!(shares.slots, [1, 1, 1, 1]);
    let shares = Shares::of(&[65_535, 1, 1, 1, 1], 6);
    assert_eq!(shares.slots, [2, 1, 1, 1, 1]);
}

#[test]
fn a_thousand_servers_of_all_weights_get_their_shares() {
    let weights: Vec<u32> = (1..=1000).map(|i| i * 7 % 997 + 1).collect();
    let shares = Shares::of(&weights, 65_536);
    let round = smooth::interleave(&shares.slots);
    assert_eq!(round.len(), 65_536);
    let mut turns = vec![0; weights.len()];
    for server in round {
        turns[server] += 1;
    }
    assert_eq!(turns, shares.slots);
}

#[test]
fn it_says_what_it_is() {
    let manifest = scheduler_manifest::<WeightedRoundRobin>();
    assert_eq!(
        (manifest.name.as_str(), manifest.settings.len()),
        ("wrr", 2)
    );
    assert!(SchedulerTest::<WeightedRoundRobin>::new(&[("max-slots", 65_537.into())]).is_err());
}

proptest! {
    #[test]
    fn a_round_is_what_the_plain_algorithm_makes(
        weights in prop::collection::vec(1_u32..40, 1..12),
    ) {
        prop_assert_eq!(smooth::interleave(&weights), plain(&weights));
    }

    #[test]
    fn ipvs_order_is_what_walking_round_the_list_makes(
        weights in prop::collection::vec(1_u32..40, 1..12),
        factor in 1_u32..4,
    ) {
        let weights: Vec<u32> = weights.iter().map(|weight| weight * factor).collect();
        let round = ipvs::passes(&Shares::of(&weights, 65_536).slots);
        let twice: Vec<usize> = round.iter().chain(&round).copied().collect();
        prop_assert_eq!(walk(&weights, twice.len()), twice);
    }

    #[test]
    fn every_server_gets_exactly_its_share(
        weights in prop::collection::vec(1_u32..200, 1..16),
    ) {
        let shares = Shares::of(&weights, 65_536);
        prop_assert!(shares.exact);
        let round = smooth::interleave(&shares.slots);
        let length = u64::try_from(round.len()).unwrap();
        let total: u64 = weights.iter().copied().map(u64::from).sum();
        for (server, weight) in weights.iter().enumerate() {
            let slots = round.iter().filter(|slot| **slot == server).count();
            prop_assert_eq!(u64::try_from(slots).unwrap() * total, u64::from(*weight) * length);
        }
    }

    #[test]
    fn rounded_shares_fill_the_round_and_none_is_off_by_a_slot_unless_least_ones_were_lifted(
        weights in prop::collection::vec(1_u32..=65_535, 1..30),
        max in 30_u32..3000,
    ) {
        let shares = Shares::of(&weights, max);
        let total: u64 = weights.iter().copied().map(u64::from).sum();
        let sum: u64 = shares.slots.iter().copied().map(u64::from).sum();
        if !shares.exact {
            prop_assert_eq!(sum, u64::from(max));
        }
        let lifted = weights.iter().any(|weight| u64::from(*weight) * u64::from(max) < total);
        for (weight, slots) in weights.iter().zip(&shares.slots) {
            prop_assert!(*slots >= 1);
            let (got, due) = (u64::from(*slots) * total, u64::from(*weight) * sum);
            prop_assert!(lifted || got.abs_diff(due) < total, "{} {} {}", slots, weight, max);
        }
    }
}
