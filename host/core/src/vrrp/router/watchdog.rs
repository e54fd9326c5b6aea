//! Whether the rest of the daemon moves. A director whose main loop hangs takes no dead server out and has no answer
//! for anybody, while its adverts, which wait for nobody, would keep every other router backup.

use std::time::{Duration, Instant};

/// Between two looks. Looks are counted, not time: a process that was stopped as a whole has missed none.
const TICK: Duration = Duration::from_secs(1);
/// So many looks in a row without a sign of life, and the main loop hangs: more than the longest step that a reload
/// takes (0.2 s with 10,000 services, in a build without optimisation some seconds).
pub(super) const PATIENCE: u32 = 10;
/// Looks from one attempt to hand over to the next. Backups are silent, so that nobody knows whether there is one now.
const RETRY: u32 = 60;

/// Counts looks without a sign of life. It begins with the first sign.
#[derive(Debug, Default)]
pub(super) struct Watchdog {
    next: Option<Instant>,
    /// Looks in a row without one.
    pub(super) silent: u32,
}

impl Watchdog {
    /// When [`Self::look`] is due.
    pub(super) fn poll_at(&self) -> Option<Instant> {
        self.next
    }

    /// Looks, if that is due. Whether it is time to hand over.
    pub(super) fn look(&mut self, now: Instant) -> bool {
        if self.next.is_none_or(|at| now < at) {
            return false;
        }
        self.next = Some(now + TICK);
        self.silent = self.silent.saturating_add(1);
        let hanging = self.silent.checked_sub(PATIENCE);
        hanging.is_some_and(|looks| looks.is_multiple_of(RETRY))
    }

    /// A sign of life. Whether the main loop was taken to hang.
    pub(super) fn alive(&mut self, now: Instant) -> bool {
        self.next = Some(now + TICK);
        std::mem::take(&mut self.silent) >= PATIENCE
    }
}
