//! Persistence and queues.

use std::time::Duration;

use evenkeel_core::model::{DataPlaneKind, Persistence, ServiceKey};
use evenkeel_core::state::{Queue, ServiceState, State};

use super::fixture::{Open, in_turn, kinds, put, reach, reach_one, web};
use crate::Error;

fn persistence(secs: u64, prefix: u8) -> Option<Persistence> {
    let timeout = Duration::from_secs(secs);
    Some(Persistence { timeout, prefix })
}

/// All bits of the service's addresses, and fewer.
fn prefixes(key: &ServiceKey) -> [u8; 3] {
    if key.addr.is_ipv4() {
        [32, 24, 1]
    } else {
        [128, 57, 1]
    }
}

pub(super) fn persistence_is_kept_and_changed(open: Open<'_>) {
    let mut plane = open();
    let mut wanted = State::default();
    for (n, key) in (1..).step_by(10).zip(kinds()) {
        let plain = in_turn(&key, &[n, n + 1], &[n, n + 1, n]);
        for prefix in prefixes(&key) {
            for secs in [1, 300, 1_000_000] {
                let persistence = persistence(secs, prefix);
                let state = ServiceState {
                    persistence,
                    ..plain.clone()
                };
                wanted.services.insert(key, state);
                reach(open, &mut *plane, &wanted);
            }
        }
        // With another plan, none at all, and without persistence again.
        for slots in [&[n + 1][..], &[], &[n]] {
            let state = ServiceState {
                persistence: persistence(60, 20),
                ..in_turn(&key, &[n, n + 1], slots)
            };
            wanted.services.insert(key, state);
            reach(open, &mut *plane, &wanted);
        }
        wanted.services.insert(key, plain.clone());
        reach(open, &mut *plane, &wanted);
        let persistence = persistence(7, 7);
        let state = ServiceState {
            persistence,
            ..plain
        };
        wanted.services.insert(key, state);
    }
    reach(open, &mut *plane, &wanted);
    reach(open, &mut *plane, &State::default());
}

pub(super) fn services_are_queued_and_cease_to_be(open: Open<'_>) {
    let mut plane = open();
    if let Err(why) = plane.supports_queue() {
        let mut state = in_turn(&web(), &[1], &[1]);
        reach_one(open, &mut *plane, web(), state.clone());
        let before = plane.read().unwrap();
        state.queue = Some(Queue(1));
        let error = plane.apply(&[put(&*plane, web(), &state)]).unwrap_err();
        assert!(
            matches!(&error, Error::Invalid(text) if *text == why),
            "{error}"
        );
        assert_eq!(plane.read().unwrap(), before);
        return;
    }
    let mut wanted = State::default();
    // At first from nothing, then beside services that are there.
    for (n, key) in (1..).step_by(10).zip(kinds()) {
        for queue in [0, 1, 65_535] {
            for persistence in [None, persistence(60, 20)] {
                let state = ServiceState {
                    persistence,
                    queue: Some(Queue(queue)),
                    ..in_turn(&key, &[n, n + 1], &[n, n + 1])
                };
                if persistence.is_some() && !both(plane.kind()) {
                    let error = plane.apply(&[put(&*plane, key, &state)]).unwrap_err();
                    assert!(matches!(error, Error::Invalid(_)), "{error}");
                    continue;
                }
                wanted.services.insert(key, state);
                reach(open, &mut *plane, &wanted);
            }
        }
    }
    for key in kinds() {
        if let Some(state) = wanted.services.get_mut(&key) {
            state.queue = None;
        }
        reach(open, &mut *plane, &wanted);
    }
    for key in kinds() {
        if let Some(state) = wanted.services.get_mut(&key) {
            state.queue = Some(Queue(3));
        }
        reach(open, &mut *plane, &wanted);
        wanted.services.remove(&key);
        reach(open, &mut *plane, &wanted);
    }
}

/// Whether a service can both be queued and keep clients at their server.
pub(super) fn both(kind: DataPlaneKind) -> bool {
    kind != DataPlaneKind::Ipvs
}

pub(super) fn a_persistence_that_cannot_be_is_refused(open: Open<'_>) {
    let mut plane = open();
    for key in kinds() {
        let bits = if key.addr.is_ipv4() { 32 } else { 128 };
        let instant = Some(Persistence {
            timeout: Duration::from_millis(1_500),
            prefix: bits,
        });
        let bad = [
            persistence(0, bits),
            persistence(5, 0),
            persistence(5, bits + 1),
            instant,
        ];
        for persistence in bad {
            let state = ServiceState {
                persistence,
                ..in_turn(&key, &[1], &[1])
            };
            let error = plane.apply(&[put(&*plane, key, &state)]).unwrap_err();
            assert!(matches!(error, Error::Invalid(_)), "{error}");
        }
    }
    assert_eq!(plane.read().unwrap(), State::default());
}
