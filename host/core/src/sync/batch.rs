//! What goes into the kernel together. Pure.
//!
//! While the kernel makes a change it does nothing else of this kind, and may keep what waits for the same processor
//! waiting, adverts among them: 65,536 slots take it 400 ms. So a large change is made in steps, each of which leaves
//! the service whole: some of its slots are as they were, the others as they are to be.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::pace::Pace;
use crate::diff::diff_service;
use crate::model::ServiceKey;
use crate::state::{BackendId, Change, ServiceState, Spread, State};

/// How long one step should take.
const STEP: Duration = Duration::from_millis(20);
/// Slots of the first step; what others may have is measured.
const FIRST: usize = 2048;
/// The least slots of a step: fewer take hardly less time.
const MIN: usize = 256;
/// The most.
const MAX: usize = 16_384;

/// How many slots a step may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StepSize(usize);

impl Default for StepSize {
    fn default() -> Self {
        Self::UNLIMITED
    }
}

impl StepSize {
    /// All of them at once: for a data plane that has no slots.
    pub(super) const UNLIMITED: Self = Self(usize::MAX);

    /// For a data plane that changes each slot.
    pub(super) const SLOTS: Self = Self(FIRST);

    pub(super) fn slots(self) -> usize {
        self.0
    }

    /// A step of so many slots took so long.
    pub(super) fn measured(&mut self, slots: usize, took: Duration) {
        if *self == Self::UNLIMITED || slots < MIN {
            return;
        }
        let each = took.as_nanos() / u128::try_from(slots).unwrap_or(1);
        let fits = STEP.as_nanos().checked_div(each.max(1)).unwrap_or(0);
        self.0 = usize::try_from(fits).unwrap_or(MAX).clamp(MIN, MAX);
    }
}

/// What goes into the kernel together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) changes: Vec<Change>,
    /// How many slots of each service.
    pub(super) sizes: Vec<(ServiceKey, usize)>,
    /// The services whose next step is to follow.
    pub(super) later: BTreeSet<ServiceKey>,
    /// The services that wait for their time, and until when.
    pub(super) waiting: BTreeMap<ServiceKey, Instant>,
}

/// Gathers the changes of these services: what is urgent first, then of those that have cost least. What is large and
/// does not fit into a step waits for the next one.
pub(super) fn gather(
    actual: &State,
    wanted: &State,
    keys: BTreeSet<ServiceKey>,
    (size, pace): (StepSize, &Pace),
    now: Instant,
) -> Batch {
    let mut batch = Batch::default();
    // Nobody is served yet who could be kept waiting, and a table is loaded faster as a whole.
    let size = if actual.services.is_empty() {
        StepSize::UNLIMITED
    } else {
        size
    };
    let mut steps: Vec<(ServiceKey, Step)> = Vec::new();
    for key in keys {
        match diff_service(actual, wanted, &key) {
            Some(Change::Put(_, to_be)) => {
                let wait = pace.next(&key, now).filter(|_| size != StepSize::UNLIMITED);
                let held = actual.services.get(&key);
                match (step(held, &to_be, size.slots(), wait.is_some()), wait) {
                    (Some(step), _) => steps.push((key, step)),
                    (None, Some(at)) => {
                        batch.waiting.insert(key, at);
                    }
                    (None, None) => {}
                }
            }
            Some(change) => batch.changes.push(change),
            None => {}
        }
    }
    steps.sort_by_key(|(key, step)| (!step.urgent, pace.owed(key, now)));
    let mut slots = 0;
    for (key, step) in steps {
        let is_large = step.slots > MIN;
        if is_large && slots > 0 && slots + step.slots > size.slots() {
            batch.later.insert(key);
            continue;
        }
        if is_large {
            slots += step.slots;
        }
        if wanted.services.get(&key) != Some(&step.state) {
            batch.later.insert(key);
        }
        batch.sizes.push((key, step.slots));
        batch.changes.push(Change::Put(key, step.state));
    }
    batch
}

/// A step of a service's change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// What the service is to be.
    pub(super) state: ServiceState,
    /// How many slots that changes.
    pub(super) slots: usize,
    /// Whether it is [`urgent`].
    pub(super) urgent: bool,
}

