//! What goes over the wire: version, interval, password, peers, the virtual MAC address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::super::network::VirtualMac;
use super::super::reader::{Reader, Wrong};
use super::super::schema::{File, VrrpTable};
use super::super::tree::Span;
use super::super::units::in_words;
use super::super::uses::services;
use crate::optional::optional;
use crate::unique::unique;
use evenkeel_core::model::{Family, Password, VrrpVersion};

/// The interval of version 3 has 12 bits of centiseconds (RFC 9568 section 5.2.7).
const LONGEST_OF_3: Duration = Duration::from_millis(40_950);
const STEP_OF_3: u128 = 10;

/// What depends on the version.
pub(super) struct Protocol {
    pub(super) version: VrrpVersion,
    pub(super) interval: Duration,
    pub(super) password: Option<Password>,
}

/// `None` if something in it is wrong.
pub(super) fn protocol(
    table: &VrrpTable,
    family: Option<Family>,
    reader: &mut Reader,
) -> Option<Protocol> {
    let interval = table.advert_interval.get().map(|period| period.0);
    let password = optional(&table.password, |password| *password)?;
    let version = match optional(&table.version, |version| version.0)? {
        Some(2) => VrrpVersion::V2,
        Some(_) => VrrpVersion::V3,
        None if password.is_some() => VrrpVersion::V2,
        None => VrrpVersion::V3,
    };
    let six = family == Some(Family::V6);
    if version == VrrpVersion::V3 && password.is_some() {
        let what = "version 3 has no authentication (RFC 9568 section 9)";
        let help = "remove it on all directors, or write version = 2 if the others have that; peers = [...] limits who is heard";
        reader.wrong_at("password", &table.password.at, Wrong::new(what, help));
    } else if version == VrrpVersion::V2 && six {
        let what = "version 2 is for IPv4 only (RFC 3768 section 1)";
        if table.version.written {
            let wrong = Wrong::new(what, "write version = 3");
            reader.wrong_at("version", &table.version.at, wrong);
        } else {
            let what = "a password needs version 2, which is for IPv4 only (RFC 3768 section 1)";
            let wrong = Wrong::new(what, "remove it: version 3 has no authentication");
            reader.wrong_at("password", &table.password.at, wrong);
        }
    }
    let interval = interval?;
    check_interval(table, version, interval, reader);
    Some(Protocol {
        version,
        interval,
        password,
    })
}

fn check_interval(
    table: &VrrpTable,
    version: VrrpVersion,
    interval: Duration,
    reader: &mut Reader,
) {
    let wrong = match version {
        VrrpVersion::V2 if interval.subsec_nanos() != 0 => {
            let (because, instead) = if table.version.written {
                ("", "version = 3")
            } else {
                (
                    ", which a password needs,",
                    "remove the password for version 3",
                )
            };
            let up = in_words(Duration::from_secs(interval.as_secs() + 1));
            let what = format!("version 2{because} has whole seconds");
            Wrong::new(what, format!("write \"{up}\", or {instead}"))
        }
        VrrpVersion::V3 if interval > LONGEST_OF_3 => {
            let what = "longer than version 3 can say (RFC 9568 section 5.2.7)";
            Wrong::new(what, "write at most \"40s 950ms\"")
        }
        VrrpVersion::V3 if !interval.as_nanos().is_multiple_of(STEP_OF_3 * 1_000_000) => {
            let down = interval.as_millis() / STEP_OF_3 * STEP_OF_3;
            let down = Duration::from_millis(u64::try_from(down).unwrap_or_default());
            let help = format!("write \"{}\"", in_words(down));
            Wrong::new("version 3 has steps of 10ms", help)
        }
        VrrpVersion::V2 | VrrpVersion::V3 => return,
    };
    reader.wrong_at("advert_interval", &table.advert_interval.at, wrong);
}

/// The peers; `None` if one of them is wrong. Looks at `source`, too.
pub(super) fn peers(
    table: &VrrpTable,
    family: Option<Family>,
    reader: &mut Reader,
) -> Option<Vec<IpAddr>> {
    let source = table.source.get().map(|source| source.0);
    let check = |key: &str, addr: IpAddr, at: &Span, reader: &mut Reader| {
        if let Some(family) = family
            && Family::of(addr) != family
        {
            let what = format!("the adverts are {family}");
            let help = format!("write an {family} address");
            reader.wrong_at(key, at, Wrong::new(what, help));
        }
    };
    if let Some(source) = source {
        check("source", source, &table.source.at, reader);
    }
    let peers = optional(&table.peers, |peers| peers.0.clone())?.unwrap_or_default();
    let mut seen = BTreeMap::new();
    for (i, peer) in peers.iter().enumerate() {
        let (key, addr) = (format!("peers[{i}]"), peer.value.0);
        check(&key, addr, &peer.at, reader);
        if Some(addr) == source {
            let what = "this director's own address, as source says";
            let help = "peers are the other directors";
            reader.wrong_at(&key, &peer.at, Wrong::new(what, help));
        }
        unique(&mut seen, addr, &key, &peer.at, "named twice", reader);
    }
    Some(peers.iter().map(|peer| peer.value.0).collect())
}

/// The names of the interfaces that instances and services are on.
pub(super) fn interfaces(file: &File) -> BTreeSet<&str> {
    let vrrp = file.vrrp.tables().iter();
    let addresses = vrrp
        .clone()
        .filter_map(|table| table.address.get())
        .flat_map(|addresses| &addresses.tables)
        .map(|address| &address.interface);
    let services = services(file).iter().map(|service| &service.interface);
    vrrp.map(|table| &table.interface)
        .chain(addresses)
        .chain(services)
        .filter_map(|field| field.get())
        .map(|name| name.0.as_str())
        .collect()
}

/// The name of the interface that carries the virtual MAC address; the outer `None` if that is wrong or cannot be
/// known. It is none of `interfaces`.
pub(super) fn virtual_mac(
    table: &VrrpTable,
    family: Option<Family>,
    router_id: Option<u8>,
    interfaces: &BTreeSet<&str>,
    seen: &mut BTreeMap<String, Span>,
    reader: &mut Reader,
) -> Option<Option<String>> {
    let name = match table.virtual_mac.get()? {
        VirtualMac::No => return Some(None),
        VirtualMac::In(name) => name.clone(),
        VirtualMac::Yes => match (family?, router_id?) {
            (Family::V4, id) => format!("vrrp.{id}"),
            (Family::V6, id) => format!("vrrp6.{id}"),
        },
    };
    let at = &table.virtual_mac.at;
    if interfaces.contains(name.as_str()) {
        let what = "the configuration puts something on an interface of this name already";
        let help = "write true, or the name of an interface that is to be made";
        reader.wrong_at("virtual_mac", at, Wrong::new(what, help));
        return None;
    }
    let what = format!("another instance has an interface {name} for its virtual MAC address");
    if let Some(first) = seen.get(&name) {
        let help = format!(
            "write another name here; first defined at {}",
            reader.source.place(first.start)
        );
        reader.wrong_at("virtual_mac", at, Wrong::new(what, help));
        return None;
    }
    seen.insert(name.clone(), at.clone());
    Some(Some(name))
}
