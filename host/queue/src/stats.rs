//! What a queue has seen, and how long it took.

use std::io;
use std::time::Duration;

use hdrhistogram::Histogram;

/// What a listener has done since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections about which there was a verdict.
    pub decisions: u64,
    /// Connections that it left to the plan, and those that still waited at the end.
    pub passed: u64,
    /// Packets without readable ports (later fragments, other protocols); they were left to the plan.
    pub unreadable: u64,
    /// Packets that the kernel dropped since too many waited (`queue_dropped` and `user_dropped`). The kernel does not
    /// count those that it lets go on for that reason, as it does with these queues, so this should stay 0.
    pub queue_dropped: u64,
    /// Time that decisions took.
    pub decide: Spread,
    /// Time from when a packet was read to when its verdict had been sent.
    pub total: Spread,
}

/// How times are spread, in microseconds, rounded up by at most a hundredth.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spread {
    /// Half of them took no longer.
    pub p50: u64,
    /// 99 in 100 took no longer.
    pub p99: u64,
    /// The longest.
    pub max: u64,
}

/// Longer ones count as this long: a quarter of an hour.
const MAX_NANOS: u64 = 900_000_000_000;
/// Significant decimal digits.
const DIGITS: u8 = 2;

/// Counts times, in nanoseconds.
#[derive(Debug)]
pub(crate) struct Times {
    histogram: Histogram<u64>,
    /// The longest, exactly.
    max: u64,
}

impl Times {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            histogram: Histogram::new_with_max(MAX_NANOS, DIGITS).map_err(io::Error::other)?,
            max: 0,
        })
    }

    pub(crate) fn add(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.histogram.saturating_record(nanos);
        self.max = self.max.max(nanos);
    }

    pub(crate) fn spread(&self) -> Spread {
        let within = |quantile| {
            let nanos = self.histogram.value_at_quantile(quantile);
            nanos.min(self.max).div_ceil(1000)
        };
        Spread {
            p50: within(0.5),
            p99: within(0.99),
            max: self.max.div_ceil(1000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_rounded_up_by_a_hundredth_at_most() {
        for nanos in [0, 7, 8, 15, 16, 17, 1000, 123_456, 999_999_999] {
            let mut times = Times::new().unwrap();
            // With a longer one, so that it is not the maximum that is shown.
            times.add(Duration::from_nanos(nanos));
            times.add(Duration::from_secs(100));
            let shown = times.histogram.value_at_quantile(0.5);
            assert!(shown >= nanos, "{nanos}: {shown}");
            assert!(shown <= nanos + nanos / 100 + 1, "{nanos}: {shown}");
        }
    }

    #[test]
    fn a_time_that_is_too_long_counts_as_the_longest() {
        let mut times = Times::new().unwrap();
        times.add(Duration::MAX);
        assert_eq!(times.spread().max, u64::MAX.div_ceil(1000));
        assert!(times.spread().p50 >= MAX_NANOS / 1000);
    }

    #[test]
    fn the_spread_is_by_how_many_took_no_longer() {
        let mut times = Times::new().unwrap();
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
