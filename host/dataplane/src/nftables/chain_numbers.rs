//! Which numbers of chains are taken.

use std::collections::BTreeSet;

/// Numbers of chains: the lowest that is free.
#[derive(Debug, Clone, Default)]
pub(super) struct ChainNumbers {
    free: BTreeSet<u32>,
    /// All numbers from 1 to this one are taken, or in `free`.
    last: u32,
}

impl ChainNumbers {
    /// A number for a chain. There are more than services fit into memory.
    pub(super) fn allocate(&mut self) -> u32 {
        self.free.pop_first().unwrap_or_else(|| {
            self.last += 1;
            self.last
        })
    }

    /// Gives a number back.
    pub(super) fn release(&mut self, chain: u32) {
        self.free.insert(chain);
    }

    /// The numbers that are taken in the kernel.
    pub(super) fn adopt(taken: &BTreeSet<u32>) -> Self {
        let last = taken.last().copied().unwrap_or_default();
        // A stranger's s4000000000 must not make us list four thousand million numbers: above a limit gaps are left
        // alone.
        let listed = last.min(
            u32::try_from(taken.len())
                .unwrap_or(u32::MAX)
                .saturating_mul(4)
                + 1024,
        );
        let free = (1..=listed).filter(|n| !taken.contains(n)).collect();
        Self { free, last }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chain_numbers_are_reused_lowest_first_and_adopted_ones_are_left_alone() {
        let mut chains = ChainNumbers::adopt(&[2, 4].into());
        assert_eq!([(); 4].map(|()| chains.allocate()), [1, 3, 5, 6]);
        chains.release(3);
        assert_eq!(chains.allocate(), 3);
    }

    #[test]
    fn a_chain_with_a_huge_number_costs_nothing() {
        let mut chains = ChainNumbers::adopt(&[4_000_000_000].into());
        assert_eq!(chains.allocate(), 1);
    }
}
