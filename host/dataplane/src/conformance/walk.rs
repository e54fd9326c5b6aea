//! From any state to any other: always exactly what is wanted is held.

use std::collections::BTreeSet;
use std::time::Duration;

use evenkeel_core::diff::diff;
use evenkeel_core::model::{DataPlaneKind, Persistence};
use evenkeel_core::state::{Queue, Selector, ServiceState, State};
use ipnet::IpNet;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::extras::both;
use super::fixture::{Open, as_held, kinds, service};

/// Walks, and states on each.
const WALKS: u32 = 24;
const STEPS: usize = 10;

pub(super) fn a_random_walk(open: Open<'_>) {
    let mut plane = open();
    let (kind, queues) = (plane.kind(), plane.supports_queue().is_ok());
    let config = Config {
        cases: match kind {
            DataPlaneKind::Nftables => WALKS,
            // Its steps take processes, one after the other.
            DataPlaneKind::Ipvs => WALKS / 4,
        },
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    let open = std::cell::RefCell::new(open);
    let states = prop::collection::vec(state(kind, queues), 1..STEPS);
    let outcome = runner.run(&states, |states| {
        let mut open = open.borrow_mut();
        let mut plane = open();
        plane.clear().unwrap();
        let mut believed = plane.read().unwrap();
        for (step, wanted) in states.into_iter().enumerate() {
            let wanted = as_held(&*plane, &wanted);
            plane.apply(&diff(&believed, &wanted)).unwrap();
            // A step is taken from what was read, the next from what is believed, the next by another process.
            match step % 3 {
                0 => prop_assert_eq!(&plane.read().unwrap(), &wanted),
                1 => {}
                _ => {
                    plane = open();
                    prop_assert_eq!(&plane.read().unwrap(), &wanted);
                }
            }
            believed = wanted;
        }
        prop_assert_eq!(&plane.read().unwrap(), &believed);
        Ok(())
    });
    assert!(
        outcome.is_ok(),
        "{}",
        outcome.err().map(|e| e.to_string()).unwrap_or_default()
    );
}

fn state(kind: DataPlaneKind, queues: bool) -> impl Strategy<Value = State> {
    let services = kinds()
        .into_iter()
        .zip((1..).step_by(10))
        .map(|(key, first)| {
            prop::option::weighted(0.7, (one(first), extras(kind, queues))).prop_map(move |made| {
                made.map(|((snat, selector, servers, slots), (persistence, queue))| {
                    let state = service(&key, &servers, selector, &slots);
                    let state = ServiceState {
                        snat,
                        persistence,
                        queue,
                        ..state
                    };
                    (key, state)
                })
            })
        })
        .collect::<Vec<_>>();
    (services, hairpin()).prop_map(|(services, hairpin)| State {
        services: services.into_iter().flatten().collect(),
        hairpin,
        ..State::default()
    })
}

/// Persistence and queue.
fn extras(
    kind: DataPlaneKind,
    queues: bool,
) -> impl Strategy<Value = (Option<Persistence>, Option<Queue>)> {
    let persistence =
        prop::sample::select(vec![None, Some((60, 24)), Some((60, 32)), Some((7, 20))]);
    let choices = if queues {
        vec![None, Some(Queue(1)), Some(Queue(2))]
    } else {
        vec![None]
    };
    (persistence, prop::sample::select(choices)).prop_map(move |(persistence, queue)| {
        let persistence = persistence.filter(|_| queue.is_none() || both(kind));
        let persistence = persistence.map(|(secs, prefix)| Persistence {
            timeout: Duration::from_secs(secs),
            prefix,
        });
        (persistence, queue)
    })
}

/// Full NAT or not, selector, servers, slots.
fn one(first: u32) -> impl Strategy<Value = (bool, Selector, Vec<u32>, Vec<u32>)> {
    let selector = prop::sample::select(vec![
        Selector::Sequence,
        Selector::Random,
        Selector::HashSource,
        Selector::HashFlow,
    ]);
    let servers = prop::sample::subsequence((first..first + 5).collect::<Vec<_>>(), 0..=5);
    let picks = prop::collection::vec(any::<prop::sample::Index>(), 0..40);
    (any::<bool>(), selector, servers, picks).prop_map(|(snat, selector, servers, picks)| {
        let slots = match servers.len() {
            0 => Vec::new(),
            len => picks
                .iter()
                .filter_map(|pick| servers.get(pick.index(len)).copied())
                .collect(),
        };
        (snat, selector, servers, slots)
    })
}

fn hairpin() -> impl Strategy<Value = BTreeSet<IpNet>> {
    let networks = [
        "10.0.0.0/8",
        "10.1.0.0/16",
        "10.1.2.0/24",
        "192.0.2.0/24",
        "fd00::/8",
        "fd00:1::/64",
    ];
    let networks: Vec<IpNet> = networks.iter().filter_map(|net| net.parse().ok()).collect();
    let len = networks.len();
    prop::sample::subsequence(networks, 0..=len).prop_map(|networks| networks.into_iter().collect())
}
