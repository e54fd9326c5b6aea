//! One virtual router: the state machine of RFC 9568 section 6.4 (RFC 3768 section 6.4 for version 2).

mod hear;
mod send;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::announce::Schedule;
use super::mismatch::Mismatches;
use super::tracking::Facts;
use super::{Counters, Event, InstanceReport, Notified, Output, State, timing};
use crate::model::{VrrpInstance, VrrpVersion};

/// The most that a hand-over at the daemon's end may take.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// So long a new router may wait to hear of its interfaces and of what it tracks, before that is a fault.
const GRACE: Duration = Duration::from_secs(2);
/// What a router that was in fault waits at least: an interface says that it is up before the switch behind it forwards, and the
/// Linux bridge, for one, takes up to a second.
const LINK_SETTLES: Duration = Duration::from_secs(1);
/// Another router that is master.
#[derive(Debug, Clone, Copy)]
pub(super) struct Master {
    pub(super) addr: IpAddr,
    pub(super) priority: u8,
    /// The highest priority that it has had while it was heard.
    pub(super) highest: u8,
    /// Between its adverts; what version 3 makes its timers of.
    pub(super) interval: Duration,
}

/// What an advert means for the rest of the sync group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing.
    Nothing,
    /// The other router is, and stays, master.
    Followed,
    /// This router was master, and yields.
    Beaten,
}

/// Why the addresses are here although this router is not master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// An earlier daemon left them, and no master has been heard yet.
    Found,
    /// Until another router is master, or until then.
    HandingOver(Instant),
}

#[derive(Debug)]
pub(super) struct Instance {
    pub(super) spec: VrrpInstance,
    pub(super) state: State,
    since: Instant,
    /// Backup: when the master counts as gone. Master: the next advert.
    timer: Option<Instant>,
    /// The timer has run out, and what else it takes to be master is awaited.
    pub(super) wants: bool,
    /// As trackers make it.
    priority: u8,
    pub(super) faults: Vec<String>,
    reasons: Vec<String>,
    source: Option<IpAddr>,
    master: Option<Master>,
    /// Since when a master of lower priority has been heard; what `preempt_delay` counts from.
    lower_since: Option<Instant>,
    pub(super) resigned: bool,
    kept: Option<Kept>,
    /// It is to be seen whether they stay.
    left_over: bool,
    /// The keeper has put the addresses in place.
    held: bool,
    schedule: Schedule,
    last_sent: Option<Instant>,
    /// Who handed over last, and when.
    left: Option<(IpAddr, Instant)>,
    /// When the network was told again because another master was heard.
    disputed: Option<Instant>,
    pub(super) mismatches: Mismatches,
    pub(super) counters: Counters,
    /// The daemon ends, and this instance is done.
    pub(super) stopped: bool,
    /// Never announced a state yet.
    untold: bool,
}

impl Instance {
    pub(super) fn new(spec: &VrrpInstance, now: Instant) -> Self {
        Self {
            priority: spec.priority,
            spec: spec.clone(),
            state: State::Fault,
            since: now,
            timer: Some(now + GRACE),
            wants: false,
            faults: Vec::new(),
            reasons: Vec::new(),
            source: None,
            master: None,
            lower_since: None,
            resigned: false,
            kept: None,
            left_over: false,
            held: false,
            schedule: Schedule::default(),
            last_sent: None,
            left: None,
            disputed: None,
            mismatches: Mismatches::default(),
            counters: Counters::default(),
            stopped: false,
            untold: true,
        }
    }

