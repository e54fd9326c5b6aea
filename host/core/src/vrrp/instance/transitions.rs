//! From one state to another (RFC 9568 section 6.4), and what becomes of the addresses.

use std::time::{Duration, Instant};

use super::data::{HoldReason, Instance};
use crate::vrrp::timer::InstanceTimer;
use crate::vrrp::{Notified, Output, State, timing};

/// The most that a hand-over at the daemon's end may take.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// What a router that was in fault waits at least: an interface says that it is up before the switch behind it
/// forwards, and the Linux bridge, for one, takes up to a second.
const LINK_DELAY: Duration = Duration::from_secs(1);

impl Instance {
    /// From the state it is in to another one, with why. Once for each change: in the log, and for notify scripts.
    fn enter(&mut self, state: State, why: &str, now: Instant, out: &mut Vec<Output>) {
        self.tell_transition(state, why, out);
        self.state = state;
        self.since = now;
        self.notified = true;
        let state = match state {
            State::Backup => Notified::Backup,
            State::Master => Notified::Master,
            State::Fault => Notified::Fault,
        };
        self.notify(state, out);
    }

    fn tell_transition(&self, to: State, why: &str, out: &mut Vec<Output>) {
        let (from, priority) = (self.state, self.priority);
        let text = if self.notified {
            format!("from {from} to {to}, priority {priority}: {why}")
        } else {
            format!("{to}, priority {priority}: {why}")
        };
        // Only the way in is nothing that anyone has to look at.
        self.event(self.notified || to == State::Fault, text, out);
    }

    /// The addresses go.
    pub(super) fn release(&mut self, out: &mut Vec<Output>) {
        self.set_hold_reason(None);
        self.held = false;
        self.announcements.clear(&mut self.timers);
        out.push(Output::Release {
            instance: self.spec.name.clone(),
        });
    }

    /// The addresses are here from before.
    pub(in crate::vrrp) fn found(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.state == State::Master || self.hold_reason.is_some() {
            return;
        }
        if self.state == State::Fault && self.notified {
            self.release(out);
            return;
        }
        let text = "its addresses are here already, from before this daemon; they stay unless another master is heard";
        self.event(false, text.to_owned(), out);
        self.set_hold_reason(Some(HoldReason::Found));
        if self.state == State::Backup && self.master.is_some() {
            self.release(out);
        } else if self.state == State::Backup {
            self.listen(now);
        }
    }

    /// Out of fault, or newly configured (RFC 9568 section 6.4.1).
    pub(in crate::vrrp) fn recover(&mut self, now: Instant, out: &mut Vec<Output>) {
        self.master = None;
        self.lower_since = None;
        let was_in_fault = self.notified;
        let why = if was_in_fault {
            "what had failed is well again"
        } else {
            "started"
        };
        self.enter(State::Backup, why, now, out);
        self.listen(now);
        if was_in_fault && let Some(at) = self.timers.get(InstanceTimer::MasterDown) {
            self.start_timer(InstanceTimer::MasterDown, at.max(now + LINK_DELAY));
        }
        if self.priority == 255 && !self.resigned && !self.hangs {
            // The owner is master at once.
            self.stop_timer();
            self.wants_to_be_master("it owns the addresses".to_owned());
        }
    }

    /// It is to be master as soon as the data plane is ready and its group agrees.
    pub(super) fn wants_to_be_master(&mut self, because: String) {
        self.wants = true;
        self.because = because;
    }

    /// Something that it needs has failed. `begun`: the data plane is ready; before, what is not known yet counts as
    /// failed, but is not worth a word.
    pub(in crate::vrrp) fn fail(
        &mut self,
        why: &str,
        begun: bool,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        let known = self.state == State::Fault && self.notified;
        if known || self.is_beginning(begun, now) {
            return;
        }
        if self.state == State::Master {
            self.send(0, now, out);
        }
        let left_over = std::mem::take(&mut self.left_over);
        if self.state == State::Master || self.hold_reason.is_some() || left_over {
            self.release(out);
        }
        self.stop_timer();
        self.wants = false;
        self.master = None;
        self.enter(State::Fault, why, now, out);
    }

