//! Flowtable offload of established flows.

use std::collections::BTreeSet;

use evenkeel_core::state::{Change, State};

use super::fixture::{Open, in_turn, reach, web};
use crate::{DataPlane, Error};

/// Interfaces between which the suite has flows offloaded.
pub const INTERFACES: [&str; 3] = ["even0", "even1", "even2"];

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

pub(super) fn offload_is_set_changed_and_gone(open: Open<'_>) {
    let mut plane = open();
    let [a, b, c] = INTERFACES;
    let mut wanted = State {
        services: [(web(), in_turn(&web(), &[1, 2], &[1, 2]))].into(),
        ..State::default()
    };
    if let Err(why) = plane.supports_offload() {
        reach(open, &mut *plane, &wanted);
        refuses(open, &mut *plane, &why);
        // To want none is no error.
        plane.apply(&[Change::Offload(set(&[]))]).unwrap();
        return;
    }
    // At first with nothing else; then beside a service, and while it changes.
    wanted.offload = set(&[a]);
    let alone = State {
        services: [].into(),
        ..wanted.clone()
    };
    reach(open, &mut *plane, &alone);
    reach(open, &mut *plane, &wanted);
    for (n, names) in [
        &[a, b][..],
        &[a, b, c],
        &[b],
        &[c],
        &[],
        &[b, a],
        &[b, a],
        &[c],
    ]
    .into_iter()
    .enumerate()
    {
        wanted.offload = set(names);
        if n % 2 == 1 {
            let slots = [1, 2].repeat(n);
            let service = in_turn(&web(), &[1, 2], &slots);
            wanted.services.insert(web(), service);
        }
        reach(open, &mut *plane, &wanted);
        // Another process goes on.
        plane = open();
    }
    for bad in ["", "a b", "sixteen-letters-", "a/b", ".."] {
        let error = plane
            .apply(&[
                Change::Remove(web()),
                Change::Offload([a.to_owned(), bad.to_owned()].into()),
            ])
            .unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "{bad:?}: {error}");
        assert_eq!(plane.read().unwrap(), wanted, "after {bad:?}");
    }
    reach(open, &mut *plane, &State::default());
}

/// Nothing changes, and the reason is the data plane's.
fn refuses(open: Open<'_>, plane: &mut dyn DataPlane, why: &str) {
    let before = plane.read().unwrap();
    let changes = [Change::Remove(web()), Change::Offload(set(&INTERFACES))];
    let error = plane.apply(&changes).unwrap_err();
    assert!(
        matches!(&error, Error::Invalid(text) if text == why),
        "{error}, where it should be: {why}"
    );
    assert_eq!(plane.read().unwrap(), before);
    // Nor where nothing is yet.
    plane.clear().unwrap();
    let error = plane.apply(&changes).unwrap_err();
    assert!(matches!(&error, Error::Invalid(text) if text == why));
    assert_eq!(open().read().unwrap(), State::default());
}