/// The next step from what the kernel holds to what is wanted, which is not the same. `only_urgent`: what can wait, does.
/// `None`: all of it can.
pub(super) fn step(
    held: Option<&ServiceState>,
    wanted: &ServiceState,
    size: usize,
    only_urgent: bool,
) -> Option<Step> {
    let whole = |slots, urgent| Step {
        state: wanted.clone(),
        slots,
        urgent,
    };
    let Some(held) = held else {
        return Some(whole(count(wanted), true));
    };
    let urgent = urgent(held, wanted);
    if only_urgent && !urgent {
        return None;
    }
    let (Some((was, to_be)), true) = (same_range(held, wanted), held.snat == wanted.snat) else {
        return Some(whole(count(held).max(count(wanted)), urgent));
    };
    let stay: BTreeSet<BackendId> = to_be.iter().copied().collect();
    let target = |index: usize, id: BackendId| match to_be.get(index) {
        Some(then) => *then,
        // Beyond the end of a shorter plan.
        None if stay.contains(&id) => id,
        None => to_be[index % to_be.len()],
    };
    let differing = was.iter().enumerate();
    let (dead, others): (Vec<usize>, Vec<usize>) = differing
        .filter(|(index, id)| target(*index, **id) != **id)
        .map(|(index, _)| index)
        .partition(|index| !stay.contains(&was[*index]));
    let all = dead.len() + others.len() + was.len().abs_diff(to_be.len());
    if all <= size && !only_urgent {
        return Some(whole(all, urgent));
    }
    let changed: Vec<usize> = if only_urgent {
        dead.into_iter().take(size).collect()
    } else {
        dead.into_iter().chain(others).take(size).collect()
    };
    let mut slots = was.to_vec();
    for index in &changed {
        slots[*index] = target(*index, was[*index]);
    }
    let leaving = slots.iter().filter(|id| !wanted.backends.contains_key(id));
    let leaving: Vec<_> = leaving
        .filter_map(|id| Some((*id, *held.backends.get(id)?)))
        .collect();
    let mut backends = wanted.backends.clone();
    if !leaving.is_empty() {
        backends.extend(leaving);
    }
    let Spread::Slots { selector, .. } = held.spread else {
        return Some(whole(all, urgent));
    };
    Some(Step {
        state: ServiceState {
            backends,
            spread: Spread::Slots { selector, slots },
            ..wanted.clone()
        },
        slots: changed.len(),
        urgent,
    })
}

/// Whether waiting would harm: a server gets connections that is to get none, or the service is to be something else
/// than a spread of connections over servers.
fn urgent(held: &ServiceState, wanted: &ServiceState) -> bool {
    let gone = || {
        held.backends
            .keys()
            .any(|id| !wanted.backends.contains_key(id))
    };
    let refuses = |state: &ServiceState| state.spread == Spread::Refuse;
    refuses(held) != refuses(wanted)
        || held.queue != wanted.queue
        || held.persistence != wanted.persistence
        || held.snat != wanted.snat
        || gone()
        || !held.spread.servers().is_subset(&wanted.spread.servers())
}

/// What of the time that all slots took is that of some.
pub(super) fn share(took: Duration, slots: usize, all: usize) -> Duration {
    let number = |slots: usize| u128::try_from(slots).unwrap_or(u128::MAX);
    let nanos = took.as_nanos().saturating_mul(number(slots)) / number(all).max(1);
    u64::try_from(nanos).map_or(Duration::MAX, Duration::from_nanos)
}

/// The slots of both, where those of the one can become those of the other one by one: in the kernel a service has a
/// power of two of them.
fn same_range<'a>(
    held: &'a ServiceState,
    wanted: &'a ServiceState,
) -> Option<(&'a [BackendId], &'a [BackendId])> {
    match (&held.spread, &wanted.spread) {
        (Spread::Slots { slots: was, .. }, Spread::Slots { slots: to_be, .. }) => {
            let same = was.len().next_power_of_two() == to_be.len().next_power_of_two();
            (same && !to_be.is_empty()).then_some((was, to_be))
        }
        _ => None,
    }
}

fn count(state: &ServiceState) -> usize {
    state.spread.len().max(1)
}
