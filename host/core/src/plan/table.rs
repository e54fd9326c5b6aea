//! Slots as a scheduler plugin answers them.

use std::collections::BTreeSet;

use super::error::PlanError;
use super::limits::MAX_SLOTS;
use crate::mark::BackendId;
use crate::selector::Selector;

/// `width` neighbouring slots of the same backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Whose slots they are.
    pub id: BackendId,
    /// How many of them.
    pub width: u32,
}

/// Runs as slots.
pub(super) fn laid_out(
    runs: &[Run],
    selector: Selector,
    usable: &BTreeSet<BackendId>,
) -> Result<Vec<BackendId>, PlanError> {
    let total: u64 = runs.iter().map(|run| u64::from(run.width)).sum();
    if total > MAX_SLOTS as u64 {
        return Err(PlanError::TooLarge(total));
    }
    let mut slots = Vec::new();
    for run in runs {
        if !usable.contains(&run.id) {
            return Err(PlanError::UnknownBackend(run.id.get()));
        }
        if run.width == 0 {
            return Err(PlanError::EmptyRun(run.id.get()));
        }
        slots.extend((0..run.width).map(|_| run.id));
    }
    // The length of a hash table tells which of its schedulers IPVS is to take.
    let mut ids = runs.iter().map(|run| run.id);
    let first = ids.next();
    if !selector.is_hash() && ids.all(|id| Some(id) == first) {
        slots.truncate(1);
    }
    Ok(slots)
}

/// A selector that the kernel can have.
pub(super) fn checked(selector: Selector) -> Result<Selector, PlanError> {
    let Selector::HashNetwork(prefixes) = selector else {
        return Ok(selector);
    };
    for (prefix, whole) in [(prefixes.v4, 32), (prefixes.v6, 128)] {
        if prefix == 0 || prefix > whole {
            return Err(PlanError::Prefix(prefix, whole));
        }
    }
    Ok(selector)
}
