//! How long changes, reads and full loads of the nftables data plane take, by number of services (of four servers
//! each).
//!
//! Starts itself again in a network namespace of its own. `--json`: for machines.

#![expect(clippy::unwrap_used, reason = "a benchmark: an error ends it")]

mod common;

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Instant;

use evenkeel_core::diff::diff;
use evenkeel_core::model::{Protocol, ServiceKey};
use evenkeel_core::state::{BackendId, Change, Selector, ServiceState, Spread, State};
use evenkeel_dataplane::DataPlane as _;
use evenkeel_dataplane::nftables::Nftables;

const SIZES: [u32; 3] = [10, 1_000, 10_000];
const SERVERS: u32 = 4;
const CHANGES: u32 = 200;
const LOADS: u32 = 3;

fn main() -> ExitCode {
    if let Some(outcome) = common::in_namespaces() {
        return outcome;
    }
    let json = std::env::args().any(|arg| arg == "--json");
    let rows: Vec<_> = SIZES
        .into_iter()
        .map(|size| (size, measure(size)))
        .collect();
    let mut out = std::io::stdout().lock();
    if json {
        let rows: Vec<_> = rows
            .iter()
            .map(|(size, figures)| {
                let figures: serde_json::Map<_, _> = figures
                    .iter()
                    .map(|(name, ms)| {
                        (
                            name.replace(' ', "_").replace('\'', ""),
                            serde_json::json!(ms),
                        )
                    })
                    .collect();
                serde_json::json!({ "services": size, "median_ms": figures })
            })
            .collect();
        writeln!(out, "{}", serde_json::json!(rows)).unwrap();
        return ExitCode::SUCCESS;
    }
    writeln!(out, "median ms, services of {SERVERS} servers").unwrap();
    write!(out, "{:<24}", "services").unwrap();
    for size in SIZES {
        write!(out, "{size:>12}").unwrap();
    }
    writeln!(out).unwrap();
    for (n, (name, _)) in rows[0].1.iter().enumerate() {
        write!(out, "{name:<24}").unwrap();
        for (_, figures) in &rows {
            write!(out, "{:>12.2}", figures[n].1).unwrap();
        }
        writeln!(out).unwrap();
    }
    ExitCode::SUCCESS
}

/// All figures for so many services, in milliseconds.
fn measure(size: u32) -> Vec<(&'static str, f64)> {
    let state = State {
        services: (0..size)
            .map(|n| (key(n), service(n, &[0, 1, 2, 3])))
            .collect(),
        ..State::default()
    };
    let load = diff(&State::default(), &state);
    let mut plane = Nftables::new("evenkeel").unwrap();
    // The feature probes in a namespace, once in a process.
    plane.read().unwrap();
    let loads = median(LOADS, |_| {
        plane.clear().unwrap();
        let start = Instant::now();
        plane.apply(&load).unwrap();
        start
    });
    let reads = median(LOADS, |_| {
        let start = Instant::now();
        plane.read().unwrap();
        start
    });
    let counters = median(LOADS, |_| {
        let start = Instant::now();
        plane.counters().unwrap();
        start
    });
    let mut change = |old: &dyn Fn(u32) -> ServiceState, new: &dyn Fn(u32) -> ServiceState| {
        median(CHANGES, |n| {
            let n = n.wrapping_mul(7_919) % size;
            plane.apply(&[Change::Put(key(n), old(n))]).unwrap();
            let put = [Change::Put(key(n), new(n))];
            let start = Instant::now();
            plane.apply(&put).unwrap();
            start
        })
    };
    let whole = |n| service(n, &[0, 1, 2, 3]);
    let turned = |n| service(n, &[3, 2, 1, 0]);
    let shorter = |n| service(n, &[3, 1, 0]);
    let longer = |n| service(n, &[0, 1, 2, 3, 0]);
    let failed = |n| {
        let mut service = service(n, &[0, 1, 2]);
        service.backends.remove(&id(n, 3));
        service
    };
    let refusing = |n| ServiceState {
        spread: Spread::Refuse,
        ..whole(n)
    };
    let slots = change(&whole, &turned);
    let rule = change(&whole, &shorter);
    let moved = change(&whole, &longer);
    let removed = change(&whole, &failed);
    let added = change(&failed, &whole);
    let refused = change(&whole, &refusing);
    let service_added = median(CHANGES.min(50), |n| {
        let n = n.wrapping_mul(7_919) % size;
        plane.apply(&[Change::Remove(key(n))]).unwrap();
        let put = [Change::Put(key(n), whole(n))];
        let start = Instant::now();
        plane.apply(&put).unwrap();
        start
    });
    let turn: Vec<Change> = (0..size).map(|n| Change::Put(key(n), turned(n))).collect();
    let all_changed = median(LOADS, |_| {
        plane.apply(&load).unwrap();
        let start = Instant::now();
        plane.apply(&turn).unwrap();
        start
    });
    let removal: Vec<Change> = (0..size).map(|n| Change::Remove(key(n))).collect();
    let all_added = median(LOADS, |_| {
        plane.apply(&removal).unwrap();
        let start = Instant::now();
        plane.apply(&load).unwrap();
        start
    });
    vec![
        ("slots", slots),
        ("rule and slots", rule),
        ("more slots than fit", moved),
        ("server out", removed),
        ("server in", added),
        ("refuse", refused),
        ("service added", service_added),
        ("all services' slots", all_changed),
        ("all services added", all_added),
        ("full load", loads),
        ("read", reads),
        ("counters", counters),
    ]
}

/// The median of the times from the instants that `once` returns to its return.
fn median(times: u32, mut once: impl FnMut(u32) -> Instant) -> f64 {
    let mut all: Vec<f64> = (0..times)
        .map(|n| once(n).elapsed().as_secs_f64() * 1e3)
        .collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

fn key(n: u32) -> ServiceKey {
    let [_, _, high, low] = n.to_be_bytes();
    ServiceKey {
        addr: [10, 77, high, low].into(),
        port: 80,
        protocol: Protocol::Tcp,
    }
}

fn id(n: u32, server: u32) -> BackendId {
    BackendId::new(n * SERVERS + server + 1).unwrap()
}

fn service(n: u32, plan: &[u32]) -> ServiceState {
    let address = |server: u32| {
        let [_, two, three, four] = (n * SERVERS + server).to_be_bytes();
        SocketAddr::from(([10, 100 + two, three, four], 80))
    };
    ServiceState {
        queue: None,
        persistence: None,
        snat: false,
        backends: (0..SERVERS)
            .map(|server| (id(n, server), address(server).into()))
            .collect(),
        spread: Spread::Slots {
            selector: Selector::Sequence,
            slots: plan.iter().map(|server| id(n, *server)).collect(),
        },
    }
}
