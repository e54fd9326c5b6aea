//! Counts of durations, in buckets that are an eighth of their value wide.

use std::time::Duration;

/// Buckets from one power of two to the next.
const PARTS: u64 = 8;
/// Up to 2^32 us, which is more than an hour; the last one has all that is longer.
const BUCKETS: usize = 8 * 30;

/// How many took how long.
#[derive(Debug, Clone)]
pub(super) struct Histogram {
    buckets: Box<[u32; BUCKETS]>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: Box::new([0; BUCKETS]),
        }
    }
}

impl Histogram {
    /// One more.
    pub(super) fn add(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        if let Some(count) = self.buckets.get_mut(bucket(micros)) {
            *count = count.saturating_add(1);
        }
    }

    /// Those of another one, too.
    pub(super) fn merge(&mut self, other: &Self) {
        for (count, more) in self.buckets.iter_mut().zip(other.buckets.iter()) {
            *count = count.saturating_add(*more);
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().map(|count| u64::from(*count)).sum()
    }

    /// So many in a hundred took no longer than this; at most an eighth more than what is true. 0 if there are none.
    pub(super) fn within(&self, percent: u64) -> Duration {
        let wanted = (self.count() * percent).div_ceil(100).max(1);
        let mut sum = 0;
        for (n, count) in self.buckets.iter().enumerate() {
            sum += u64::from(*count);
            if sum >= wanted {
                return Duration::from_micros(longest(n));
            }
        }
        Duration::ZERO
    }
}

/// Where so many microseconds are counted: below 8 each number has a bucket of its own.
fn bucket(micros: u64) -> usize {
    if micros < PARTS {
        return usize::try_from(micros).unwrap_or_default();
    }
    let power = u64::from(micros.ilog2());
    let part = (micros >> (power - 3)) - PARTS;
    let bucket = (power - 2) * PARTS + part;
    usize::try_from(bucket).map_or(BUCKETS - 1, |bucket| bucket.min(BUCKETS - 1))
}

/// The most microseconds that a bucket is for.
fn longest(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < PARTS {
        return bucket;
    }
    let (power, part) = (bucket / PARTS + 2, bucket % PARTS);
    ((PARTS + part + 1) << (power - 3)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_counted_where_it_belongs_and_found_within_an_eighth() {
        assert_eq!(Histogram::default().within(99), Duration::ZERO);
        for micros in (0..5_000).chain([10_000, 999_999, 1 << 30, (1 << 32) - 1]) {
            let mut one = Histogram::default();
            one.add(Duration::from_micros(micros));
            let found = u64::try_from(one.within(50).as_micros()).unwrap();
            assert!(
                (micros..=micros + micros / 8).contains(&found),
                "{micros}: {found}"
            );
        }
    }

    #[test]
    fn half_and_99_in_100_are_told_and_what_is_longer_than_an_hour_counts_as_one() {
        let mut all = Histogram::default();
        for millis in 1..=100 {
            all.add(Duration::from_millis(millis));
        }
        let mut more = Histogram::default();
        more.add(Duration::from_secs(1 << 40));
        all.merge(&more);
        assert_eq!(all.count(), 101);
        let (half, most) = (all.within(50).as_millis(), all.within(99).as_millis());
        assert!((51..=58).contains(&half), "{half}");
        assert!((100..=113).contains(&most), "{most}");
        assert!(all.within(100) >= Duration::from_secs(3600));
    }
}
