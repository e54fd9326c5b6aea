//! What a queue has seen, and how long it took.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a listener has done since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections that the chooser decided.
    pub decisions: u64,
    /// Connections that it left to the plan, and those that still waited at the end.
    pub passed: u64,
    /// Packets without readable ports (later fragments, other protocols); they were left to the plan.
    pub unreadable: u64,
    /// Packets that the kernel dropped since too many waited (`queue_dropped` and `user_dropped`). The kernel does not count those that it
    /// lets go on for that reason, as it does with these queues, so this should stay 0.
    pub queue_dropped: u64,
    /// Time in the chooser.
    pub choose: Spread,
    /// Time from when a packet was read to when its verdict had been sent.
    pub total: Spread,
}

/// How times are spread, in microseconds, rounded up by at most an eighth.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spread {
    /// Half of them took no longer.
    pub p50: u64,
    /// 99 in 100 took no longer.
    pub p99: u64,
    /// The longest.
    pub max: u64,
}

/// Eight classes for each power of two.
const CLASSES: usize = 8 * 40;

/// Counts times, in nanoseconds, from one thread for others to read.
#[derive(Debug)]
pub(crate) struct Times {
    classes: [AtomicU64; CLASSES],
    max: AtomicU64,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            classes: [const { AtomicU64::new(0) }; CLASSES],
            max: AtomicU64::new(0),
        }
    }
}

/// The class of a time: its power of two, and the three bits after the first.
fn class(nanos: u64) -> usize {
    let nanos = nanos.max(8);
    let power = nanos.ilog2();
    let eighth = (nanos >> (power - 3)) & 7;
    let class = u64::from(power - 3) * 8 + eighth;
    usize::try_from(class).unwrap_or(CLASSES).min(CLASSES - 1)
}

/// The longest time of a class.
fn longest(class: usize) -> u64 {
    let (power, eighth) = (class / 8, class % 8);
    ((8 + eighth as u64 + 1) << power) - 1
}

impl Times {
    pub(crate) fn add(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        if let Some(class) = self.classes.get(class(nanos)) {
            class.fetch_add(1, Ordering::Relaxed);
        }
        self.max.fetch_max(nanos, Ordering::Relaxed);
    }

    pub(crate) fn spread(&self) -> Spread {
        let counts: Vec<u64> = self
            .classes
            .iter()
            .map(|class| class.load(Ordering::Relaxed))
            .collect();
        let all: u64 = counts.iter().sum();
        let max = self.max.load(Ordering::Relaxed);
        let within = |hundredths: u64| {
            let wanted = (all * hundredths).div_ceil(100);
            let mut seen = 0;
            let class = counts.iter().position(|count| {
                seen += count;
                seen >= wanted && seen > 0
            });
            class.map_or(0, |class| longest(class).min(max).div_ceil(1000))
        };
        Spread {
            p50: within(50),
            p99: within(99),
            max: max.div_ceil(1000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_the_first_class_that_is_long_enough() {
        for nanos in [0, 7, 8, 15, 16, 17, 1000, 123_456, 999_999_999] {
            let class = class(nanos);
            assert!(longest(class) >= nanos, "{nanos}");
            assert!(class == 0 || longest(class - 1) < nanos, "{nanos}");
            assert!(longest(class) <= nanos.max(8) * 9 / 8 + 1, "{nanos}");
        }
    }

    #[test]
    fn the_spread_is_by_how_many_took_no_longer() {
        let times = Times::default();
        assert_eq!(times.spread(), Spread::default());
        for micros in 1..=1000 {
            times.add(Duration::from_micros(micros));
        }
        let spread = times.spread();
        assert!((500..=563).contains(&spread.p50), "{spread:?}");
        assert!((990..=1000).contains(&spread.p99), "{spread:?}");
        assert_eq!(spread.max, 1000);
    }
}
