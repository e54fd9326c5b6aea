//! The weight of a server that has come back: it grows from a small share to the whole, so that a cold server is not
//! sent its whole share at once.

use std::time::{Duration, Instant};

/// In so many steps: each is a plan of its own.
pub const STEPS: u32 = 20;

/// Steps are no shorter.
const LEAST_STEP: Duration = Duration::from_millis(100);

/// A server that came back a while ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlowStart {
    since: Instant,
    whole: Duration,
}

impl SlowStart {
    /// It has come back now, and has its whole weight after this time.
    #[must_use]
    pub fn new(now: Instant, whole: Duration) -> Self {
        Self { since: now, whole }
    }

    fn step(&self) -> Duration {
        (self.whole / STEPS).max(LEAST_STEP)
    }

    /// Of how many steps of [`STEPS`] its weight is now, from 1 on. `None`: it has the whole.
    #[must_use]
    pub fn steps(&self, now: Instant) -> Option<u32> {
        let passed = now.saturating_duration_since(self.since);
        if passed >= self.whole {
            return None;
        }
        let steps = passed.as_nanos() / self.step().as_nanos().max(1);
        let parts = self
            .whole
            .as_nanos()
            .div_ceil(self.step().as_nanos().max(1));
        let reached = u128::from(STEPS) * steps / parts.max(1);
        Some(u32::try_from(reached).unwrap_or(STEPS).clamp(1, STEPS))
    }

    /// When that changes next.
    #[must_use]
    pub fn poll_at(&self, now: Instant) -> Instant {
        let passed = now.saturating_duration_since(self.since);
        let steps = passed.as_nanos() / self.step().as_nanos().max(1);
        let next = u32::try_from(steps).unwrap_or(u32::MAX).saturating_add(1);
        let end = self.since + self.whole;
        (self.since + self.step().saturating_mul(next)).min(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(whole: Duration) -> (SlowStart, Instant) {
        #[expect(clippy::disallowed_methods, reason = "only differences to it matter")]
        let begin = Instant::now();
        (SlowStart::new(begin, whole), begin)
    }

    #[test]
    fn the_weight_grows_in_equal_steps_and_is_whole_at_the_end() {
        let (start, begin) = from(Duration::from_secs(20));
        let at = |seconds| start.steps(begin + Duration::from_secs(seconds));
        assert_eq!(at(0), Some(1), "it gets something at once");
        assert_eq!(at(1), Some(1));
        assert_eq!(at(10), Some(10));
        assert_eq!(at(19), Some(19));
        assert_eq!(at(20), None);
        assert_eq!(at(100_000), None);
    }

    #[test]
    fn each_wake_up_is_a_step_further_and_none_is_missed() {
        for millis in [100, 250, 1_000, 30_000, 3_600_000] {
            let (start, begin) = from(Duration::from_millis(millis));
            let (mut now, mut last, mut wakes) = (begin, 0, 0);
            while let Some(steps) = start.steps(now) {
                assert!(steps >= last, "{millis} ms");
                last = steps;
                let next = start.poll_at(now);
                assert!(next > now, "{millis} ms: a wake-up that comes at once");
                now = next;
                wakes += 1;
            }
            assert!(wakes <= STEPS, "{millis} ms: {wakes}");
            assert_eq!(now, begin + Duration::from_millis(millis));
        }
    }
}
