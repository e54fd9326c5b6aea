//! From numbers of slots to their order.

/// Spreads everybody's slots evenly over the table: `counts[i]` times `i`. Equal counts make plain
/// turns, and every stretch of the table has nearly everybody's share of it, because where in the
/// table the kernel is when it gets the table cannot be known.
pub(crate) fn spread(counts: &[u32]) -> Vec<usize> {
    let mut slots: Vec<(u64, usize)> = Vec::new();
    for (place, &count) in counts.iter().enumerate() {
        let width = u64::from(count.max(1));
        // The middle of the j-th of `count` equal parts of the table; counts are far below 2^16.
        slots.extend((0..u64::from(count)).map(|j| (((2 * j + 1) << 32) / width, place)));
    }
    slots.sort_unstable();
    slots.into_iter().map(|(_, place)| place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_counts_take_turns() {
        assert_eq!(spread(&[2, 2, 2]), [0, 1, 2, 0, 1, 2]);
        assert_eq!(spread(&[0, 3, 3]), [1, 2, 1, 2, 1, 2]);
        assert_eq!(spread(&[]), [0; 0]);
    }

    #[test]
    fn a_server_with_many_slots_has_them_all_over_the_table() {
        assert_eq!(spread(&[4, 2]), [0, 1, 0, 0, 1, 0]);
        assert_eq!(spread(&[1, 5]), [1, 1, 0, 1, 1, 1]);
    }
}
