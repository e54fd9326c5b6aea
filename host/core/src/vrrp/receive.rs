//! A packet on its way to an instance: whether it is for it, whether it is good, and what about it does not fit.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::instance::{AdvertOutcome, Instance};
use super::mismatch::MismatchKind;
use super::packet::{self, Advert, Authentication, DecodeError};
use super::{Event, Output, State};
use crate::model::{Family, VrrpVersion};

/// A packet of protocol 112.
pub(super) struct Packet<'a> {
    pub(super) interface: &'a str,
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) ttl: u8,
    pub(super) payload: &'a [u8],
}

/// How long a mismatch is remembered although it is not heard, at least.
const MEMORY: Duration = Duration::from_secs(3);

/// Whether a packet is for an instance.
pub(super) fn is_for(instance: &Instance, packet: &Packet<'_>) -> bool {
    let spec = &instance.spec;
    spec.interface == packet.interface
        && spec.family == Family::of(packet.source)
        // Too short to tell: counted, at least.
        && packet::router_id(packet.payload).is_none_or(|id| id == spec.router_id)
        && instance.source() != Some(packet.source)
}

/// Hands a packet to an instance that it is for.
pub(super) fn receive(
    instance: &mut Instance,
    packet: &Packet<'_>,
    now: Instant,
    out: &mut Vec<Output>,
) -> AdvertOutcome {
    let mut check = AdvertCheck {
        instance,
        from: packet.source,
        now,
        heard_every: None,
        out,
    };
    let Some(advert) = check.good(packet) else {
        return AdvertOutcome::Ignored;
    };
    check.compare(&advert);
    instance.advert_received(&advert, packet.source, now, out)
}

struct AdvertCheck<'a> {
    instance: &'a mut Instance,
    from: IpAddr,
    now: Instant,
    /// The sender's interval.
    heard_every: Option<Duration>,
    out: &'a mut Vec<Output>,
}

