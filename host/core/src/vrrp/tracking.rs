//! What interfaces, sockets and tracked things make of an instance: faults and its priority.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::Reading;
use crate::model::{Family, Script, Track, Tracked, VrrpInstance};

/// How long something may be unknown before it counts as failed: at the start for everyone, later for an instance that
/// is backup or master. To the first reading of a script its own time-out is added.
pub(super) const UNKNOWN_LIMIT: Duration = Duration::from_secs(2);

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
    /// Whether this machine has an address that some `source` names.
    pub(super) sources: BTreeMap<IpAddr, bool>,
    /// How long a run of each script may take.
    pub(super) run_times: BTreeMap<String, Duration>,
}

/// What follows for an instance.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) source: Option<IpAddr>,
    pub(super) priority: u8,
    pub(super) faults: Vec<String>,
    pub(super) reasons: Vec<String>,
    /// What is not known yet, and how long that may be so.
    pub(super) unknown: BTreeMap<String, Duration>,
}

/// What is judged.
pub(super) struct Subject<'a> {
    pub(super) spec: &'a VrrpInstance,
    /// What counts for it.
    pub(super) tracks: &'a BTreeSet<Track>,
    /// Whether its adverts can be received, and why not; `None`: not known yet.
    pub(super) hearing: Option<&'a Result<(), String>>,
    /// Whether something that is not known yet changes nothing, for now.
    pub(super) tolerates: &'a dyn Fn(&str) -> bool,
}

impl Subject<'_> {
    /// Notes that something is not known yet. Whether it counts as failed.
    fn fails_unknown(&self, what: String, limit: Duration, facts: &mut Facts) -> bool {
        let fails = !(self.tolerates)(&what);
        facts.unknown.insert(what, limit);
        fails
    }
}

impl Observations {
    /// Which scripts there are.
    pub(super) fn set_scripts(&mut self, scripts: &[Script]) {
        let run_time = |script: &Script| (script.name.clone(), script.timeout);
        self.run_times = scripts.iter().map(run_time).collect();
    }

    fn up(&self, interface: &str) -> bool {
        self.interfaces.get(interface).is_some_and(|it| it.up)
    }

    /// For an instance with what counts for it.
    pub(super) fn judge(&self, subject: &Subject<'_>) -> Facts {
        let spec = subject.spec;
        let mut facts = Facts {
            source: self.source(spec),
            ..Facts::default()
        };
        self.look_at_interfaces(subject, &mut facts);
        if self.up(&spec.interface) {
            self.look_at_adverts(subject, &mut facts);
        }
        let mut priority = i32::from(spec.priority);
        for track in subject.tracks {
            let change = self.effect(track, subject, &mut facts);
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

    fn look_at_interfaces(&self, subject: &Subject<'_>, facts: &mut Facts) {
        let spec = subject.spec;
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
            let fails = match self.interfaces.get(name) {
                Some(interface) => !interface.up,
                None => subject.fails_unknown(format!("interface {name}"), UNKNOWN_LIMIT, facts),
            };
            if fails {
                facts.faults.push(format!("interface {name} is down"));
            }
        }
    }

    /// Whether adverts can be sent and received on an interface that is up.
    fn look_at_adverts(&self, subject: &Subject<'_>, facts: &mut Facts) {
        let interface = &subject.spec.interface;
        if let Some(source) = subject.spec.source {
            self.look_at_source(source, subject, facts);
        } else if facts.source.is_none() {
            let family = subject.spec.family;
            facts.faults.push(format!(
                "{interface} has no {family} address to send adverts from"
            ));
        }
        match subject.hearing {
            Some(Ok(())) => {}
            Some(Err(why)) => facts.faults.push(why.clone()),
            None => {
                let what = format!("socket on {interface}");
                if subject.fails_unknown(what, UNKNOWN_LIMIT, facts) {
                    let text = format!("the socket for adverts on {interface} is not open yet");
                    facts.faults.push(text);
                }
            }
        }
    }

    /// What cannot be sent from its source is heard by nobody: another router would be master, too.
    fn look_at_source(&self, source: IpAddr, subject: &Subject<'_>, facts: &mut Facts) {
        let mut own = subject.spec.addresses.iter();
        if own.any(|it| it.addr == source) {
            // It comes with being master.
            return;
        }
        let fails = match self.sources.get(&source) {
            Some(present) => !present,
            None => subject.fails_unknown(format!("source {source}"), UNKNOWN_LIMIT, facts),
        };
        if fails {
            facts.source = None;
            facts.faults.push(format!(
                "`source` is {source}, which no interface of this machine has: adverts cannot be sent"
            ));
        }
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

    /// What a tracked thing adds to the priority. Notes the fault that it means.
    fn effect(&self, track: &Track, subject: &Subject<'_>, facts: &mut Facts) -> i32 {
        let reverse = track.reverse;
        let weight = i32::from(track.weight) * if reverse { -1 } else { 1 };
        let Some(reading) = self.reading(&track.what) else {
            let limit = UNKNOWN_LIMIT + self.run_time(&track.what);
            let fails = subject.fails_unknown(track.what.to_string(), limit, facts);
            if fails && weight == 0 {
                let fault = format!("{} is not known yet", track.what);
                facts.faults.push(fault);
            }
            return if fails && !reverse { weight.min(0) } else { 0 };
        };
        if let (Tracked::File(_), Reading::Number(number)) = (&track.what, reading) {
            if weight == 0 && (number != 0) != reverse {
                let fault = format!("{} says {number}", track.what);
                facts.faults.push(fault);
            }
            return weight.saturating_mul(number);
        }
        match (weight, (reading == Reading::Up) != reverse) {
            (0, false) => {
                let why = if reverse {
                    "is well, and is tracked in reverse"
                } else {
                    "fails"
                };
                facts.faults.push(format!("{} {why}", track.what));
                0
            }
            (1.., true) | (..=-1, false) => weight,
            _ => 0,
        }
    }

    fn reading(&self, what: &Tracked) -> Option<Reading> {
        match what {
            Tracked::Interface(name) => {
                let up = self.interfaces.get(name)?.up;
                Some(if up { Reading::Up } else { Reading::Down })
            }
            what => self.readings.get(what).copied(),
        }
    }

    /// How long the first reading of something may take besides.
    fn run_time(&self, what: &Tracked) -> Duration {
        match what {
            Tracked::Script(name) => self.run_times.get(name).copied().unwrap_or_default(),
            _ => Duration::ZERO,
        }
    }
}
