//! Keeps the kernel at what is wanted: decides when to read it and what to change, one step at a time.
//!
//! A pure machine. The driver's loop: tell it what is wanted ([`KernelSync::want`]), ask for the next [`KernelStep`]
//! with [`KernelSync::next`], carry it out, report with [`KernelSync::read_done`] or [`KernelSync::applied`], and ask
//! again; wake at [`KernelSync::poll_at`]. Changes that arrive while a step is under way wait and go out together in
//! the next one. What the kernel refuses waits by itself (`refusals`). Large changes are made in steps (`batch`), and a
//! service whose changes have taken much time waits before the next one (`pace`).

mod batch;
mod damage;
mod delay;
mod pace;
mod presence;
mod refusals;
mod step;
mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use ipnet::IpNet;

pub use self::damage::Damage;
use self::delay::delay;
pub use self::presence::InKernel;
use self::presence::Presence;
use self::refusals::Refusals;
pub use self::step::{ApplyOutcome, KernelStep, RefusedChange};
use self::steps::Steps;
use crate::diff::{apply, diff_rest, diff_subject};
use crate::model::{IpvsTimeouts, ServiceKey};
use crate::state::{Change, ServiceState, State, Subject};
use crate::timers::TimerTable;

/// What is to be compared before the next step.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Dirty {
    Services(BTreeSet<ServiceKey>),
    All,
}

/// When the machine acts by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum SyncTimer {
    /// After a failure; nothing is done before.
    Retry,
    /// After its change was refused; it is not tried before.
    Refused(Subject),
    /// Changes that were put off may be made.
    Later,
    /// The kernel is read unasked. Not running from then on until it has been read.
    Resync,
}

/// What is wanted, what the kernel holds, and the step between the two that is under way.
#[derive(Debug, Clone)]
pub struct KernelSync {
    wanted: State,
    /// What the kernel holds as far as known; `None`: it has to be read.
    actual: Option<State>,
    dirty: Dirty,
    /// Whether what does not belong to one service is to be compared, too.
    rest_dirty: bool,
    steps: Steps,
    refusals: Refusals,
    under_way: Option<KernelStep>,
    /// Someone touched our table while a step was under way.
    stale: bool,
    presence: Presence,
    held: bool,
    failures: u32,
    timers: TimerTable<SyncTimer>,
    resync: Duration,
}

impl KernelSync {
    /// Starts with what was read from the kernel; wants nothing yet, and does nothing until [`Self::release`].
    #[must_use]
    pub fn new(actual: State, resync: Duration, now: Instant) -> Self {
        let mut timers = TimerTable::new();
        timers.set(SyncTimer::Resync, now + resync);
        Self {
            wanted: State::default(),
            presence: Presence::new(actual.services.keys().copied().collect()),
            actual: Some(actual),
            dirty: Dirty::All,
            rest_dirty: false,
            steps: Steps::default(),
            refusals: Refusals::default(),
            under_way: None,
            stale: false,
            held: true,
            failures: 0,
            timers,
            resync,
        }
    }

    /// The data plane changes each slot of a plan: large changes are made in steps.
    pub fn make_steps(&mut self) {
        self.steps = Steps::by_slots();
    }

    /// Everything that is wanted at the start is known: begin.
    pub fn release(&mut self) {
        self.held = false;
    }

    /// Whether [`Self::release`] was not called yet.
    #[must_use]
    pub fn held(&self) -> bool {
        self.held
    }

    /// What a service is to be; `None`: it is to be gone.
    pub fn want(&mut self, key: ServiceKey, service: Option<ServiceState>) {
        match service {
            Some(service) => {
                if self.wanted.services.get(&key) == Some(&service) {
                    return;
                }
                let known = self.wanted.services.insert(key, service).is_some();
                // Nobody was told of it while it was not wanted.
                let changed = !known && self.in_kernel(&key) != InKernel::NotYet;
                self.presence.set_changed(changed);
            }
            None => {
                if self.wanted.services.remove(&key).is_none() {
                    return;
                }
                // To be gone is something else than what was refused.
                self.forget_refusal(&Subject::Service(key));
            }
        }
        if let Dirty::Services(keys) = &mut self.dirty {
            keys.insert(key);
        }
    }

    /// The networks on which clients and servers meet.
    pub fn want_hairpin(&mut self, networks: BTreeSet<IpNet>) {
        if self.wanted.hairpin != networks {
            self.wanted.hairpin = networks;
            self.rest_dirty = true;
        }
    }

    /// The interfaces between which established flows are offloaded (flowtable).
    pub fn want_offload(&mut self, interfaces: BTreeSet<String>) {
        if self.wanted.offload != interfaces {
            self.wanted.offload = interfaces;
            self.rest_dirty = true;
        }
    }

    /// When IPVS is to forget connections.
    pub fn want_timeouts(&mut self, timeouts: IpvsTimeouts) {
        if self.wanted.timeouts != timeouts {
            self.wanted.timeouts = timeouts;
            self.rest_dirty = true;
        }
    }

