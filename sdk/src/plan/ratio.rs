//! Loads by weight, compared without rounding.

use std::cmp::Ordering;

/// A load divided by a weight. Compared exactly, by cross multiplication, so that equal loads are
/// equal whatever their weights.
///
/// ```
/// use evenkeel_sdk::Ratio;
/// assert!(Ratio::new(2, 3) < Ratio::new(3, 4));
/// assert_eq!(Ratio::new(2, 4), Ratio::new(1, 2));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Ratio {
    load: u64,
    weight: u32,
}

impl Ratio {
    /// `load` / `weight`. With weight 0 it is greater than all others, or equal to those.
    #[must_use]
    pub const fn new(load: u64, weight: u32) -> Self {
        match weight {
            // Zero divided by zero would be equal to everything.
            0 => Self { load: 1, weight },
            _ => Self { load, weight },
        }
    }
}

impl Ord for Ratio {
    // Small, so that it is compiled into loops over servers: a call of it costs WebAssembly more than the comparison.
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        if (self.load | other.load) > u64::from(u32::MAX) {
            return wide(*self, *other);
        }
        let left = self.load * u64::from(other.weight);
        left.cmp(&(other.load * u64::from(self.weight)))
    }
}

/// For loads of more than 32 bits, which are rare: WebAssembly has no 128 bits.
#[cold]
#[inline(never)]
fn wide(one: Ratio, other: Ratio) -> Ordering {
    let left = u128::from(one.load) * u128::from(other.weight);
    left.cmp(&(u128::from(other.load) * u128::from(one.weight)))
}

impl PartialOrd for Ratio {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ratio {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ratio {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_are_compared_by_weight_without_overflow() {
        let huge = Ratio::new(u64::MAX, 65_535);
        assert!(huge < Ratio::new(u64::MAX, 65_534));
        assert!(huge > Ratio::new(u64::MAX - 1, 65_535));
        assert!(huge > Ratio::new(u64::from(u32::MAX), 1));
        assert_eq!(Ratio::new(6, 4), Ratio::new(3, 2));
    }

    #[test]
    fn no_weight_is_worse_than_any_load() {
        assert!(Ratio::new(0, 0) > Ratio::new(u64::MAX, 1));
        assert_eq!(Ratio::new(0, 0), Ratio::new(7, 0));
    }
}
