//! Another router's adverts: as a backup, and as the master.

use std::net::IpAddr;
use std::time::Instant;

use super::data::{Instance, Master};
use crate::vrrp::packet::Advert;
use crate::vrrp::timer::InstanceTimer;
use crate::vrrp::{Output, State};

/// What an advert means for the rest of the sync group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::vrrp) enum AdvertOutcome {
    /// Nothing.
    Ignored,
    /// The other router is, and stays, master.
    Accepted,
    /// This router was master, and yields.
    Beaten,
}

impl Instance {
    /// A good advert of another router. Says what that means for its group.
    pub(in crate::vrrp) fn advert_received(
        &mut self,
        advert: &Advert,
        from: IpAddr,
        now: Instant,
        out: &mut Vec<Output>,
    ) -> AdvertOutcome {
        self.counters.received += 1;
        if advert.priority == 0 {
            self.counters.priority_zero_received += 1;
            self.handed_over = Some((from, now));
        } else if self.is_late(from, now) {
            return AdvertOutcome::Ignored;
        }
        match self.state {
            State::Fault => AdvertOutcome::Ignored,
            State::Backup => match self.received_as_backup(advert, from, now, out) {
                true => AdvertOutcome::Accepted,
                false => AdvertOutcome::Ignored,
            },
            State::Master => match self.received_as_master(advert, from, now, out) {
                true => AdvertOutcome::Beaten,
                false => AdvertOutcome::Ignored,
            },
        }
    }

    /// Whether an advert was overtaken by the one with which its sender handed over. It would undo that: the router
    /// that has taken over would yield to one that is no master any more.
    fn is_late(&self, from: IpAddr, now: Instant) -> bool {
        self.handed_over
            .is_some_and(|(who, at)| who == from && now < at + self.interval() / 4)
    }

    /// RFC 9568 section 6.4.2 (420 and on). Says whether the other router is left to be master.
    fn received_as_backup(
        &mut self,
        advert: &Advert,
        from: IpAddr,
        now: Instant,
        out: &mut Vec<Output>,
    ) -> bool {
        if advert.priority == 0 {
            if self.is_handing_over() {
                return false;
            }
            self.lower_since = None;
            self.start_timer(InstanceTimer::MasterDown, now + self.skew());
            self.listens_again = false;
            self.wants = false;
            return false;
        }
        if self.hold_reason.is_some() {
            self.release(out);
            self.listen(now);
        }
        let lower = advert.priority < self.priority;
        let accept = !lower || !self.may_preempt(advert, from, now);
        self.remember(advert, from);
        let runs = self.timers.get(InstanceTimer::MasterDown).is_some();
        let idle = !runs && !self.wants;
        if accept || idle {
            self.listen(now);
        }
        accept
    }

    /// Whether a master of lower priority is not to be left alone.
    fn may_preempt(&mut self, advert: &Advert, from: IpAddr, now: Instant) -> bool {
        let since = *self.lower_since.get_or_insert(now);
        if self.resigned || self.hangs {
            return false;
        }
        if !self.spec.preempt {
            // It has become worse since it is master: something failed there. It is not the healthy master of lower
            // priority that `nopreempt` is to leave alone (keepalived's users miss this: a weighted tracker never fails
            // over).
            return self
                .master
                .is_some_and(|it| it.addr == from && advert.priority < it.highest);
        }
        now >= since + self.spec.preempt_delay
    }

    fn remember(&mut self, advert: &Advert, from: IpAddr) {
        let before = self.master.filter(|it| it.addr == from);
        if advert.priority >= self.priority {
            self.lower_since = None;
        }
        self.master = Some(Master {
            addr: from,
            priority: advert.priority,
            highest: before.map_or(advert.priority, |it| it.highest.max(advert.priority)),
            interval: advert.interval,
        });
    }

    /// Whether of two masters the other one stays: by priority, then by address (RFC 9568 section 6.4.3 (735)); but
    /// any other if this daemon hangs.
    pub(in crate::vrrp) fn is_beaten_by(&self, advert: &Advert, from: IpAddr) -> bool {
        let tie = advert.priority == self.priority && self.source.is_some_and(|own| from > own);
        advert.priority > self.priority || tie || self.hangs
    }

    /// RFC 9568 section 6.4.3 (700 and on). Says whether the other router is the better master.
    fn received_as_master(
        &mut self,
        advert: &Advert,
        from: IpAddr,
        now: Instant,
        out: &mut Vec<Output>,
    ) -> bool {
        if advert.priority != 0 && self.is_beaten_by(advert, from) {
            self.remember(advert, from);
            self.because = match advert.priority {
                theirs if theirs > self.priority => {
                    format!("{from} is master with the higher priority {theirs}")
                }
                _ => format!("{from} is master with the same priority and the higher address"),
            };
            return true;
        }
        // It learns at once that we are here, and so does whoever believed it. Bounded, whatever is received.
        let interval = self.spec.advert_interval;
        if self.last_sent.is_none_or(|at| now >= at + interval / 8) {
            self.advertise(now, out);
        }
        if advert.priority == 0 {
            return false;
        }
        if self.held && self.disputed.is_none_or(|at| now >= at + interval) {
            self.disputed = Some(now);
            let config = self.spec.announce;
            self.announce(config.lower_priority_repeat, out);
            self.announcements.after_lower(
                config.lower_priority_delay,
                config.lower_priority_repeat,
                now,
                &mut self.timers,
            );
        }
        false
    }
}
