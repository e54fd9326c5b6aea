//! Whether the rest of the daemon moves. A director whose main loop hangs takes no dead server out and has no answer
//! for anybody, while its adverts, which wait for nobody, would keep every other router backup.

use std::time::{Duration, Instant};

use super::Router;
use crate::vrrp::{Event, Output, State};

/// Between two looks. Looks are counted, not time: a process that was stopped as a whole has missed none.
const TICK: Duration = Duration::from_secs(1);
/// So many looks in a row without a sign of life, and the main loop hangs: more than the longest step that a reload
/// takes (0.2 s with 10,000 services, in a build without optimisation some seconds).
const PATIENCE: u32 = 10;
/// Looks from one attempt to hand over to the next. Backups are silent, so that nobody knows whether there is one now.
const RETRY: u32 = 60;

/// Counts looks without a sign of life. It begins with the first sign.
#[derive(Debug, Default)]
pub(super) struct Watchdog {
    next: Option<Instant>,
    silent: u32,
}

impl Watchdog {
    /// When [`Self::look`] is due.
    pub(super) fn poll_at(&self) -> Option<Instant> {
        self.next
    }

    /// Looks, if that is due. Whether it is time to hand over.
    fn look(&mut self, now: Instant) -> bool {
        if self.next.is_none_or(|at| now < at) {
            return false;
        }
        self.next = Some(now + TICK);
        self.silent = self.silent.saturating_add(1);
        let hanging = self.silent.checked_sub(PATIENCE);
        hanging.is_some_and(|looks| looks.is_multiple_of(RETRY))
    }

    /// A sign of life. Whether the main loop was taken to hang.
    fn alive(&mut self, now: Instant) -> bool {
        self.next = Some(now + TICK);
        std::mem::take(&mut self.silent) >= PATIENCE
    }
}

impl Router {
    /// The main loop moves.
    pub(super) fn alive(&mut self, now: Instant) {
        if self.stopping || !self.watchdog.alive(now) {
            return;
        }
        for instance in &mut self.instances {
            instance.hangs = false;
        }
        self.say(false, "the daemon's main loop moves again");
    }

    /// Nobody is watched over while the daemon ends.
    pub(super) fn unwatch(&mut self) {
        self.watchdog = Watchdog::default();
    }

    /// Hands over if the main loop hangs. An instance whose addresses nobody takes becomes master again.
    pub(super) fn watch(&mut self, now: Instant) {
        if !self.watchdog.look(now) {
            return;
        }
        let first = self.watchdog.silent == PATIENCE;
        for instance in &mut self.instances {
            instance.hangs = true;
        }
        let masters = self.instances.iter().any(|it| it.state == State::Master);
        if first || masters {
            let what = if masters {
                "hands over to another router, if there is one; its addresses stay until that one is heard"
            } else {
                "leaves the addresses to another router, if there is one"
            };
            let text = format!(
                "the daemon's main loop has not moved for {} s: this director {what}",
                self.watchdog.silent
            );
            self.say(true, &text);
        }
        for instance in &mut self.instances {
            instance.hand_over(
                "the daemon's main loop does not move",
                now,
                false,
                &mut self.outputs,
            );
        }
    }

    fn say(&mut self, warning: bool, text: &str) {
        let names = self.instances.iter().map(|it| it.spec.name.as_str());
        self.outputs.push(Output::Event(Event {
            instance: names.collect::<Vec<_>>().join(", "),
            warning,
            text: text.to_owned(),
        }));
    }
}
