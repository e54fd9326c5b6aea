//! What a router says: adverts, and announcements of its addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use super::data::Instance;
use crate::model::Family;
use crate::vrrp::Output;
use crate::vrrp::packet::{Advert, Authentication};
use crate::vrrp::timer::InstanceTimer;

/// Where multicast adverts go (RFC 9568 sections 5.1.1.2 and 5.1.2.2).
const GROUP_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18));
const GROUP_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12));

impl Instance {
    /// Sends an advert, if there is an address to send it from.
    pub(super) fn send(&mut self, priority: u8, now: Instant, out: &mut Vec<Output>) {
        let Some(source) = self.source else { return };
        let authentication = self
            .spec
            .password
            .map_or(Authentication::None, Authentication::Text);
        let advert = Advert {
            version: self.spec.version,
            router_id: self.spec.router_id,
            priority,
            interval: self.spec.advert_interval,
            addresses: self.advertised().collect(),
            authentication,
        };
        let destination = match (self.spec.peers.first(), self.spec.family) {
            (Some(peer), _) => *peer,
            (None, Family::V4) => GROUP_V4,
            (None, Family::V6) => GROUP_V6,
        };
        // The checksum may cover the destination, so that each peer gets an advert of its own.
        let more = self.spec.peers.get(1..).unwrap_or_default().iter().copied();
        let encode = |to| (to, advert.encode(source, to, self.spec.checksum));
        out.push(Output::Send {
            instance: self.spec.name.clone(),
            source,
            messages: std::iter::once(destination)
                .chain(more)
                .map(encode)
                .collect(),
        });
        self.last_sent = Some(now);
        self.counters.sent += 1;
        if priority == 0 {
            self.counters.priority_zero_sent += 1;
        }
    }

    pub(in crate::vrrp) fn advertised(&self) -> impl Iterator<Item = IpAddr> {
        let addresses = self.spec.addresses.iter();
        addresses.filter(|it| it.advertised).map(|it| it.addr)
    }

    /// Whether some of its virtual addresses are on an interface.
    pub(in crate::vrrp) fn has_address_on(&self, interface: &str) -> bool {
        let virtual_mac = self.spec.virtual_mac.as_deref();
        let mut addresses = self.spec.addresses.iter();
        virtual_mac == Some(interface) || addresses.any(|it| it.interface == interface)
    }

    pub(super) fn advertise(&mut self, now: Instant, out: &mut Vec<Output>) {
        self.send(self.priority, now, out);
        let next = now + self.spec.advert_interval;
        self.start_timer(InstanceTimer::Advert, next);
    }

    pub(super) fn announce(&self, rounds: u32, out: &mut Vec<Output>) {
        if rounds > 0 {
            out.push(Output::Announce {
                instance: self.spec.name.clone(),
                rounds,
            });
        }
    }
}
