//! What becomes of the addresses while the daemon's main loop hangs.

use std::time::Instant;

use super::Router;
use super::watchdog::{PATIENCE, Watchdog};
use crate::vrrp::{Event, Output, State};

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