    /// How often the kernel is read unasked.
    pub fn set_resync(&mut self, resync: Duration, now: Instant) {
        self.resync = resync;
        self.timers.set(SyncTimer::Resync, now + resync);
    }

    /// Whether a step was given out and is not reported yet.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// What the kernel holds; `None` while that is not known or a step is under way.
    #[must_use]
    pub fn held_state(&self) -> Option<&State> {
        self.actual.as_ref().filter(|_| self.under_way.is_none())
    }

    /// What is wanted now.
    #[must_use]
    pub fn wanted(&self) -> &State {
        &self.wanted
    }

    /// Whether the kernel has the rules of a service, as far as known.
    #[must_use]
    pub fn in_kernel(&self, key: &ServiceKey) -> InKernel {
        if self.presence.has(key) {
            InKernel::Yes
        } else if self.failures > 0 || self.refusal(&Subject::Service(*key)).is_some() {
            InKernel::Refused
        } else {
            InKernel::NotYet
        }
    }

    /// Whether [`Self::in_kernel`] may say something else of any service than when this was asked last.
    pub fn take_presence_changed(&mut self) -> bool {
        self.presence.take_changed()
    }

    /// Someone else touched what is ours: it will be read again.
    pub fn mark_stale(&mut self) {
        if self.under_way.is_some() {
            self.stale = true;
        } else {
            self.actual = None;
        }
    }

    /// The next step, if there is one to be taken now and none is under way.
    pub fn next(&mut self, now: Instant) -> Option<KernelStep> {
        if self.held || self.under_way.is_some() {
            return None;
        }
        let mut due = false;
        while let Some(timer) = self.timers.pop(now) {
            match timer {
                SyncTimer::Resync => self.actual = None,
                SyncTimer::Retry | SyncTimer::Later => {}
                SyncTimer::Refused(_) => due = true,
            }
        }
        if due {
            // What stood in its way may have gone.
            self.actual = None;
            for subject in self.refusals.due(now) {
                self.timers.clear(SyncTimer::Refused(subject));
            }
        }
        if self.timers.get(SyncTimer::Retry).is_some() {
            return None;
        }
        if self.actual.is_none() {
            self.under_way = Some(KernelStep::Read);
            return Some(KernelStep::Read);
        }
        let changes = self.changes(now);
        if changes.is_empty() {
            self.succeed();
            return None;
        }
        for change in &changes {
            if let Change::Remove(key) = change {
                self.presence.remove(key);
            }
        }
        let step = KernelStep::Apply(changes);
        self.under_way = Some(step.clone());
        Some(step)
    }

    /// What is to be changed together now: first what nothing stands against, then what is to be tried apart.
    fn changes(&mut self, now: Instant) -> Vec<Change> {
        let Some(actual) = &self.actual else {
            return Vec::new();
        };
        let mut keys = BTreeSet::new();
        match std::mem::replace(&mut self.dirty, Dirty::Services(BTreeSet::new())) {
            Dirty::All => {
                self.rest_dirty = true;
                keys.extend(actual.services.keys().chain(self.wanted.services.keys()));
            }
            Dirty::Services(some) => keys.extend(some),
        }
        keys.extend(self.steps.take_due(now));
        keys.retain(|key| !self.refusals.holds(&Subject::Service(*key)));
        let mut changes = self.steps.next(actual, &self.wanted, keys, now);
        match self.steps.poll_at() {
            Some(at) => self.timers.set(SyncTimer::Later, at),
            None => self.timers.clear(SyncTimer::Later),
        }
        if std::mem::take(&mut self.rest_dirty) {
            let rest = diff_rest(actual, &self.wanted).into_iter();
            changes.extend(rest.filter(|change| !self.refusals.holds(&change.subject())));
        }
        while changes.is_empty()
            && let Some(group) = self.refusals.next_group()
        {
            for subject in group {
                match diff_subject(actual, &self.wanted, subject) {
                    Some(change) => changes.push(change),
                    None => {
                        self.refusals.forget(&subject);
                        self.timers.clear(SyncTimer::Refused(subject));
                    }
                }
            }
        }
        // What is to be gone may have what another one needs.
        changes.sort_by_key(|change| !matches!(change, Change::Remove(_)));
        changes
    }

    /// How long the step under way took: services that have much changed wait before their next change.
    pub fn charge(&mut self, took: Duration, now: Instant) {
        self.steps.charge(took, now);
    }

    /// Nothing is put off any more: the daemon ends.
    pub fn hurry(&mut self) {
        self.steps.hurry();
    }

    /// The kernel was read. Returns the differences from what it should have held, by service: what someone else
    /// changed.
    pub fn read_done(&mut self, read: Option<State>, now: Instant) -> BTreeMap<ServiceKey, Damage> {
        self.under_way = None;
        let stale = std::mem::take(&mut self.stale);
        let Some(read) = read else {
            self.fail(now);
            return BTreeMap::new();
        };
        self.timers.clear(SyncTimer::Retry);
        self.timers.set(SyncTimer::Resync, now + self.resync);
        let damage = damage::damage(&read, &self.wanted, |key| self.is_pending(key));
        self.presence.read(read.services.keys());
        self.dirty = Dirty::All;
        self.actual = if stale { None } else { Some(read) };
        damage
    }

