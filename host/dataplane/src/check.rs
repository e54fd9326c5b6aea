//! What every data plane refuses before it tries, and what a list of changes comes to.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_core::groups::{Clients, Group, Groups, MAX_GROUPS};
use evenkeel_core::model::{DataPlaneKind, Forward, IpvsTimeouts, Protocol, ServiceKey};
use evenkeel_core::plan::MAX_SLOTS;
use evenkeel_core::state::{Backend, BackendId, Change, ServiceState, Spread};
use ipnet::IpNet;

use crate::{Error, no_offload};

/// The longest name of an interface (`linux/if.h`, `IFNAMSIZ` less its NUL).
const INTERFACE: usize = 15;

/// What a list of changes comes to, checked.
#[derive(Debug)]
pub(crate) struct CheckedChanges<'a> {
    /// What each service named is to be; `None`: gone.
    pub(crate) services: BTreeMap<ServiceKey, Option<&'a ServiceState>>,
    /// The hairpin networks, if they are to change.
    pub(crate) hairpin: Option<&'a BTreeSet<IpNet>>,
    /// The interfaces between which flows are offloaded, if they are to change.
    pub(crate) offload: Option<&'a BTreeSet<String>>,
    /// The times after which IPVS is to forget connections, as far as they are to change.
    pub(crate) timeouts: IpvsTimeouts,
}

impl<'a> CheckedChanges<'a> {
    /// Checks changes to a state of a data plane of this kind in which `owner` tells whose a backend's number is.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub(crate) fn new(
        kind: DataPlaneKind,
        changes: &'a [Change],
        owner: impl Fn(BackendId) -> Option<ServiceKey>,
    ) -> Result<Self, Error> {
        let mut wanted = Self {
            services: BTreeMap::new(),
            hairpin: None,
            offload: None,
            timeouts: IpvsTimeouts::default(),
        };
        for change in changes {
            match change {
                Change::Put(key, service) => {
                    service_is_sound(key, service)?;
                    match kind {
                        DataPlaneKind::Nftables => nftables_can(key, service)?,
                        DataPlaneKind::Ipvs => ipvs_can(key, service)?,
                    }
                    wanted.services.insert(*key, Some(service));
                }
                Change::Remove(key) => {
                    wanted.services.insert(*key, None);
                }
                Change::Offload(interfaces) => {
                    if kind == DataPlaneKind::Ipvs && !interfaces.is_empty() {
                        return Err(Error::Invalid(no_offload(kind)));
                    }
                    interfaces_are_sound(interfaces)?;
                    wanted.offload = Some(interfaces);
                }
                Change::Timeouts(timeouts) => {
                    if kind == DataPlaneKind::Nftables && *timeouts != IpvsTimeouts::default() {
                        let text = format!("the {kind} data plane has no times of its own");
                        return Err(Error::Invalid(text));
                    }
                    timeouts_are_sound(timeouts)?;
                    wanted.timeouts = timeouts.or(wanted.timeouts);
                }
                Change::Hairpin(networks) => {
                    networks_are_sound(networks)?;
                    wanted.hairpin = Some(networks);
                }
            }
        }
        wanted.numbers_are_unique(owner)?;
        Ok(wanted)
    }

    fn numbers_are_unique(
        &self,
        owner: impl Fn(BackendId) -> Option<ServiceKey>,
    ) -> Result<(), Error> {
        let mut named: HashMap<BackendId, ServiceKey> = HashMap::new();
        for (key, service) in &self.services {
            for id in service.iter().flat_map(|service| service.backends.keys()) {
                let before = owner(*id).filter(|other| !self.services.contains_key(other));
                if let Some(other) = named.insert(*id, *key).or(before) {
                    return Err(Error::Invalid(format!(
                        "backend number {id} is in both {other} and {key}"
                    )));
                }
            }
        }
        Ok(())
    }
}

fn timeouts_are_sound(timeouts: &IpvsTimeouts) -> Result<(), Error> {
    let IpvsTimeouts {
        tcp, tcp_fin, udp, ..
    } = timeouts;
    let unsound =
        |time: &&Duration| time.is_zero() || time.subsec_nanos() != 0 || **time > IpvsTimeouts::MAX;
    match [tcp, tcp_fin, udp].into_iter().flatten().find(unsound) {
        Some(time) => Err(Error::Invalid(format!(
            "{time:?} is no time after which IPVS could forget connections"
        ))),
        None => Ok(()),
    }
}

fn service_is_sound(key: &ServiceKey, service: &ServiceState) -> Result<(), Error> {
    let invalid = |what: String| Err(Error::Invalid(format!("{key}: {what}")));
    for (id, backend) in &service.backends {
        let address = &backend.address;
        if address.is_ipv4() != key.addr.is_ipv4() {
            return invalid(format!(
                "backend {id} ({address}) is of the other IP version"
            ));
        }
        if let SocketAddr::V6(v6) = address
            && (v6.scope_id() != 0 || v6.flowinfo() != 0)
        {
            return invalid(format!(
                "backend {id} ({address}) has a scope or a flow label"
            ));
        }
    }
    if let Some(persistence) = service.persistence {
        let bits = if key.addr.is_ipv4() { 32 } else { 128 };
        if persistence.timeout.is_zero() || persistence.timeout.subsec_nanos() != 0 {
            return invalid("persistence is not of whole seconds".to_owned());
        }
        if persistence.prefix == 0 || persistence.prefix > bits {
            return invalid(format!(
                "persistence by {} bits of {bits}",
                persistence.prefix
            ));
        }
    }
    match &service.spread {
        Spread::Refuse => return Ok(()),
        Spread::Slots { .. } => {
            let slots = service.spread.len();
            if slots == 0 || slots > MAX_SLOTS {
                return invalid(format!(
                    "{slots} slots, where 1 to {MAX_SLOTS} are possible"
                ));
            }
        }
        Spread::Groups(groups) => {
            if let Err(what) = groups_are_sound(groups, key.addr.is_ipv4()) {
                return invalid(what);
            }
        }
    }
    let named = service.spread.servers();
    match named.iter().find(|id| !service.backends.contains_key(id)) {
        Some(id) => invalid(format!(
            "a slot names backend {id}, which the service does not have"
        )),
        None => Ok(()),
    }
}

