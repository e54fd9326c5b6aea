//! The services whose change is not made at once: in steps, or after a while. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::batch::{self, StepSize};
use super::pace::Pace;
use crate::model::ServiceKey;
use crate::state::{Change, State};

/// They are there all the time: as they were, or in between.
#[derive(Debug, Clone, Default)]
pub(super) struct Steps {
    /// Their next step is to follow.
    later: BTreeSet<ServiceKey>,
    /// Their next step waits for its time.
    waiting: BTreeMap<ServiceKey, Instant>,
    /// How many slots of each service the step under way changes.
    sizes: Vec<(ServiceKey, usize)>,
    size: StepSize,
    pace: Pace,
}

impl Steps {
    /// For a data plane that changes each slot.
    pub(super) fn by_slots() -> Self {
        Self {
            size: StepSize::SLOTS,
            ..Self::default()
        }
    }

    /// Whether the service's change is not made yet.
    pub(super) fn has(&self, key: &ServiceKey) -> bool {
        self.later.contains(key) || self.waiting.contains_key(key)
    }

    /// Those whose next step may be made. [`Self::next`] is to be asked for them, too.
    pub(super) fn take_due(&mut self, now: Instant) -> BTreeSet<ServiceKey> {
        let due = self.waiting.iter().filter(|(_, at)| **at <= now);
        let mut due: BTreeSet<ServiceKey> = due.map(|(key, _)| *key).collect();
        due.append(&mut self.later);
        due
    }

    /// What is to be changed together of these.
    pub(super) fn next(
        &mut self,
        actual: &State,
        wanted: &State,
        keys: BTreeSet<ServiceKey>,
        now: Instant,
    ) -> Vec<Change> {
        self.waiting.retain(|key, _| !keys.contains(key));
        let batch = batch::gather(actual, wanted, keys, (self.size, &self.pace), now);
        self.sizes = batch.sizes;
        self.later.extend(batch.later);
        self.waiting.extend(batch.waiting);
        batch.changes
    }

    /// When the first of those may change that wait.
    pub(super) fn poll_at(&self) -> Option<Instant> {
        self.waiting.values().min().copied()
    }

    /// The step under way took so long.
    pub(super) fn charge(&mut self, took: Duration, now: Instant) {
        let sizes = std::mem::take(&mut self.sizes);
        let slots = sizes.iter().map(|(_, slots)| slots).sum();
        self.size.measured(slots, took);
        let shares = sizes.into_iter();
        let shares = shares.map(|(service, of)| (service, batch::share(took, of, slots)));
        self.pace.charge(shares, now);
    }

    /// Nobody waits any more.
    pub(super) fn hurry(&mut self) {
        self.pace.forget();
        let waiting = std::mem::take(&mut self.waiting);
        self.later.extend(waiting.into_keys());
    }
}
