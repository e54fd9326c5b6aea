//! What is known of one virtual router, and what follows from it alone.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::model::{VrrpInstance, VrrpVersion};
use crate::vrrp::announce::AnnounceSchedule;
use crate::vrrp::mismatch::{MismatchKind, Mismatches};
use crate::vrrp::timer::{InstanceTimer, InstanceTimers};
use crate::vrrp::tracking::UNKNOWN_LIMIT;
use crate::vrrp::{Counters, Event, InstanceReport, Notified, Output, State, timing};

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

/// Why the addresses are here although this router is not master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HoldReason {
    /// An earlier daemon left them, and no master has been heard yet.
    Found,
    /// Until another router is master, or until [`InstanceTimer::HandOver`] expires.
    HandingOver,
}

#[derive(Debug)]
pub(in crate::vrrp) struct Instance {
    pub(in crate::vrrp) spec: VrrpInstance,
    pub(in crate::vrrp) state: State,
    pub(super) since: Instant,
    pub(super) timers: InstanceTimers,
    /// The master-down timer has expired, and what else it takes to be master is awaited.
    pub(in crate::vrrp) wants: bool,
    /// Why it wants to be master, or is about to yield.
    pub(in crate::vrrp) because: String,
    /// Since when it waits for a master's silence.
    pub(super) listening_since: Instant,
    /// As trackers make it.
    pub(super) priority: u8,
    pub(in crate::vrrp) faults: Vec<String>,
    /// Whether its adverts can be received, and why not; `None`: not known yet.
    pub(in crate::vrrp) hearing: Option<Result<(), String>>,
    /// What is not known yet, and until when that changes nothing.
    pub(super) unknown: BTreeMap<String, Instant>,
    /// That time is over for something: it is to be judged again.
    pub(super) unknown_too_long: bool,
    pub(super) reasons: Vec<String>,
    pub(super) source: Option<IpAddr>,
    pub(super) master: Option<Master>,
    /// Since when a master of lower priority has been heard; what `preempt_delay` counts from.
    pub(super) lower_since: Option<Instant>,
    pub(in crate::vrrp) resigned: bool,
    /// The daemon's main loop does not move: any other router is the better master.
    pub(in crate::vrrp) hangs: bool,
    pub(super) hold_reason: Option<HoldReason>,
    /// A hand-over has ended without another master: it is to be seen whether the addresses stay.
    pub(super) left_over: bool,
    /// This router was not run for so long that adverts may have been missed, and listens once more.
    pub(super) listens_again: bool,
    /// The address manager has put the addresses in place.
    pub(super) held: bool,
    pub(super) announcements: AnnounceSchedule,
    pub(super) last_sent: Option<Instant>,
    /// Who handed over last, and when.
    pub(super) handed_over: Option<(IpAddr, Instant)>,
    /// When the network was told again because another master was heard.
    pub(super) disputed: Option<Instant>,
    pub(super) mismatches: Mismatches,
    pub(in crate::vrrp) counters: Counters,
    /// The daemon ends, and this instance is done.
    pub(in crate::vrrp) stopped: bool,
    /// Whether a state of it was notified since it was configured.
    pub(super) notified: bool,
}

impl Instance {
    pub(in crate::vrrp) fn new(spec: &VrrpInstance, now: Instant) -> Self {
        let mut timers = InstanceTimers::new();
        timers.set(InstanceTimer::Startup, now + UNKNOWN_LIMIT);
        Self {
            priority: spec.priority,
            spec: spec.clone(),
            state: State::Fault,
            since: now,
            timers,
            wants: false,
            because: String::new(),
            listening_since: now,
            faults: Vec::new(),
            hearing: None,
            unknown: BTreeMap::new(),
            unknown_too_long: false,
            reasons: Vec::new(),
            source: None,
            master: None,
            lower_since: None,
            resigned: false,
            hangs: false,
            hold_reason: None,
            left_over: false,
            listens_again: false,
            held: false,
            announcements: AnnounceSchedule::default(),
            last_sent: None,
            handed_over: None,
            disputed: None,
            mismatches: Mismatches::default(),
            counters: Counters::default(),
            stopped: false,
            notified: false,
        }
    }