impl AdvertCheck<'_> {
    fn report(&mut self, kind: MismatchKind, text: impl FnOnce() -> String) {
        self.report_after(kind, Duration::ZERO, text);
    }

    fn report_after(&mut self, kind: MismatchKind, after: Duration, text: impl FnOnce() -> String) {
        let every = self.heard_every.unwrap_or_default();
        let every = every.max(self.instance.spec.advert_interval);
        let memory = (every * 4).max(MEMORY);
        let news = self
            .instance
            .note_mismatch(self.from, kind, self.now, (memory, after), text);
        if let Some(text) = news {
            self.out.push(Output::Event(Event {
                instance: self.instance.spec.name.clone(),
                warning: kind != MismatchKind::Equal,
                text,
            }));
        }
    }

    fn fits(&mut self, kinds: &[MismatchKind]) {
        self.instance.clear_mismatches(self.from, kinds);
    }

    /// The advert, unless it has to be dropped.
    fn good(&mut self, packet: &Packet<'_>) -> Option<Advert> {
        let from = self.from;
        let (multicast, known_peer) = {
            let peers = &self.instance.spec.peers;
            (peers.is_empty(), peers.is_empty() || peers.contains(&from))
        };
        if !known_peer {
            self.instance.counters.unknown_peers += 1;
            self.report(MismatchKind::Unknown, || {
                format!("{from} sends adverts but is none of our peers: dropped; add it to `peers` here, or give it another router_id")
            });
            return None;
        }
        // RFC 9568 section 5.1.1.3. Unicast peers may be some hops away.
        if multicast && packet.ttl != 255 {
            self.instance.counters.ttl_errors += 1;
            self.report(MismatchKind::Ttl, || {
                format!("{from} sends adverts with TTL {} instead of 255: dropped; they come from another network, or a router is set up wrongly", packet.ttl)
            });
            return None;
        }
        let advert = match Advert::decode(packet.payload, from, packet.destination) {
            Ok(advert) => advert,
            Err(error) => {
                self.bad(error);
                return None;
            }
        };
        let ours = self.instance.spec.version;
        if advert.version != ours {
            self.instance.counters.version_errors += 1;
            let theirs = advert.version;
            self.report(MismatchKind::Version, || {
                format!("{from} speaks VRRP version {theirs}, and we version {ours}: dropped, so both may become master; set the same version on both")
            });
            return None;
        }
        self.heard_every = Some(advert.interval);
        self.fits(&[
            MismatchKind::Ttl,
            MismatchKind::Version,
            MismatchKind::Checksum,
            MismatchKind::Malformed,
        ]);
        (self.authentic(&advert) && self.timely(&advert)).then_some(advert)
    }

    fn bad(&mut self, error: DecodeError) {
        let from = self.from;
        let ours = self.instance.spec.version;
        let counters = &mut self.instance.counters;
        match error {
            DecodeError::Malformed => {
                counters.malformed += 1;
                self.report(MismatchKind::Malformed, || {
                    format!("{from} sends adverts that are malformed: dropped")
                });
            }
            DecodeError::Version(theirs) => {
                counters.version_errors += 1;
                self.report(MismatchKind::Version, || {
                    format!("{from} speaks VRRP version {theirs}, and we version {ours}: dropped, so both may become master; set the same version on both")
                });
            }
            DecodeError::Checksum => {
                counters.checksum_errors += 1;
                self.report(MismatchKind::Checksum, || {
                    format!("{from} sends adverts with a wrong checksum: dropped")
                });
            }
        }
    }

    /// RFC 2338 section 5.3.6, for version 2.
    fn authentic(&mut self, advert: &Advert) -> bool {
        if advert.version == VrrpVersion::V3 {
            return true;
        }
        let from = self.from;
        let (ours, theirs) = (self.instance.spec.password, advert.authentication);
        let wrong = match (ours, theirs) {
            (None, Authentication::None) => None,
            (Some(ours), Authentication::Text(theirs)) if ours == theirs => None,
            (Some(_), Authentication::Text(_)) => Some("another password than ours".to_owned()),
            (Some(_), Authentication::None) => Some("no password, and we one".to_owned()),
            (None, Authentication::Text(_)) => Some("a password, and we none".to_owned()),
            (_, Authentication::Other(kind)) => Some(format!(
                "authentication of type {kind}, and we {}",
                if ours.is_some() {
                    "a password (type 1)"
                } else {
                    "none"
                }
            )),
        };
        let Some(what) = wrong else {
            self.fits(&[MismatchKind::Authentication]);
            return true;
        };
        self.instance.counters.authentication_errors += 1;
        self.report(MismatchKind::Authentication, || {
            format!("{from} has {what}: its adverts are dropped, so both may become master; set the same `password` on both")
        });
        false
    }

    /// RFC 3768 section 7.1: version 2 drops adverts of another interval.
    fn timely(&mut self, advert: &Advert) -> bool {
        let from = self.from;
        let (ours, theirs) = (self.instance.spec.advert_interval, advert.interval);
        // A router that hands over need not say what its interval was.
        if ours == theirs || advert.priority == 0 {
            self.fits(&[MismatchKind::Interval]);
            return true;
        }
        self.instance.counters.interval_mismatches += 1;
        if advert.version == VrrpVersion::V2 {
            self.report(MismatchKind::Interval, || {
                format!("{from} advertises every {theirs:?}, and we every {ours:?}: dropped, as version 2 wants, so both may become master; set the same advert_interval on both")
            });
            return false;
        }
        self.report(MismatchKind::Interval, || {
            format!("{from} advertises every {theirs:?}, and we every {ours:?}: while it is master its interval counts; set the same advert_interval on both")
        });
        true
    }

    /// What does not fit about an advert that is taken.
    fn compare(&mut self, advert: &Advert) {
        if advert.priority == 0 {
            return;
        }
        self.compare_addresses(advert);
        let from = self.from;
        let own = self.instance.priority();
        if advert.priority == 255 && own == 255 {
            self.report(MismatchKind::Owners, || {
                format!("{from} has priority 255, as we do: an address has one owner only; give one of them a lower priority")
            });
        } else {
            self.fits(&[MismatchKind::Owners]);
        }
        if advert.priority == own && own != 255 {
            self.report(MismatchKind::Equal, || {
                format!("{from} has our priority, {own}: between two masters the higher address decides; different priorities are clearer")
            });
        } else {
            self.fits(&[MismatchKind::Equal]);
        }
        if self.instance.state == State::Master && !self.instance.is_beaten_by(advert, from) {
            // One that has just become master is heard by the old one only now, and that is as it should be.
            let while_settling = self.instance.spec.advert_interval.max(advert.interval) * 3;
            let after = if self.instance.age(self.now) > while_settling {
                Duration::ZERO
            } else {
                while_settling
            };
            let theirs = advert.priority;
            self.report_after(MismatchKind::TwoMasters, after, || {
                format!("{from} is master, too, with priority {theirs} against our {own}: it did not hear us, or drops our adverts; look for a firewall on the way (IP protocol 112), and at its log")
            });
        } else {
            self.fits(&[MismatchKind::TwoMasters]);
        }
    }

    fn compare_addresses(&mut self, advert: &Advert) {
        let ours: BTreeSet<IpAddr> = self.instance.advertised().collect();
        let theirs: BTreeSet<IpAddr> = advert.addresses.iter().copied().collect();
        if ours == theirs {
            self.fits(&[MismatchKind::Addresses]);
            return;
        }
        self.instance.counters.address_mismatches += 1;
        let from = self.from;
        let id = self.instance.spec.router_id;
        self.report(MismatchKind::Addresses, || {
            if ours.is_disjoint(&theirs) {
                return format!("{from} uses router_id {id}, too, for other addresses ({}): it seems to be another virtual router; give one of the two another router_id", listed(&theirs));
            }
            let here: BTreeSet<IpAddr> = ours.difference(&theirs).copied().collect();
            let there: BTreeSet<IpAddr> = theirs.difference(&ours).copied().collect();
            let mut parts = Vec::new();
            if !here.is_empty() {
                parts.push(format!("lacks {}", listed(&here)));
            }
            if !there.is_empty() {
                parts.push(format!("has {} besides", listed(&there)));
            }
            format!("{from} advertises another list of addresses: it {}; set the same ones on both", parts.join(" and "))
        });
    }
}

/// The first few.
fn listed(addresses: &BTreeSet<IpAddr>) -> String {
    const SHOWN: usize = 4;
    let shown: Vec<String> = addresses
        .iter()
        .take(SHOWN)
        .map(ToString::to_string)
        .collect();
    match addresses.len().saturating_sub(SHOWN) {
        _ if addresses.is_empty() => "none".to_owned(),
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
