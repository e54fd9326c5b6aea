//! The timers of a machine, in one table.
//!
//! A machine names its timers with an enum (or a key made of one and whom it is for) and keeps all of them here. When
//! the driver is to wake it is then [`TimerTable::next`] by construction, and no deadline can be left out of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// When each of a machine's timers expires. A timer that is not in the table is not running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimerTable<K> {
    running: BTreeMap<K, Instant>,
    /// The same, by time: a table may hold a timer for each of thousands of services.
    by_time: BTreeSet<(Instant, K)>,
}

impl<K> Default for TimerTable<K> {
    fn default() -> Self {
        Self {
            running: BTreeMap::new(),
            by_time: BTreeSet::new(),
        }
    }
}

impl<K: Ord + Copy> TimerTable<K> {
    /// No timer is running.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts the timer, or moves it: it expires at `at`.
    pub fn set(&mut self, timer: K, at: Instant) {
        self.clear(timer);
        self.running.insert(timer, at);
        self.by_time.insert((at, timer));
    }

    /// Stops the timer, if it is running.
    pub fn clear(&mut self, timer: K) {
        if let Some(at) = self.running.remove(&timer) {
            self.by_time.remove(&(at, timer));
        }
    }

    /// When the timer expires; `None`: it is not running.
    #[must_use]
    pub fn get(&self, timer: K) -> Option<Instant> {
        self.running.get(&timer).copied()
    }

    /// When the first timer expires; `None`: none is running.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes the timer out that expired first, if one has expired at `now`. Of several that expired at once, the least.
    pub fn pop(&mut self, now: Instant) -> Option<K> {
        let (at, timer) = self.by_time.first().copied()?;
        if at > now {
            return None;
        }
        self.clear(timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    enum Timer {
        Retry,
        Resync,
        Flow(u8),
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs some instant to count from"
    )]
    fn epoch() -> Instant {
        Instant::now()
    }

    fn second(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn the_next_timeout_is_the_earliest_of_the_running_timers() {
        let start = epoch();
        let mut timers = TimerTable::new();
        assert_eq!(timers.next(), None);
        timers.set(Timer::Resync, start + second(30));
        timers.set(Timer::Retry, start + second(1));
        assert_eq!(timers.next(), Some(start + second(1)));
        timers.clear(Timer::Retry);
        assert_eq!(timers.next(), Some(start + second(30)));
        assert_eq!(timers.get(Timer::Retry), None);
        assert_eq!(timers.get(Timer::Resync), Some(start + second(30)));
    }

    #[test]
    fn a_timer_that_is_set_again_is_moved() {
        let start = epoch();
        let mut timers = TimerTable::new();
        timers.set(Timer::Retry, start + second(1));
        timers.set(Timer::Retry, start + second(5));
        assert_eq!(timers.pop(start + second(4)), None);
        assert_eq!(timers.pop(start + second(5)), Some(Timer::Retry));
        assert_eq!(timers.pop(start + second(5)), None);
    }

    #[test]
    fn expired_timers_are_taken_out_one_at_a_time_in_the_order_of_their_times() {
        let start = epoch();
        let mut timers = TimerTable::new();
        timers.set(Timer::Flow(2), start + second(1));
        timers.set(Timer::Resync, start + second(2));
        timers.set(Timer::Flow(1), start + second(1));
        timers.set(Timer::Retry, start + second(3));
        assert_eq!(timers.pop(start), None);
        let mut expired = Vec::new();
        while let Some(timer) = timers.pop(start + second(2)) {
            expired.push(timer);
        }
        assert_eq!(expired, [Timer::Flow(1), Timer::Flow(2), Timer::Resync]);
        assert_eq!(timers.next(), Some(start + second(3)));
    }
}
