//! One plan of two: a canary's for a share of the slots, the first scheduler's for the rest. Pure, and the same on both
//! directors where the two plans are.

use crate::plan::{MAX_SLOTS, Plan, Run};
use crate::state::{BackendId, Selector, Spread};

/// As many slots a merged plan has at least where it cannot be exact: so that a share of 1 % is 40 of them.
const ENOUGH: usize = 4096;
/// As many slots a merged plan may have for the first scheduler's slots to be in it equally often, or to be shared alike.
const MANY: usize = 4 * ENOUGH;
/// Otherwise they are in it this often, or once more.
const OFTEN: usize = 8;

/// Two plans in one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The plan.
    pub plan: Plan,
    /// How many of its slots the canary has filled.
    pub canary: usize,
    /// How many slots it has.
    pub slots: usize,
}

/// Why two plans cannot be one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotMerged {
    /// They are spread by different selectors.
    #[error(
        "its plan is spread by {canary}, and the first scheduler's by {first}: both must be spread by the same"
    )]
    OtherSelector {
        /// How a connection takes a slot of the first scheduler's plan.
        first: Selector,
        /// How it takes one of the canary's.
        canary: Selector,
    },
    /// One of them is in groups.
    #[error("plans in groups cannot be tried by a canary; try it as a shadow")]
    Groups,
}

/// Merges two plans. The canary fills `share` of a hundred slots (1 to 50), which lie evenly among the others. `None`:
/// one of the plans has no slots.
///
/// Where a hash chooses the slot, a client of the first scheduler's slots keeps the server that this gives it, and a
/// client of the canary's slots has the server that the canary's plan gives it. Otherwise each of the two plans is laid
/// out as often as it fits, in its own order.
///
/// # Errors
/// When the plans are spread by different selectors, or in groups.
pub fn merge(first: &Spread, canary: &Spread, share: u8) -> Result<Option<Merged>, NotMerged> {
    if [first, canary]
        .iter()
        .any(|it| matches!(it, Spread::Groups(_)))
    {
        return Err(NotMerged::Groups);
    }
    let (Some((selector, first)), Some((other, canary))) = (slots(first), slots(canary)) else {
        return Ok(None);
    };
    if selector != other {
        return Err(NotMerged::OtherSelector {
            first: selector,
            canary: other,
        });
    }
    let (part, whole) = parts(share);
    let is_canary = |slot: usize| is_canarys(slot, share);
    let mut all = Vec::new();
    if selector.is_hash() {
        let length = hashed_length(first.len(), canary.len(), whole);
        let at = |plan: &[BackendId], slot: usize| plan.get(slot * plan.len() / length).copied();
        all.extend((0..length).filter_map(|slot| {
            let plan = if is_canary(slot) { canary } else { first };
            at(plan, slot)
        }));
    } else {
        let rounds = rounds(first.len(), canary.len(), part, whole);
        let mut firsts = laid_out(first, rounds * (whole - part));
        let mut canaries = laid_out(canary, rounds * part);
        all.extend((0..rounds * whole).filter_map(|slot| {
            if is_canary(slot) {
                canaries.next()
            } else {
                firsts.next()
            }
        }));
    }
    let filled = (0..all.len()).filter(|slot| is_canary(*slot)).count();
    Ok(Some(Merged {
        canary: filled,
        slots: all.len(),
        plan: Plan::Table {
            slots: runs(&all),
            selector,
            refresh_ms: None,
        },
    }))
}

/// Whether a slot of a merged plan, counted from 0, is the canary's, which has this share of a hundred.
#[must_use]
pub fn is_canarys(slot: usize, share: u8) -> bool {
    let (part, whole) = parts(share);
    (slot + 1) * part / whole > slot * part / whole
}

/// Of so many slots so few are the canary's: the share in lowest terms.
fn parts(share: u8) -> (usize, usize) {
    let share = usize::from(share.clamp(1, 99));
    let divisor = gcd(share, 100);
    (share / divisor, 100 / divisor)
}

fn slots(plan: &Spread) -> Option<(Selector, &[BackendId])> {
    match plan {
        Spread::Slots { selector, slots } if !slots.is_empty() => Some((*selector, slots)),
        Spread::Slots { .. } | Spread::Refuse | Spread::Groups(_) => None,
    }
}

/// How many slots a merged hash table has: so many that each slot of both plans is shared as wanted, or, where that are
/// too many, each of the first's.
fn hashed_length(first: usize, canary: usize, whole: usize) -> usize {
    let exact = lcm(first, canary).saturating_mul(whole);
    if exact <= ENOUGH {
        return exact;
    }
    let of_first = first.saturating_mul(whole);
    if of_first <= MANY {
        return of_first;
    }
    // Each slot of the first at least twice, so that none of them is the canary's whole.
    first * (MAX_SLOTS / first).clamp(1, 2)
}

/// How often `whole` slots, of which `part` are the canary's, are laid out one after the other.
fn rounds(first: usize, canary: usize, part: usize, whole: usize) -> usize {
    let rest = whole - part;
    let of_first = first / gcd(first, rest);
    let of_both = lcm(of_first, canary / gcd(canary, part));
    if whole.saturating_mul(of_both) <= ENOUGH {
        return of_both;
    }
    let length = whole.saturating_mul(of_first);
    if length <= MANY {
        return of_first * (ENOUGH / length).max(1);
    }
    let often = (OFTEN * first).div_ceil(rest);
    often.max(ENOUGH / whole).min(MAX_SLOTS / whole)
}

/// A plan in `count` slots: as often as it fits, or drawn out where it does not fit evenly.
fn laid_out(plan: &[BackendId], count: usize) -> impl Iterator<Item = BackendId> {
    let length = plan.len();
    let fits = count.is_multiple_of(length);
    let place = move |n: usize| if fits { n % length } else { n * length / count };
    (0..count).filter_map(move |n| plan.get(place(n)).copied())
}

fn runs(slots: &[BackendId]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for id in slots {
        match runs.last_mut() {
            Some(run) if run.id == *id => run.width += 1,
            _ => runs.push(Run { id: *id, width: 1 }),
        }
    }
    runs
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// As large as there are numbers, where it is larger than that.
fn lcm(a: usize, b: usize) -> usize {
    (a / gcd(a, b).max(1)).saturating_mul(b)
}

#[cfg(test)]
mod tests;