    /// For how long it has been in its state.
    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }

    pub(super) fn priority(&self) -> u8 {
        self.priority
    }

    pub(super) fn source(&self) -> Option<IpAddr> {
        self.source
    }

    /// Whether its state was never told, because not everything that it needs is known yet. `begun`: before, it may take any time.
    pub(super) fn is_beginning(&self, begun: bool, now: Instant) -> bool {
        self.untold && !(begun && self.age(now) >= GRACE)
    }

    /// Whether a state of it was told.
    pub(super) fn is_told(&self) -> bool {
        !self.untold
    }

    /// Whether another router's adverts are for this one.
    pub(super) fn same_router(&self, other: &VrrpInstance) -> bool {
        let key = |it: &VrrpInstance| {
            (
                it.name.clone(),
                it.interface.clone(),
                it.family,
                it.router_id,
                it.version,
            )
        };
        key(&self.spec) == key(other)
    }

    pub(super) fn poll_at(&self) -> Option<Instant> {
        let until = match self.kept {
            Some(Kept::HandingOver(until)) => Some(until),
            Some(Kept::Found) | None => None,
        };
        [
            self.timer,
            until,
            self.schedule.poll_at(),
            self.mismatches.poll_at(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The interval that timers are made of: in version 3 the master's, once it has been heard (RFC 9568 section 6.1,
    /// `Active_Adver_Interval`).
    fn interval(&self) -> Duration {
        match (self.spec.version, self.master) {
            (VrrpVersion::V3, Some(master)) => master.interval,
            _ => self.spec.advert_interval,
        }
    }

    fn down_time(&self) -> Duration {
        timing::master_down(self.spec.version, self.priority, self.interval())
    }

    fn skew(&self) -> Duration {
        timing::skew(self.spec.version, self.priority, self.interval())
    }

    /// Begins to wait for a master's silence.
    fn listen(&mut self, now: Instant) {
        let wait = match self.kept {
            // Addresses that an earlier daemon left are served as long as nobody else does: a master would be heard within
            // its interval.
            Some(Kept::Found) => self.interval() + self.skew(),
            Some(Kept::HandingOver(_)) | None => self.down_time(),
        };
        self.timer = Some(now + wait);
        self.wants = false;
    }

    fn event(&self, warning: bool, text: String, out: &mut Vec<Output>) {
        out.push(Output::Event(Event {
            instance: self.spec.name.clone(),
            warning,
            text,
        }));
    }

    fn enter(&mut self, state: State, now: Instant, out: &mut Vec<Output>) {
        self.state = state;
        self.since = now;
        self.untold = false;
        let state = match state {
            State::Backup => Notified::Backup,
            State::Master => Notified::Master,
            State::Fault => Notified::Fault,
        };
        self.notify(state, out);
    }

    fn notify(&self, state: Notified, out: &mut Vec<Output>) {
        out.push(Output::Notify {
            group: false,
            name: self.spec.name.clone(),
            state,
            priority: self.priority,
        });
    }

    /// Takes in what interfaces and trackers make of it.
    pub(super) fn set_facts(&mut self, facts: Facts, now: Instant, out: &mut Vec<Output>) {
        let Facts {
            source,
            priority,
            faults,
            reasons,
        } = facts;
        self.source = source;
        self.faults = faults;
        self.reasons = reasons;
        if std::mem::replace(&mut self.priority, priority) != priority {
            self.event(false, format!("priority {priority}"), out);
            if self.state == State::Master {
                self.advertise(now, out);
            }
        }
    }

    /// The addresses are here from before.
    pub(super) fn found(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.state == State::Master || self.kept.is_some() {
            return;
        }
        if self.state == State::Fault && !self.untold {
            self.let_go(out);
            return;
        }
        let text = "its addresses are here already, from before this daemon; they stay unless another master is heard";
        self.event(false, text.to_owned(), out);
        self.kept = Some(Kept::Found);
        if self.state == State::Backup && self.master.is_some() {
            self.let_go(out);
        } else if self.state == State::Backup {
            self.listen(now);
        }
    }

    fn let_go(&mut self, out: &mut Vec<Output>) {
        self.kept = None;
        self.held = false;
        self.schedule.clear();
        out.push(Output::Release {
            instance: self.spec.name.clone(),
        });
    }

    /// Out of fault, or newly configured.
    pub(super) fn recover(&mut self, now: Instant, out: &mut Vec<Output>) {
        self.master = None;
        self.lower_since = None;
        let was_told = !self.untold;
        self.enter(State::Backup, now, out);
        self.listen(now);
        if was_told {
            self.timer = self.timer.max(Some(now + LINK_SETTLES));
        }
        if self.priority == 255 && !self.resigned {
            // RFC 9568 section 6.4.1: the owner is master at once.
            self.timer = None;
            self.wants = true;
        }
    }

    /// Something that it needs has failed. `begun`: before, what is not known yet counts as failed, but is not worth a word.
    pub(super) fn fail(&mut self, why: &str, begun: bool, now: Instant, out: &mut Vec<Output>) {
        let told = self.state == State::Fault && !self.untold;
        if told || self.is_beginning(begun, now) {
            return;
        }
        if self.state == State::Master {
            self.send(0, now, out);
        }
        let left_over = std::mem::take(&mut self.left_over);
        if self.state == State::Master || self.kept.is_some() || left_over {
            self.let_go(out);
        }
        self.timer = None;
        self.wants = false;
        self.master = None;
        self.event(true, format!("in fault: {why}"), out);
        self.enter(State::Fault, now, out);
    }

    pub(super) fn become_master(&mut self, now: Instant, out: &mut Vec<Output>) {
        self.wants = false;
        self.kept = None;
        self.master = None;
        self.lower_since = None;
        self.counters.became_master += 1;
        self.advertise(now, out);
        out.push(Output::Hold {
            instance: self.spec.name.clone(),
        });
        self.event(false, format!("master, priority {}", self.priority), out);
        self.enter(State::Master, now, out);
    }

    /// The addresses are in place: the network is told.
    pub(super) fn held(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.state != State::Master {
            return;
        }
        self.held = true;
        let announce = self.spec.announce;
        self.announce(announce.repeat, out);
        self.schedule
            .begin(announce.delay, announce.repeat, announce.refresh, now);
    }

    /// A new configuration of the same router.
    pub(super) fn reconfigure(&mut self, spec: &VrrpInstance, now: Instant, out: &mut Vec<Output>) {
        let moved = |it: &VrrpInstance| {
            (
                it.addresses.clone(),
                it.routes.clone(),
                it.rules.clone(),
                it.virtual_mac.clone(),
                it.address_lifetime,
            )
        };
        let other_addresses = moved(&self.spec) != moved(spec);
        let told_otherwise = other_addresses
            || self.spec.advert_interval != spec.advert_interval
            || self.spec.password != spec.password
            || self.spec.peers != spec.peers
            || self.spec.checksum != spec.checksum;
        let refresh = spec.announce.refresh;
        if self.held && self.spec.announce.refresh != refresh {
            self.schedule.set_refresh(refresh, now);
        }
        self.spec = spec.clone();
        if self.state == State::Master && told_otherwise {
            self.advertise(now, out);
        }
        if other_addresses && (self.state == State::Master || self.kept.is_some()) {
            out.push(Output::Hold {
                instance: self.spec.name.clone(),
            });
        }
    }

    /// No longer configured.
    pub(super) fn leave(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.state == State::Master {
            self.send(0, now, out);
        }
        if self.state == State::Master || self.kept.is_some() {
            self.let_go(out);
        }
    }

    /// From master to backup because the group does so, or an operator wants it: the addresses stay until another is master.
    pub(super) fn hand_over(&mut self, now: Instant, stopping: bool, out: &mut Vec<Output>) {
        if let Some(Kept::HandingOver(until)) = &mut self.kept
            && stopping
        {
            *until = (*until).min(now + STOP_LIMIT);
        }
        if self.state != State::Master {
            return;
        }
        self.send(0, now, out);
        // Longer than any other router waits, even if it does not get the last advert.
        let interval = self.spec.advert_interval;
        let mut wait = timing::master_down(self.spec.version, 1, interval) + interval / 2;
        if stopping {
            wait = wait.min(STOP_LIMIT);
        }
        self.schedule.clear();
        self.kept = Some(Kept::HandingOver(now + wait));
        self.timer = None;
        self.wants = false;
        if stopping {
            // The next that is told is the stop.
            self.state = State::Backup;
            self.since = now;
        } else {
            self.enter(State::Backup, now, out);
        }
    }

    /// From master to backup because another router is master.
    pub(super) fn yield_to_other(&mut self, now: Instant, out: &mut Vec<Output>) {
        // A last advert: the other router does not know otherwise that there were two, and that the network may believe this one.
        // One that hears a lower advert tells the network again (so does keepalived).
        self.send(self.priority, now, out);
        self.let_go(out);
        self.enter(State::Backup, now, out);
        self.listen(now);
    }

    /// What is due. `stopping`: the daemon ends.
    pub(super) fn poll(&mut self, now: Instant, stopping: bool, out: &mut Vec<Output>) {
        self.mismatches.expire(now);
        if self.timer.is_some_and(|at| at <= now) {
            match self.state {
                State::Master => {
                    // From the time that it was due at, so that delays do not add up.
                    let due = self.timer.unwrap_or(now) + self.spec.advert_interval;
                    self.send(self.priority, now, out);
                    self.timer = Some(if due > now {
                        due
                    } else {
                        now + self.spec.advert_interval
                    });
                }
                State::Backup => {
                    self.timer = None;
                    self.wants = true;
                }
                State::Fault => self.timer = None,
            }
        }
        if let Some(Kept::HandingOver(until)) = self.kept
            && until <= now
        {
            if stopping {
                self.event(
                    true,
                    "no other router has taken over; the addresses go all the same".to_owned(),
                    out,
                );
                self.let_go(out);
            } else {
                self.event(true, "no other router has taken over".to_owned(), out);
                self.kept = None;
                self.left_over = true;
                self.wants = true;
            }
        }
        if self.state == State::Master && self.held {
            for rounds in self.schedule.due(now, &self.spec.announce) {
                self.announce(rounds, out);
            }
        }
    }

    /// After a hand-over to nobody: the addresses go unless this router has become master again.
    pub(super) fn tidy(&mut self, out: &mut Vec<Output>) {
        if std::mem::take(&mut self.left_over) && self.state != State::Master {
            self.let_go(out);
        }
    }

    /// Whether the addresses are still here while the daemon waits for its end.
    pub(super) fn is_handing_over(&self) -> bool {
        matches!(self.kept, Some(Kept::HandingOver(_)))
    }

    /// While the daemon waits for its end: something that the addresses need has failed, so there is nothing to hand over.
    pub(super) fn give_up_if_faulty(&mut self, out: &mut Vec<Output>) {
        if self.is_handing_over() && !self.faults.is_empty() {
            self.let_go(out);
        }
    }

    /// The end, as far as this instance goes.
    pub(super) fn finish(&mut self, out: &mut Vec<Output>) {
        if !std::mem::replace(&mut self.stopped, true) {
            if self.kept.is_some() {
                self.let_go(out);
            }
            self.timer = None;
            self.wants = false;
            self.notify(Notified::Stop, out);
        }
    }

    pub(super) fn report(&self, now: Instant) -> InstanceReport {
        let mut reasons = self.faults.clone();
        reasons.extend(self.reasons.iter().cloned());
        InstanceReport {
            name: self.spec.name.clone(),
            state: self.state,
            since: self.age(now),
            holding: self.state == State::Master || self.kept.is_some(),
            resigned: self.resigned,
            priority: self.priority,
            master: self.master.map(|it| (it.addr, it.priority)),
            reasons,
            problems: self.mismatches.texts(),
            counters: self.counters,
        }
    }
}