    /// For how long it has been in its state.
    pub(in crate::vrrp) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }

    pub(in crate::vrrp) fn priority(&self) -> u8 {
        self.priority
    }

    pub(in crate::vrrp) fn source(&self) -> Option<IpAddr> {
        self.source
    }

    /// Whether no state of it was notified yet, because not everything that it needs is known. `begun`: the data plane
    /// is ready; before, that may take any time.
    pub(in crate::vrrp) fn is_beginning(&self, begun: bool, now: Instant) -> bool {
        let waited = begun && self.age(now) >= UNKNOWN_LIMIT;
        !self.notified && !waited
    }

    /// Whether a state of it was notified.
    pub(in crate::vrrp) fn is_notified(&self) -> bool {
        self.notified
    }

    /// Whether the addresses are still here while the daemon waits for its end.
    pub(in crate::vrrp) fn is_handing_over(&self) -> bool {
        self.hold_reason == Some(HoldReason::HandingOver)
    }

    /// When [`Self::poll`] is to be called.
    pub(in crate::vrrp) fn poll_at(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Starts the timer of the state that the instance is in, or enters, and stops those of the other states.
    pub(super) fn start_timer(&mut self, timer: InstanceTimer, at: Instant) {
        self.stop_timer();
        self.timers.set(timer, at);
    }

    /// Stops the timer of the state, whichever it is.
    pub(super) fn stop_timer(&mut self) {
        self.timers.clear(InstanceTimer::Startup);
        self.timers.clear(InstanceTimer::MasterDown);
        self.timers.clear(InstanceTimer::Advert);
    }

    /// The interval that timers are made of: in version 3 the master's, once it has been heard (RFC 9568 section 6.1,
    /// `Active_Adver_Interval`).
    pub(super) fn interval(&self) -> Duration {
        match (self.spec.version, self.master) {
            (VrrpVersion::V3, Some(master)) => master.interval,
            _ => self.spec.advert_interval,
        }
    }

    pub(super) fn skew(&self) -> Duration {
        timing::skew(self.spec.version, self.priority, self.interval())
    }

    /// Begins to wait for a master's silence.
    pub(super) fn listen(&mut self, now: Instant) {
        let wait = match self.hold_reason {
            // Addresses that an earlier daemon left are served as long as nobody else does: a master would be heard
            // within its interval.
            Some(HoldReason::Found) => self.interval() + self.skew(),
            Some(HoldReason::HandingOver) | None => {
                timing::master_down(self.spec.version, self.priority, self.interval())
            }
        };
        self.start_timer(InstanceTimer::MasterDown, now + wait);
        self.listening_since = now;
        self.listens_again = false;
        self.wants = false;
    }

    /// The addresses are here for this reason, or only as the master's.
    pub(super) fn set_hold_reason(&mut self, reason: Option<HoldReason>) {
        self.hold_reason = reason;
        if reason != Some(HoldReason::HandingOver) {
            self.timers.clear(InstanceTimer::HandOver);
        }
    }

    /// Notes what does not fit about an advert. Says what is to be logged, if it is news. `memory` and `after` are
    /// those of
    /// [`Mismatches::note`].
    pub(in crate::vrrp) fn note_mismatch(
        &mut self,
        from: IpAddr,
        kind: MismatchKind,
        now: Instant,
        (memory, after): (Duration, Duration),
        text: impl FnOnce() -> String,
    ) -> Option<String> {
        let news = self.mismatches.note(from, kind, now, (memory, after), text);
        self.await_mismatch();
        news
    }

    /// Of these kinds, nothing is wrong about another router's adverts any more.
    pub(in crate::vrrp) fn clear_mismatches(&mut self, from: IpAddr, kinds: &[MismatchKind]) {
        self.mismatches.clear(from, kinds);
    }

    pub(super) fn await_mismatch(&mut self) {
        match self.mismatches.next_expiry() {
            Some(at) => self.timers.set(InstanceTimer::Mismatch, at),
            None => self.timers.clear(InstanceTimer::Mismatch),
        }
    }

    pub(super) fn event(&self, warning: bool, text: String, out: &mut Vec<Output>) {
        out.push(Output::Event(Event {
            instance: self.spec.name.clone(),
            warning,
            text,
        }));
    }

    pub(super) fn notify(&self, state: Notified, out: &mut Vec<Output>) {
        out.push(Output::Notify {
            group: false,
            name: self.spec.name.clone(),
            state,
            priority: self.priority,
        });
    }

    pub(in crate::vrrp) fn report(&self, now: Instant) -> InstanceReport {
        let mut reasons = self.faults.clone();
        reasons.extend(self.reasons.iter().cloned());
        InstanceReport {
            name: self.spec.name.clone(),
            state: self.state,
            since: self.age(now),
            holding: self.state == State::Master || self.hold_reason.is_some(),
            resigned: self.resigned,
            priority: self.priority,
            master: self.master.map(|it| (it.addr, it.priority)),
            reasons,
            problems: self.mismatches.texts(),
            counters: self.counters,
        }
    }
}
