//! What interfaces and tracked things make of an instance: faults and its priority.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Reading;
use crate::model::{Family, Track, Tracked, VrrpInstance};

/// How an interface is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Interface {
    pub(super) up: bool,
    pub(super) ipv4: Option<IpAddr>,
    pub(super) ipv6: Option<IpAddr>,
}

/// All that is known of interfaces and tracked things.
#[derive(Debug, Default)]
pub(super) struct Observations {
    pub(super) interfaces: BTreeMap<String, Interface>,
    pub(super) readings: BTreeMap<Tracked, Reading>,
}

/// What follows for an instance.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) source: Option<IpAddr>,
    pub(super) priority: u8,
    pub(super) faults: Vec<String>,
    pub(super) reasons: Vec<String>,
}

impl Observations {
    fn up(&self, interface: &str) -> bool {
        self.interfaces.get(interface).is_some_and(|it| it.up)
    }

    /// For an instance with what counts for it.
    pub(super) fn judge(&self, spec: &VrrpInstance, tracks: &BTreeSet<Track>) -> Facts {
        let mut facts = Facts {
            source: self.source(spec),
            ..Facts::default()
        };
        let own_mac = spec.virtual_mac.as_deref();
        let mut watched: BTreeSet<&str> = spec
            .addresses
            .iter()
            .map(|it| it.interface.as_str())
            // The address manager makes it and sets it up.
            .filter(|it| Some(*it) != own_mac)
            .collect();
        watched.insert(&spec.interface);
        for name in watched {
            if !self.up(name) {
                facts.faults.push(format!("interface {name} is down"));
            }
        }
        if facts.source.is_none() && self.up(&spec.interface) {
            facts.faults.push(format!(
                "{} has no {} address to send adverts from",
                spec.interface, spec.family
            ));
        }
        let mut priority = i32::from(spec.priority);
        for track in tracks {
            let (change, fault) = self.effect(track);
            if let Some(fault) = fault {
                facts.faults.push(fault);
            }
            if change != 0 {
                facts
                    .reasons
                    .push(format!("{}: priority {change:+}", track.what));
            }
            priority = priority.saturating_add(change);
        }
        facts.priority = if spec.priority == 255 {
            // The owner's never changes.
            255
        } else {
            u8::try_from(priority.clamp(1, 254)).unwrap_or(1)
        };
        facts
    }

    /// None while the interface is down: nothing can be sent by it then.
    fn source(&self, spec: &VrrpInstance) -> Option<IpAddr> {
        let interface = self.interfaces.get(&spec.interface)?;
        if !interface.up {
            return None;
        }
        let own = match spec.family {
            Family::V4 => interface.ipv4,
            Family::V6 => interface.ipv6,
        };
        spec.source.or(own)
    }

    /// What a tracked thing adds to the priority, and the fault that it means.
    fn effect(&self, track: &Track) -> (i32, Option<String>) {
        let reverse = track.reverse;
        let weight = i32::from(track.weight) * if reverse { -1 } else { 1 };
        let reading = match &track.what {
            Tracked::Interface(name) if self.up(name) => Some(Reading::Up),
            Tracked::Interface(_) => Some(Reading::Down),
            what => self.readings.get(what).copied(),
        };
        if let (Tracked::File(_), Some(Reading::Number(number))) = (&track.what, reading) {
            return match weight {
                0 if (number != 0) != reverse => (0, Some(format!("{} says {number}", track.what))),
                _ => (weight.saturating_mul(number), None),
            };
        }
        let well = match reading {
            Some(reading) => (reading == Reading::Up) != reverse,
            // What is not known adds nothing.
            None => reverse && weight < 0,
        };
        match (weight, well) {
            (0, false) => {
                let why = match (reading, reverse) {
                    (None, _) => "is not known yet",
                    (Some(_), false) => "fails",
                    (Some(_), true) => "is well, and is tracked in reverse",
                };
                (0, Some(format!("{} {why}", track.what)))
            }
            (1.., true) | (..=-1, false) => (weight, None),
            _ => (0, None),
        }
    }
}
