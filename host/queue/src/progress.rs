//! Whether a thread moves.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a thread has been at, and for how long: written by it, read by others.
#[derive(Debug)]
pub(crate) struct Progress {
    base: Instant,
    /// Since when it has been busy, in microseconds after `base`, plus one; 0: it waits for work.
    since: AtomicU64,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self {
            base: Instant::now(),
            since: AtomicU64::new(0),
        }
    }

    /// It begins something.
    pub(crate) fn begin(&self, now: Instant) {
        let micros = now.saturating_duration_since(self.base).as_micros();
        let micros = u64::try_from(micros).unwrap_or(u64::MAX);
        self.since
            .store(micros.saturating_add(1), Ordering::Relaxed);
    }

    /// It waits for work.
    pub(crate) fn end(&self) {
        self.since.store(0, Ordering::Relaxed);
    }

    /// For how long it has been at one thing; `None`: it waits for work.
    pub(crate) fn busy_for(&self, now: Instant) -> Option<Duration> {
        let since = self.since.load(Ordering::Relaxed).checked_sub(1)?;
        let since = self.base + Duration::from_micros(since);
        Some(now.saturating_duration_since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_busy_from_the_beginning_of_what_it_is_at_to_its_end() {
        let progress = Progress::new();
        let start = progress.base;
        let after = |millis| start + Duration::from_millis(millis);
        assert_eq!(progress.busy_for(after(9)), None);
        progress.begin(start);
        assert_eq!(progress.busy_for(after(9)), Some(Duration::from_millis(9)));
        progress.begin(after(9));
        assert_eq!(progress.busy_for(after(10)), Some(Duration::from_millis(1)));
        progress.end();
        assert_eq!(progress.busy_for(after(99)), None);
    }
}
