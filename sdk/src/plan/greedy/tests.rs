use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use super::*;
use crate::backends::Counts;
use crate::plan::choice::least;
use crate::plan::ratio::Ratio;

mod simulation;

/// Servers 1, 2, ... with weights and open connections.
pub(crate) fn backends(servers: &[(u32, u32)]) -> Backends {
    let all = servers.iter().zip(1..).map(|(&(weight, active), number)| {
        let counts = Counts {
            active,
            ..Counts::default()
        };
        server(number, weight, counts)
    });
    let mut backends = Backends::default();
    backends.set(all.collect());
    backends
}

fn server(number: u32, weight: u32, counts: Counts) -> Backend {
    let endpoint = SocketAddr::new(Ipv4Addr::new(192, 0, 2, 1).into(), 80);
    Backend {
        counts,
        ..Backend::new(number, format!("s{number}"), endpoint, weight)
    }
}

pub(crate) fn active(backend: &Backend) -> u32 {
    backend.counts.active
}

fn by_weight(backend: &Backend) -> Ratio {
    Ratio::new(backend.counts.active.into(), backend.weight)
}

/// The numbers of the servers in the slots.
fn slots(plan: &Plan) -> Vec<u32> {
    let table = plan.as_table().into_iter();
    table.flat_map(|t| t.slots()).map(BackendId::get).collect()
}

fn shares(plan: &Plan) -> BTreeMap<u32, usize> {
    let mut shares = BTreeMap::new();
    for server in slots(plan) {
        *shares.entry(server).or_default() += 1;
    }
    shares
}

/// Counts of (active, total) between two plans.
fn change(backends: &mut Backends, counts: &[(u32, u64)]) {
    for (&(active, total), number) in counts.iter().zip(1..) {
        let counts = Counts {
            active,
            total,
            ..Counts::default()
        };
        backends.set_load(BackendId::new(number), counts, Vec::new());
    }
}

#[test]
fn equally_loaded_servers_take_plain_turns() {
    let plan = Greedy::default().plan(&backends(&[(1, 7), (1, 7), (0, 0), (1, 7)]), active);
    assert_eq!(slots(&plan), [1, 2, 4]);
}

#[test]
fn a_server_that_is_behind_gets_what_it_lacks_and_no_more() {
    let plan = Greedy::default().plan(&backends(&[(1, 9), (1, 7), (1, 9), (1, 9)]), active);
    assert_eq!(shares(&plan), [(1, 1), (2, 2), (3, 1)].into());
}

#[test]
fn weights_are_followed_even_before_anything_is_counted() {
    let plan = Greedy::default().plan(&backends(&[(6, 0), (1, 0), (1, 0)]), by_weight);
    assert_eq!(shares(&plan), [(1, 6), (2, 2), (3, 1)].into());
}

#[test]
fn no_server_no_plan() {
    let mut greedy = Greedy::default();
    assert_eq!(greedy.plan(&Backends::default(), active), Plan::None);
    assert_eq!(greedy.plan(&backends(&[(0, 3)]), active), Plan::None);
    let nobody = |_: &Backend| None::<u32>;
    assert_eq!(greedy.plan_where(&backends(&[(1, 3)]), nobody), Plan::None);
}

#[test]
fn a_server_without_a_cost_gets_nothing_from_then_on() {
    let below_three = |b: &Backend| (b.counts.active < 3).then_some(b.counts.active);
    let plan = Greedy::default().plan_where(&backends(&[(1, 1), (1, 3), (1, 2)]), below_three);
    assert_eq!(shares(&plan), [(1, 2), (3, 1)].into());
}

#[test]
fn the_table_is_as_long_as_what_comes_and_stays_so_through_small_changes() {
    let mut all = backends(&[(1, 0), (1, 0)]);
    let mut greedy = Greedy::default();
    let mut length = |total: u64| {
        change(&mut all, &[(5, total), (5, total)]);
        slots(&greedy.plan(&all, active)).len()
    };
    assert_eq!(length(0), 2);
    assert_eq!(length(10), 20);
    assert_eq!(length(17), 20);
    // A sudden rise counts at once.
    assert_eq!(length(117), 200);
    assert_eq!(length(1_000_000), 1024);
    for _ in 0..400 {
        length(1_000_000);
    }
    assert_eq!(length(1_000_000), 2);
}

#[test]
fn a_thousand_servers_and_more_have_a_slot_each() {
    let many: Vec<(u32, u32)> = (0..3000).map(|_| (1, 4)).collect();
    let plan = Greedy::default().plan(&backends(&many), active);
    assert_eq!(slots(&plan), (1..=3000).collect::<Vec<u32>>());
}

#[test]
fn a_server_whose_connections_last_gets_fewer_of_the_new_ones() {
    let mut all = backends(&[(1, 100), (1, 100)]);
    let mut greedy = Greedy::default();
    let mut totals = (0, 0);
    let mut plan = greedy.plan(&all, active);
    for _ in 0..20 {
        // Loads stay equal: one ends 90 connections between plans, the other 10.
        totals = (totals.0 + 90, totals.1 + 10);
        change(&mut all, &[(100, totals.0), (100, totals.1)]);
        plan = greedy.plan(&all, active);
    }
    let shares = shares(&plan);
    assert_eq!(shares[&1] + shares[&2], 100);
    assert!((82..=92).contains(&shares[&1]), "{shares:?}");
}

#[test]
fn counts_that_begin_anew_are_no_arrivals() {
    let mut all = backends(&[(1, 4), (1, 4)]);
    let mut greedy = Greedy::default();
    change(&mut all, &[(4, 1_000_000), (4, 1_000_000)]);
    greedy.plan(&all, active);
    change(&mut all, &[(4, 3), (4, 5)]);
    assert_eq!(slots(&greedy.plan(&all, active)), [1, 2]);
}

#[test]
fn the_same_history_makes_the_same_plan() {
    let run = || {
        let mut all = backends(&[(2, 0), (1, 0), (7, 0)]);
        let mut greedy = Greedy::default();
        let plans = (1..50_u32).map(|i| {
            let total = u64::from(i * 13);
            change(&mut all, &[(i % 7, total), (i % 5, total), (i % 11, total)]);
            greedy.plan(&all, by_weight)
        });
        plans.collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

#[test]
fn counts_at_their_ends_do_no_harm() {
    let mut all = backends(&[(1, u32::MAX), (65_535, u32::MAX), (1, 0)]);
    let mut greedy = Greedy::default();
    greedy.plan(&all, by_weight);
    let most = (u32::MAX, u64::MAX);
    change(&mut all, &[most, most, (0, u64::MAX)]);
    let plan = greedy.plan(&all, by_weight);
    assert!(slots(&plan).len() <= 1024);
    change(&mut all, &[(0, 0), (0, 0), most]);
    assert!(!slots(&greedy.plan(&all, by_weight)).is_empty());
}
