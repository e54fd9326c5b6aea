//! The time of one check, and who has used it.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::transport::ProbeError;

/// A check that runs out of time says something about its target only if that had at least one in so many parts of it.
/// The rest was this machine's: a busy one lets tasks wait.
const FAIR_PART: u32 = 2;

/// From the begin of a check to its deadline.
#[derive(Debug)]
pub(super) struct Clock {
    began: Instant,
    deadline: Instant,
    /// How long the target was waited for.
    waited: Duration,
    /// Whether an operation was ended by the deadline, as opposed to its own timeout.
    expired: bool,
    /// Whether an operation had no answer in its time.
    unanswered: bool,
}

impl Clock {
    pub(super) fn new(deadline: Instant) -> Self {
        Self {
            began: Instant::now(),
            deadline,
            waited: Duration::ZERO,
            expired: false,
            unanswered: false,
        }
    }

    /// Until the deadline.
    pub(super) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Whether the deadline ended an operation.
    pub(super) fn has_expired(&self) -> bool {
        self.expired
    }

    /// Whether any operation had no answer in its time.
    pub(super) fn is_unanswered(&self) -> bool {
        self.unanswered
    }

    /// How long the target was waited for.
    pub(super) fn waited(&self) -> Duration {
        self.waited
    }

    /// Whether the target had its part of a time that has run out.
    pub(super) fn was_fair(&self) -> bool {
        let whole = self.deadline.saturating_duration_since(self.began);
        self.waited >= whole / FAIR_PART
    }

    /// Runs an operation until its own timeout or the deadline.
    pub(super) async fn within<T>(
        &mut self,
        timeout: Option<Duration>,
        operation: impl Future<Output = Result<T, ProbeError>>,
    ) -> Result<T, ProbeError> {
        let begin = Instant::now();
        let own = timeout.and_then(|timeout| begin.checked_add(timeout));
        let end = own.map_or(self.deadline, |own| own.min(self.deadline));
        // Only for as long as it is waited for: this may be cut off.
        let mut waiting = Waiting {
            clock: self,
            begin,
            end,
        };
        if let Ok(result) = timeout_at(end, operation).await {
            return result;
        }
        let clock = waiting.clock();
        clock.unanswered = true;
        clock.expired |= end == clock.deadline;
        Err(ProbeError::TimedOut)
    }
}

/// Counts the time of an operation, however it ends; not what comes after its end, which is this machine's.
struct Waiting<'a> {
    clock: &'a mut Clock,
    begin: Instant,
    end: Instant,
}

impl Waiting<'_> {
    fn clock(&mut self) -> &mut Clock {
        self.clock
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let until = Instant::now().min(self.end);
        self.clock.waited += until.saturating_duration_since(self.begin);
    }
}
