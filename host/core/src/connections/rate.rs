//! How many connections come in a minute.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// So much of the past counts.
const WINDOW: Duration = Duration::from_secs(10);
/// Numbers that are nearer to each other are one: what is kept is bounded.
const STEP: Duration = Duration::from_secs(1);

/// What was counted of late.
#[derive(Debug, Clone, Default)]
pub struct Rate {
    /// The sums of all connections ever at these times, the oldest first: none is older than the window but the first.
    sums: VecDeque<(Instant, u64)>,
}

impl Rate {
    /// There were so many ever, by now. A sum that is less than before begins anew.
    pub fn counted(&mut self, total: u64, now: Instant) {
        if self.sums.back().is_some_and(|(_, before)| total < *before) {
            self.sums.clear();
        }
        let early = self
            .sums
            .back()
            .is_some_and(|(at, _)| now.saturating_duration_since(*at) < STEP);
        if !early {
            self.sums.push_back((now, total));
        }
        while let Some((second, _)) = self.sums.get(1)
            && now.saturating_duration_since(*second) >= WINDOW
        {
            self.sums.pop_front();
        }
    }

    /// New connections in a minute, if there were so many ever by now. Nothing is known of what was before the first
    /// count: then a second counts as the least time.
    #[must_use]
    pub fn per_minute(&self, total: u64, now: Instant) -> u32 {
        let Some((since, before)) = self.sums.front() else {
            return 0;
        };
        let time = now.saturating_duration_since(*since).max(STEP);
        let new = u128::from(total.saturating_sub(*before));
        let per_minute = new * 60_000 / time.as_millis().max(1);
        u32::try_from(per_minute).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "only differences to it matter")]
    fn the_last_ten_seconds_count_and_little_is_kept() {
        let mut rate = Rate::default();
        let begin = Instant::now();
        let at = |tenths: u64| begin + Duration::from_millis(100 * tenths);
        assert_eq!(rate.per_minute(5, begin), 0);
        // Ten a second, told of ten times a second.
        for tenths in 0..=300 {
            rate.counted(tenths, at(tenths));
            assert!(rate.sums.len() <= 12, "{}", rate.sums.len());
        }
        assert_eq!(rate.per_minute(300, at(300)), 600);
        // None for ten seconds.
        rate.counted(300, at(400));
        rate.counted(300, at(410));
        assert_eq!(rate.per_minute(300, at(410)), 0);
        // Fifty at once, two seconds later: the count before is that of twelve seconds ago.
        assert_eq!(rate.per_minute(350, at(420)), 250);
        // It begins anew.
        rate.counted(3, at(430));
        assert_eq!(rate.per_minute(3, at(430)), 0);
        assert_eq!(rate.per_minute(4, at(430)), 60);
    }
}