    /// From backup to master (RFC 9568 section 6.4.2, when `Active_Down_Timer` has fired).
    pub(in crate::vrrp) fn become_master(&mut self, now: Instant, out: &mut Vec<Output>) {
        self.wants = false;
        self.set_hold_reason(None);
        self.master = None;
        self.lower_since = None;
        self.counters.became_master += 1;
        self.advertise(now, out);
        out.push(Output::Hold {
            instance: self.spec.name.clone(),
        });
        let why = std::mem::take(&mut self.because);
        self.enter(State::Master, &why, now, out);
    }

    /// The addresses are in place: the network is told.
    pub(in crate::vrrp) fn held(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.state != State::Master {
            return;
        }
        self.held = true;
        self.announce_again(now, out);
    }

    /// Announces the addresses, if they are here, as after becoming master.
    pub(in crate::vrrp) fn announce_again(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.state != State::Master || !self.held {
            return;
        }
        let config = self.spec.announce;
        self.announce(config.repeat, out);
        self.announcements.begin(
            config.delay,
            config.repeat,
            config.refresh,
            now,
            &mut self.timers,
        );
    }

    /// No longer configured.
    pub(in crate::vrrp) fn leave(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.state == State::Master {
            self.send(0, now, out);
            let text = "no longer MASTER: the instance is not configured any more, or is another router now";
            self.event(true, text.to_owned(), out);
        }
        if self.state == State::Master || self.hold_reason.is_some() {
            self.release(out);
        }
    }

    /// From master to backup because the group does so, or an operator wants it: the addresses stay until another is
    /// master.
    pub(in crate::vrrp) fn hand_over(
        &mut self,
        why: &str,
        now: Instant,
        stopping: bool,
        out: &mut Vec<Output>,
    ) {
        if stopping && let Some(until) = self.timers.get(InstanceTimer::HandOver) {
            let until = until.min(now + STOP_TIMEOUT);
            self.timers.set(InstanceTimer::HandOver, until);
        }
        if self.state != State::Master {
            return;
        }
        self.send(0, now, out);
        // Longer than any other router waits, even if it does not get the last advert.
        let interval = self.spec.advert_interval;
        let mut wait = timing::master_down(self.spec.version, 1, interval) + interval / 2;
        if stopping {
            wait = wait.min(STOP_TIMEOUT);
        }
        self.announcements.clear(&mut self.timers);
        self.stop_timer();
        self.set_hold_reason(Some(HoldReason::HandingOver));
        self.timers.set(InstanceTimer::HandOver, now + wait);
        self.wants = false;
        if stopping {
            // The next that is notified is the stop.
            self.tell_transition(State::Backup, why, out);
            self.state = State::Backup;
            self.since = now;
        } else {
            self.enter(State::Backup, why, now, out);
        }
    }

    /// From master to backup because another router is master (RFC 9568 section 6.4.3).
    pub(in crate::vrrp) fn yield_to_other(&mut self, now: Instant, out: &mut Vec<Output>) {
        // A last advert: the other router does not know otherwise that there were two, and that the network may believe
        // this one. One that hears a lower advert tells the network again (so does keepalived).
        // But not one that the other would yield to, where this daemon hangs.
        let priority = if self.hangs { 0 } else { self.priority };
        self.send(priority, now, out);
        self.release(out);
        let why = std::mem::take(&mut self.because);
        self.enter(State::Backup, &why, now, out);
        self.listen(now);
    }

    /// After a hand-over to nobody: the addresses go unless this router has become master again.
    pub(in crate::vrrp) fn tidy(&mut self, out: &mut Vec<Output>) {
        if std::mem::take(&mut self.left_over) && self.state != State::Master {
            let text = "no other router has taken over, and this one cannot: the addresses go";
            self.event(true, text.to_owned(), out);
            self.release(out);
        }
    }

    /// While the daemon waits for its end: something that the addresses need has failed, so there is nothing to hand
    /// over.
    pub(in crate::vrrp) fn give_up_if_faulty(&mut self, out: &mut Vec<Output>) {
        if self.is_handing_over() && !self.faults.is_empty() {
            self.release(out);
        }
    }

    /// The end, as far as this instance goes.
    pub(in crate::vrrp) fn finish(&mut self, out: &mut Vec<Output>) {
        if !std::mem::replace(&mut self.stopped, true) {
            if self.hold_reason.is_some() {
                self.release(out);
            }
            self.stop_timer();
            self.wants = false;
            self.notify(Notified::Stop, out);
        }
    }
}