fn groups_are_sound(groups: &Groups, v4: bool) -> Result<(), String> {
    let count = groups.groups.len();
    if !(2..=MAX_GROUPS).contains(&count) {
        return Err(format!(
            "{count} groups, where 2 to {MAX_GROUPS} are possible"
        ));
    }
    if groups.servers().is_empty() || groups.slots() > MAX_SLOTS {
        return Err(format!(
            "{} slots, where 1 to {MAX_SLOTS} of servers and groups are possible",
            groups.slots()
        ));
    }
    for (number, group) in groups.groups.iter().enumerate() {
        let sound = match group {
            Group::Refuse => true,
            Group::Servers { slots, .. } => !slots.is_empty(),
            Group::Split { slots, .. } => {
                !slots.is_empty() && slots.iter().all(|to| *to > number && *to < count)
            }
        };
        if !sound {
            return Err(format!(
                "group {number} has no slots, or leads to no later group"
            ));
        }
    }
    let mut before = None;
    for clients in &groups.clients {
        let Clients { first, last, group } = clients;
        let in_order = before.is_none_or(|before| before < *first) && first <= last;
        let family = first.is_ipv4() == v4 && last.is_ipv4() == v4;
        if !in_order || !family || *group == 0 || *group >= count {
            return Err(format!(
                "the clients {first} to {last} cannot begin in group {group}"
            ));
        }
        before = Some(*last);
    }
    Ok(())
}

/// nftables reaches servers by NAT, and knows services by TCP or UDP.
fn nftables_can(key: &ServiceKey, service: &ServiceState) -> Result<(), Error> {
    let invalid = |what: String| Err(Error::Invalid(format!("{key}: {what}")));
    match key.protocol {
        Protocol::Tcp | Protocol::Udp => {}
        Protocol::Sctp | Protocol::Fwmark(_) => {
            return invalid(format!(
                "the nftables data plane has no services by {}; the ipvs one has",
                key.protocol
            ));
        }
    }
    let other = |backend: &&Backend| backend.forward != Forward::Nat;
    match service.backends.values().find(other) {
        Some(backend) => invalid(format!(
            "the nftables data plane cannot reach {} by {}; the ipvs one can",
            backend.address, backend.forward
        )),
        None => Ok(()),
    }
}

/// Seconds of the longest persistence: 31 days, as `ipvsadm` has it; the kernel keeps ticks in 32 bits.
const LONGEST: u64 = 31 * 86_400;

/// IPVS rewrites no port unless it rewrites the address, and knows servers by address and port.
fn ipvs_can(key: &ServiceKey, service: &ServiceState) -> Result<(), Error> {
    let invalid = |what: String| Err(Error::Invalid(format!("{key}: {what}")));
    let mut seen = BTreeMap::new();
    let marked = key.protocol.fwmark().is_some();
    if key.port == 0 && !marked && service.persistence.is_none() {
        return invalid("a service of all ports has to be persistent".to_owned());
    }
    if matches!(service.spread, Spread::Groups(_)) {
        return invalid("IPVS has no groups of servers".to_owned());
    }
    for (id, backend) in &service.backends {
        let address = backend.address;
        if let Some(other) = seen.insert(address, id) {
            return invalid(format!("backends {other} and {id} are both {address}"));
        }
        if backend.forward != Forward::Nat && address.port() != key.port && !marked {
            return invalid(format!(
                "{address} is reached by {}, which cannot change the port {} to {}",
                backend.forward,
                key.port,
                address.port()
            ));
        }
        if backend.lower_threshold > backend.upper_threshold {
            return invalid(format!(
                "{address} has a lower threshold ({}) above its upper one ({})",
                backend.lower_threshold, backend.upper_threshold
            ));
        }
    }
    match service.persistence {
        Some(it) if it.timeout.as_secs() > LONGEST => {
            invalid(format!("persistence of more than {LONGEST} seconds"))
        }
        Some(_) if service.queue.is_some() => invalid(
            "IPVS cannot both keep clients at their server and queue each connection".to_owned(),
        ),
        _ => Ok(()),
    }
}

fn networks_are_sound(networks: &BTreeSet<IpNet>) -> Result<(), Error> {
    match networks.iter().find(|net| **net != net.trunc()) {
        Some(net) => Err(Error::Invalid(format!(
            "{net} is not a network; {} would be",
            net.trunc()
        ))),
        None => Ok(()),
    }
}

/// As the kernel has it (`dev_valid_name` in `net/core/dev.c`).
fn interfaces_are_sound(interfaces: &BTreeSet<String>) -> Result<(), Error> {
    let sound = |name: &str| {
        (1..=INTERFACE).contains(&name.len())
            && name != "."
            && name != ".."
            && !name
                .contains(|c: char| c == '/' || c == ':' || c == '\0' || c.is_ascii_whitespace())
    };
    match interfaces.iter().find(|name| !sound(name)) {
        Some(name) => Err(Error::Invalid(format!(
            "{name:?} cannot be the name of an interface"
        ))),
        None => Ok(()),
    }
}
