//! When the next check starts.

use std::time::Duration;

use crate::model::CheckTiming;

/// No two first checks of a start need to fall into the same instant, but a server is not left unchecked for long
/// either.
const FIRST_SPREAD: Duration = Duration::from_secs(2);

/// Jitter takes up to this part of the interval.
const JITTER_PART: u32 = 10;

/// The least time between two regular checks, so that no configuration makes a machine spin.
const LEAST_INTERVAL: Duration = Duration::from_millis(1);

/// A failed plugin is not tried again sooner than this...
const LEAST_BACKOFF: Duration = Duration::from_millis(100);

/// ... nor, unless the interval is longer, later than this.
const GREATEST_BACKOFF: Duration = Duration::from_secs(60);

/// From a machine's creation to its first check.
pub(super) fn first(timing: &CheckTiming, random: u64) -> Duration {
    let within = timing.warmup.unwrap_or(timing.interval.min(FIRST_SPREAD));
    part(within, random)
}

/// From the start of a check to the start of the next regular one. Never more than the interval, so that jitter does
/// not lengthen the time in which a failure is noticed.
pub(super) fn regular(timing: &CheckTiming, random: u64) -> Duration {
    jittered(timing.interval, random)
}

/// Likewise, while the server is down.
pub(super) fn down(timing: &CheckTiming, random: u64) -> Duration {
    jittered(timing.down_interval.unwrap_or(timing.interval), random)
}

/// Likewise, while a server that was down has passed, but not often enough.
pub(super) fn rising(timing: &CheckTiming, random: u64) -> Duration {
    jittered(timing.fast_interval.unwrap_or(timing.interval), random)
}

/// From the start of a check that has failed to its repetition.
pub(super) fn repetition(timing: &CheckTiming) -> Duration {
    timing.fast_interval.unwrap_or(timing.retry_delay)
}

fn jittered(interval: Duration, random: u64) -> Duration {
    let interval = interval.max(LEAST_INTERVAL);
    interval - part(interval / JITTER_PART, random)
}

/// From the start of a check in which the plugin failed, the `nth` in a row (from 1), to the start of the next.
pub(super) fn backoff(timing: &CheckTiming, nth: u32, random: u64) -> Duration {
    let most = timing.interval.max(GREATEST_BACKOFF);
    let doublings = nth.saturating_sub(1).min(31);
    let delay = timing
        .retry_delay
        .max(LEAST_BACKOFF)
        .saturating_mul(1 << doublings)
        .min(most);
    delay - part(delay / JITTER_PART, random)
}

/// A part of `whole` as great as `random` is of all numbers: evenly spread over `[0, whole)`.
fn part(whole: Duration, random: u64) -> Duration {
    let nanos = u64::try_from(whole.as_nanos()).unwrap_or(u64::MAX);
    let scaled = (u128::from(nanos) * u128::from(random)) >> u64::BITS;
    Duration::from_nanos(u64::try_from(scaled).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(interval: Duration, retry_delay: Duration) -> CheckTiming {
        CheckTiming {
            interval,
            timeout: Duration::from_secs(1),
            retries: 3,
            retry_delay,
            rise: 1,
            alpha: false,
            fast_interval: None,
            down_interval: None,
            warmup: None,
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_first_check_comes_within_two_seconds_or_the_interval() {
        let long = timing(10 * SECOND, SECOND);
        assert_eq!(first(&long, 0), Duration::ZERO);
        assert_eq!(first(&long, 1 << 63), SECOND);
        assert!(first(&long, u64::MAX) < 2 * SECOND);
        let short = timing(SECOND, SECOND);
        assert!(first(&short, u64::MAX) < SECOND);
    }

    #[test]
    fn jitter_takes_a_tenth_at_most_and_never_adds() {
        let timing = timing(10 * SECOND, SECOND);
        assert_eq!(regular(&timing, 0), 10 * SECOND);
        assert!(regular(&timing, u64::MAX) > 9 * SECOND);
    }

    #[test]
    fn a_zero_interval_does_not_spin() {
        assert!(regular(&timing(Duration::ZERO, SECOND), 0) >= LEAST_INTERVAL);
    }

    #[test]
    fn backoff_doubles_up_to_a_minute() {
        let timing = timing(SECOND, 3 * SECOND);
        let seconds: Vec<u64> = (1..=7).map(|n| backoff(&timing, n, 0).as_secs()).collect();
        assert_eq!(seconds, [3, 6, 12, 24, 48, 60, 60]);
        assert_eq!(backoff(&timing, u32::MAX, 0), 60 * SECOND);
    }

    #[test]
    fn backoff_goes_up_to_an_interval_longer_than_a_minute_and_starts_above_nothing() {
        assert_eq!(
            backoff(&timing(100 * SECOND, 90 * SECOND), 2, 0),
            100 * SECOND
        );
        assert_eq!(
            backoff(&timing(SECOND, Duration::ZERO), 1, 0),
            LEAST_BACKOFF
        );
    }
}
