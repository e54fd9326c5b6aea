//! What changes around an instance: interfaces, trackers, its configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::data::Instance;
use crate::model::{Track, VrrpInstance};
use crate::vrrp::announce::AnnounceSchedule;
use crate::vrrp::timer::InstanceTimer;
use crate::vrrp::tracking::{Facts, Observations, Subject};
use crate::vrrp::{Output, State};

impl Instance {
    /// Takes in what interfaces, its socket and what it tracks make of it.
    pub(in crate::vrrp) fn judge(
        &mut self,
        observed: &Observations,
        tracks: &BTreeSet<Track>,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        // One that is in fault, or begins, waits until all is known.
        let active = self.notified && self.state != State::Fault;
        let facts = observed.judge(&Subject {
            spec: &self.spec,
            tracks,
            hearing: self.hearing.as_ref(),
            tolerates: &|what| active && self.unknown.get(what).is_none_or(|until| now < *until),
        });
        self.set_facts(facts, now, out);
    }

    /// Whether it has to be judged again because something is not known for too long. Said once.
    pub(in crate::vrrp) fn take_unknown_too_long(&mut self) -> bool {
        std::mem::take(&mut self.unknown_too_long)
    }

    fn set_unknown(&mut self, unknown: BTreeMap<String, Duration>, now: Instant) {
        let active = self.notified && self.state != State::Fault;
        self.unknown.retain(|what, _| unknown.contains_key(what));
        for (what, limit) in unknown {
            // What was unknown from the beginning has had its time.
            let limit = if active { limit } else { Duration::ZERO };
            self.unknown.entry(what).or_insert(now + limit);
        }
        let waiting = self.unknown.values().filter(|until| now < **until);
        match waiting.min() {
            Some(until) => self.timers.set(InstanceTimer::Unknown, *until),
            None => self.timers.clear(InstanceTimer::Unknown),
        }
    }

    fn set_facts(&mut self, facts: Facts, now: Instant, out: &mut Vec<Output>) {
        let Facts {
            source,
            priority,
            faults,
            reasons,
            unknown,
        } = facts;
        self.set_unknown(unknown, now);
        self.source = source;
        self.faults = faults;
        self.reasons = reasons;
        if std::mem::replace(&mut self.priority, priority) != priority {
            let why = match self.reasons.join(", ") {
                why if why.is_empty() => "as configured".to_owned(),
                why => why,
            };
            self.event(false, format!("priority {priority}: {why}"), out);
            if self.state == State::Master {
                self.advertise(now, out);
            }
        }
    }

    /// A new configuration of the same router.
    pub(in crate::vrrp) fn reconfigure(
        &mut self,
        spec: &VrrpInstance,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
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
        let other_adverts = other_addresses
            || self.spec.advert_interval != spec.advert_interval
            || self.spec.password != spec.password
            || self.spec.peers != spec.peers
            || self.spec.checksum != spec.checksum;
        let refresh = spec.announce.refresh;
        let announces = self.state == State::Master && self.held;
        if announces && self.spec.announce.refresh != refresh {
            AnnounceSchedule::set_refresh(refresh, now, &mut self.timers);
        }
        self.spec = spec.clone();
        if self.state == State::Master && other_adverts {
            self.advertise(now, out);
        }
        if other_addresses && (self.state == State::Master || self.hold_reason.is_some()) {
            out.push(Output::Hold {
                instance: self.spec.name.clone(),
            });
        }
    }
}
