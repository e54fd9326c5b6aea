//! Which slot numbers are whose: a buddy allocator over the numbers from [`FIRST`] on.

use std::collections::BTreeSet;

use evenkeel_core::mark;

/// The first slot's number. A connection's mark is its slot's number until the slot has been looked up, so slots are
/// told from backends by bits 31 and 30 (see `base.nft`).
pub(super) const FIRST: u32 = mark::SLOT;
/// There are 2 to the power of this many slot numbers.
const ORDERS: u32 = mark::SLOT_BITS;

/// A power of two of neighbouring slots, aligned to its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Range {
    /// Number of the first slot.
    pub(super) base: u32,
    order: u32,
}

impl Range {
    /// The range of `capacity` slots at `base`, if there can be one.
    pub(super) fn at(base: u32, capacity: u32) -> Option<Self> {
        let range = Self {
            base,
            order: order_of(capacity)?,
        };
        let fits = capacity.is_power_of_two()
            && base >= FIRST
            && u64::from(base - FIRST) + u64::from(capacity) <= 1 << ORDERS
            && (base - FIRST).is_multiple_of(capacity);
        fits.then_some(range)
    }

    /// How many slots it has.
    pub(super) fn capacity(self) -> u32 {
        1 << self.order
    }

    /// The slots' numbers.
    pub(super) fn slots(self) -> std::ops::Range<u32> {
        self.base..self.base + self.capacity()
    }
}

/// The order of the smallest range that has `slots` slots.
fn order_of(slots: u32) -> Option<u32> {
    let order = slots.checked_next_power_of_two()?.trailing_zeros();
    (order <= ORDERS).then_some(order)
}

/// Gives out ranges of slots that do not overlap.
#[derive(Debug, Clone)]
pub(super) struct Slots {
    /// Free ranges by order; no two buddies are both in it.
    free: Vec<BTreeSet<u32>>,
}

impl Default for Slots {
    fn default() -> Self {
        let mut free = vec![BTreeSet::new(); ORDERS as usize + 1];
        if let Some(whole) = free.last_mut() {
            whole.insert(FIRST);
        }
        Self { free }
    }
}

impl Slots {
    /// The lowest free range with at least `slots` slots, of the smallest size that has them. `None` if there is none.
    pub(super) fn allocate(&mut self, slots: u32) -> Option<Range> {
        let order = order_of(slots)?;
        let (from, base) = (order..=ORDERS)
            .filter_map(|o| Some((o, *self.of(o)?.first()?)))
            .min_by_key(|(o, _)| *o)?;
        self.carve(Range { base, order: from }, Range { base, order });
        Some(Range { base, order })
    }

    /// Takes this range, found in the kernel. `false` if some of it is taken.
    pub(super) fn take(&mut self, range: Range) -> bool {
        let holder = (range.order..=ORDERS).find_map(|order| {
            let base = FIRST + (range.base - FIRST) / (1 << order) * (1 << order);
            self.of(order)?
                .contains(&base)
                .then_some(Range { base, order })
        });
        if let Some(holder) = holder {
            self.carve(holder, range);
        }
        holder.is_some()
    }

    /// Gives a range back.
    pub(super) fn release(&mut self, mut range: Range) {
        while range.order < ORDERS {
            let buddy = FIRST + ((range.base - FIRST) ^ range.capacity());
            let Some(free) = self.free.get_mut(range.order as usize) else {
                return;
            };
            if !free.remove(&buddy) {
                break;
            }
            range = Range {
                base: range.base.min(buddy),
                order: range.order + 1,
            };
        }
        if let Some(free) = self.free.get_mut(range.order as usize) {
            free.insert(range.base);
        }
    }

    /// Splits the free range `from` until `wanted` is a range of its own, and takes that.
    fn carve(&mut self, from: Range, wanted: Range) {
        if let Some(free) = self.free.get_mut(from.order as usize) {
            free.remove(&from.base);
        }
        let mut base = from.base;
        for order in (wanted.order..from.order).rev() {
            let upper = base + (1 << order);
            let (keep, give) = if wanted.base >= upper {
                (upper, base)
            } else {
                (base, upper)
            };
            if let Some(free) = self.free.get_mut(order as usize) {
                free.insert(give);
            }
            base = keep;
        }
    }

    fn of(&self, order: u32) -> Option<&BTreeSet<u32>> {
        self.free.get(order as usize)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_range_has_the_next_power_of_two_of_slots() {
        let mut slots = Slots::default();
        assert_eq!(slots.allocate(5).unwrap().capacity(), 8);
        assert_eq!(slots.allocate(1).unwrap().capacity(), 1);
        assert_eq!(slots.allocate(65_536).unwrap().capacity(), 65_536);
    }

    #[test]
    fn what_is_given_back_can_be_had_again_as_one_piece() {
        let mut slots = Slots::default();
        let parts: Vec<_> = (0..8).map(|_| slots.allocate(4).unwrap()).collect();
        for part in parts {
            slots.release(part);
        }
        assert!(slots.take(Range::at(FIRST, 1 << 30).unwrap()));
        assert_eq!(slots.allocate(1), None);
    }

    #[test]
    fn a_range_that_is_not_aligned_or_out_of_bounds_is_none() {
        assert_eq!(Range::at(FIRST + 2, 4), None);
        assert_eq!(Range::at(FIRST, 3), None);
        assert_eq!(Range::at(0x7fff_ffff, 2), None);
        assert_eq!(Range::at(4, 4), None);
    }

    proptest! {
        #[test]
        fn ranges_never_overlap_and_adopting_them_gives_the_same_allocator(
            steps in prop::collection::vec((1u32..300, any::<prop::sample::Index>(), any::<bool>()), 1..200)
        ) {
            let mut slots = Slots::default();
            let mut held: Vec<Range> = Vec::new();
            for (size, which, release) in steps {
                if release && !held.is_empty() {
                    slots.release(held.swap_remove(which.index(held.len())));
                } else {
                    let new = slots.allocate(size).unwrap();
                    prop_assert!(new.capacity() >= size && new.capacity() < size * 2);
                    let apart =
                        |old: &Range| old.slots().end <= new.base || new.slots().end <= old.base;
                    prop_assert!(held.iter().all(apart));
                    held.push(new);
                }
            }
            let mut adopted = Slots::default();
            for range in &held {
                prop_assert!(adopted.take(*range));
                prop_assert!(!adopted.take(*range));
            }
            prop_assert_eq!(adopted.free, slots.free);
        }
    }
}