    /// The changes of the last step took effect, or none of them did. Returns what was refused by itself.
    pub fn applied(&mut self, outcome: ApplyOutcome, now: Instant) -> Option<RefusedChange> {
        let step = self.under_way.take();
        let changes = match step {
            Some(KernelStep::Apply(changes)) => changes,
            Some(KernelStep::Read) | None => Vec::new(),
        };
        if std::mem::take(&mut self.stale) {
            self.actual = None;
        }
        if outcome == ApplyOutcome::Done {
            self.succeed();
            self.timers.clear(SyncTimer::Retry);
            self.refusals.taken();
            for change in &changes {
                self.forget_refusal(&change.subject());
                if let Change::Put(key, _) = change {
                    self.presence.add(*key);
                }
            }
            if let Some(actual) = &mut self.actual {
                apply(actual, &changes);
            }
            return None;
        }
        // What the kernel holds may not be what we think.
        self.actual = None;
        self.dirty = Dirty::All;
        let subjects: Vec<Subject> = changes.iter().map(Change::subject).collect();
        match (outcome, subjects.as_slice()) {
            (ApplyOutcome::Refused(why), [subject]) => Some(self.refused(*subject, why, now)),
            (ApplyOutcome::Refused(_), [_, _, ..]) => {
                self.refusals.split(&subjects);
                None
            }
            (ApplyOutcome::Done | ApplyOutcome::Refused(_) | ApplyOutcome::Failed, _) => {
                self.refusals.try_again(&subjects);
                self.fail(now);
                None
            }
        }
    }

    /// A change was refused by itself.
    fn refused(&mut self, subject: Subject, why: String, now: Instant) -> RefusedChange {
        let wait = self.refusals.refuse(subject, why.clone(), now);
        self.presence.set_changed(true);
        self.timers.set(SyncTimer::Refused(subject), now + wait);
        if let Some((waiting, others)) = self.refusals.give_up(now) {
            for (subject, at) in waiting {
                self.timers.set(SyncTimer::Refused(subject), at);
            }
            if others {
                self.fail(now);
            }
        }
        RefusedChange { subject, why, wait }
    }

    fn forget_refusal(&mut self, subject: &Subject) {
        self.refusals.forget(subject);
        self.timers.clear(SyncTimer::Refused(*subject));
    }

    /// Whatever was refused or has failed is tried at once, and its next wait is the shortest: there is a new
    /// configuration.
    pub fn retry(&mut self) {
        self.succeed();
        self.timers.clear(SyncTimer::Retry);
        let waiting = self.refusals.try_all();
        if !waiting.is_empty() {
            // What stood in its way may have gone.
            self.mark_stale();
        }
        for subject in waiting {
            self.timers.clear(SyncTimer::Refused(subject));
        }
    }

    /// Why the kernel does not hold this as it is wanted: its last change was refused.
    #[must_use]
    pub fn refusal(&self, subject: &Subject) -> Option<&str> {
        self.refusals.why(subject)
    }

    /// All that the kernel does not hold as it is wanted since it was refused, and why.
    pub fn refusals(&self) -> impl Iterator<Item = (&Subject, &str)> {
        self.refusals.iter()
    }

    /// When [`Self::next`] may have something to do that it had not before. Later than the `now` of the last
    /// [`Self::next`].
    #[must_use]
    pub fn poll_at(&self) -> Option<Instant> {
        if self.held || self.under_way.is_some() {
            return None;
        }
        self.timers.next()
    }

    /// Whether nothing is left to be done, as far as known, but for what was refused ([`Self::refusals`]) and changes of
    /// services that are made in steps or were put off.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.under_way.is_none()
            && !self.held
            && self.actual.is_some()
            && !self.refusals.has_groups()
            && matches!(&self.dirty, Dirty::Services(keys) if keys.is_empty())
            && !self.rest_dirty
    }

    fn fail(&mut self, now: Instant) {
        if self.failures == 0 {
            self.presence.set_changed(self.misses_services());
        }
        self.timers
            .set(SyncTimer::Retry, now + delay(self.failures));
        self.failures += 1;
    }

    fn succeed(&mut self) {
        if std::mem::take(&mut self.failures) > 0 {
            self.presence.set_changed(self.misses_services());
        }
    }

    /// Whether something of ours is about to change the service.
    fn is_pending(&self, key: &ServiceKey) -> bool {
        match &self.dirty {
            Dirty::All => true,
            Dirty::Services(keys) => {
                keys.contains(key)
                    || self.steps.has(key)
                    || self.refusals.holds(&Subject::Service(*key))
            }
        }
    }

    fn misses_services(&self) -> bool {
        let mut wanted = self.wanted.services.keys();
        wanted.any(|key| !self.presence.has(key))
    }
}

#[cfg(test)]
mod tests;
