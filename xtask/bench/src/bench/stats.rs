//! Figures of several rounds.

/// The figure in the middle; of an even number, the mean of the two. 0 for none.
pub(crate) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.get(middle), sorted.len() % 2) {
        (None, _) => 0.0,
        (Some(figure), 1) => *figure,
        (Some(figure), _) => f64::midpoint(sorted[middle - 1], *figure),
    }
}

/// The least and the greatest.
pub(crate) fn range(figures: &[f64]) -> (f64, f64) {
    let least = figures.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = figures.iter().copied().fold(0.0, f64::max);
    (least, greatest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert!(same(median(&[3.0, 1.0, 2.0]), 2.0));
        assert!(same(median(&[4.0, 1.0, 2.0, 3.0]), 2.5));
        assert!(same(median(&[]), 0.0));
    }

    #[test]
    fn the_range_is_from_the_least_to_the_greatest() {
        let (least, greatest) = range(&[3.0, 1.0, 2.0]);
        assert!(same(least, 1.0) && same(greatest, 3.0));
    }
}
