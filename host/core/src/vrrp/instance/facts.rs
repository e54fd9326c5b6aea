//! What changes around an instance: interfaces, trackers, its configuration.

use std::time::Instant;

use super::data::Instance;
use crate::model::VrrpInstance;
use crate::vrrp::announce::AnnounceSchedule;
use crate::vrrp::tracking::Facts;
use crate::vrrp::{Output, State};

impl Instance {
    /// Takes in what interfaces and trackers make of it.
    pub(in crate::vrrp) fn set_facts(&mut self, facts: Facts, now: Instant, out: &mut Vec<Output>) {
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
