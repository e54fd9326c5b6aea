//! What somebody else has done to a service in the kernel.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::ServiceKey;
use crate::state::State;

/// How `read` differs from what is wanted in services that nothing of ours is about to change.
pub(super) fn damage(
    read: &State,
    wanted: &State,
    is_pending: impl Fn(&ServiceKey) -> bool,
) -> BTreeMap<ServiceKey, Damage> {
    let keys: BTreeSet<&ServiceKey> = read.services.keys().chain(wanted.services.keys()).collect();
    keys.into_iter()
        .filter(|key| !is_pending(key))
        .filter_map(|key| {
            let damage = match (read.services.get(key), wanted.services.get(key)) {
                (None, Some(_)) => Damage::Missing,
                (Some(_), None) => Damage::Foreign,
                (Some(is), Some(should)) if is != should => Damage::Changed,
                _ => return None,
            };
            Some((*key, damage))
        })
        .collect()
}

/// How a service in the kernel differed from what it should have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// It was gone.
    Missing,
    /// It was different.
    Changed,
    /// It should not have been there.
    Foreign,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Missing => "was missing",
            Self::Changed => "was changed",
            Self::Foreign => "should not have been there",
        })
    }
}
