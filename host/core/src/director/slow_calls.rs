//! Whether too many of a scheduler's calls are slow.

use std::collections::VecDeque;
use std::time::Duration;

/// So many of the latest calls are looked at.
const LATEST: usize = 1000;

/// The latest calls of a scheduler, each with whether it took longer than it may.
#[derive(Debug, Default)]
pub(super) struct SlowCalls {
    latest: VecDeque<bool>,
    /// How many of them did.
    slow: usize,
}

impl SlowCalls {
    /// A call has ended. Says why the scheduler is too slow, if 99 of a hundred calls do not end in time. A single slow
    /// call says nothing: it may be the first, or the machine was busy.
    ///
    /// # Errors
    /// Why it is too slow.
    pub(super) fn add(&mut self, took: Duration, max: Duration) -> Result<(), String> {
        if self.latest.len() == LATEST && self.latest.pop_front() == Some(true) {
            self.slow -= 1;
        }
        let slow = took > max;
        self.latest.push_back(slow);
        self.slow += usize::from(slow);
        let calls = self.latest.len();
        if !slow || self.slow <= (calls / 100).max(1) {
            return Ok(());
        }
        Err(format!(
            "{} of its last {calls} calls took longer than max_call = {max:?}, the last one {took:?}",
            self.slow
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of the call after which it is too slow, with a slow call at each of these numbers.
    fn too_slow_after(slow: impl Fn(usize) -> bool) -> Option<usize> {
        let mut calls = SlowCalls::default();
        let max = Duration::from_millis(5);
        (1..=5_000).find(|call| {
            let took = if slow(*call) { max * 2 } else { max };
            calls.add(took, max).is_err()
        })
    }

    #[test]
    fn one_call_in_a_hundred_may_be_slow_and_one_alone() {
        assert_eq!(too_slow_after(|_| false), None);
        assert_eq!(too_slow_after(|call| call == 1), None);
        assert_eq!(too_slow_after(|call| call % 100 == 0), None);
        assert_eq!(too_slow_after(|call| call <= 2), Some(2));
        assert_eq!(too_slow_after(|call| call % 50 == 0), Some(100));
        // What was long ago does not make up for it.
        assert_eq!(too_slow_after(|call| call > 4_000), Some(4_011));
    }

    #[test]
    fn the_reason_names_the_limit_and_the_last_call() {
        let mut calls = SlowCalls::default();
        let max = Duration::from_millis(5);
        assert_eq!(calls.add(max * 2, max), Ok(()));
        assert_eq!(
            calls.add(max * 3, max).unwrap_err(),
            "2 of its last 2 calls took longer than max_call = 5ms, the last one 15ms"
        );
    }
}
