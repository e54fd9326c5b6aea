//! What it takes to make the kernel hold what is wanted: wanted minus actual.

use std::collections::BTreeSet;

use crate::model::{IpvsTimeouts, ServiceKey};
use crate::state::{Change, State, Subject};

/// The changes that turn `actual` into `wanted`; empty exactly if they are equal, but for times that nobody wants any
/// more. Services to be removed come first.
#[must_use]
pub fn diff(actual: &State, wanted: &State) -> Vec<Change> {
    let keys: BTreeSet<ServiceKey> = actual
        .services
        .keys()
        .chain(wanted.services.keys())
        .copied()
        .collect();
    let mut changes: Vec<Change> = keys
        .iter()
        .filter_map(|key| diff_service(actual, wanted, key))
        .collect();
    changes.sort_by_key(|change| !matches!(change, Change::Remove(_)));
    changes.extend(diff_rest(actual, wanted));
    changes
}

/// The change, if any, that makes the one service in `actual` what it is in `wanted`.
#[must_use]
pub fn diff_service(actual: &State, wanted: &State, key: &ServiceKey) -> Option<Change> {
    match (actual.services.get(key), wanted.services.get(key)) {
        (None, None) => None,
        (Some(_), None) => Some(Change::Remove(*key)),
        (now, Some(then)) if now == Some(then) => None,
        (_, Some(then)) => Some(Change::Put(*key, then.clone())),
    }
}

/// The change, if any, that makes the one thing in `actual` what it is in `wanted`.
#[must_use]
pub fn diff_subject(actual: &State, wanted: &State, subject: Subject) -> Option<Change> {
    match subject {
        Subject::Service(key) => diff_service(actual, wanted, &key),
        Subject::Hairpin | Subject::Offload | Subject::Timeouts => diff_rest(actual, wanted)
            .into_iter()
            .find(|change| change.subject() == subject),
    }
}

/// The changes of what does not belong to one service. A time that is not wanted any more stays as it is.
#[must_use]
pub fn diff_rest(actual: &State, wanted: &State) -> Vec<Change> {
    let mut changes = Vec::new();
    if actual.hairpin != wanted.hairpin {
        changes.push(Change::Hairpin(wanted.hairpin.clone()));
    }
    if actual.offload != wanted.offload {
        changes.push(Change::Offload(wanted.offload.clone()));
    }
    let missing = wanted.timeouts.missing(actual.timeouts);
    if missing != IpvsTimeouts::default() {
        changes.push(Change::Timeouts(missing));
    }
    changes
}

/// What `state` is after the changes: how every data plane has to behave, and what the in-memory one does.
pub fn apply(state: &mut State, changes: &[Change]) {
    for change in changes {
        match change {
            Change::Put(key, service) => {
                state.services.insert(*key, service.clone());
            }
            Change::Remove(key) => {
                state.services.remove(key);
            }
            Change::Hairpin(networks) => state.hairpin.clone_from(networks),
            Change::Offload(interfaces) => state.offload.clone_from(interfaces),
            Change::Timeouts(timeouts) => state.timeouts = timeouts.or(state.timeouts),
        }
    }
}
