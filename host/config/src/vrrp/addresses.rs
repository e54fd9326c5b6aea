//! Virtual addresses.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::super::mixed::Mixed;
use super::super::reader::{Reader, Wrong};
use super::super::schema::{AddressTable, VrrpTable};
use super::super::tree::Span;
use crate::optional::optional;
use crate::unique::unique;
use evenkeel_core::model::{Family, VirtualAddress};

/// The number of addresses in an advert is a byte (RFC 9568 section 5.2.5).
const MOST: usize = 255;

/// The virtual addresses of all instances, with the place of their first use.
#[derive(Default)]
pub(super) struct Seen {
    /// A link-local address means something else on each interface.
    all: BTreeMap<(IpAddr, Option<String>), Span>,
}

impl Seen {
    /// Where an address that is not link-local is given to an instance.
    pub(super) fn place(&self, addr: IpAddr) -> Option<&Span> {
        self.all.get(&(addr, None))
    }
}

/// The adverts' family; `None` if nothing tells.
pub(super) fn family(table: &VrrpTable) -> Option<Family> {
    if table.family.written {
        return table.family.copied();
    }
    let addresses = table.address.get()?.tables.iter();
    let listed = |only_listed: bool| {
        addresses
            .clone()
            .filter(move |entry| !only_listed || entry.advertised.copied() != Some(false))
            .filter_map(|entry| entry.address.get())
            .map(|address| Family::of(address.addr))
            .min()
    };
    // IPv4 is the lesser one.
    listed(true).or_else(|| listed(false))
}

/// The addresses of an instance; `None` if something in them is wrong.
pub(super) fn all(
    table: &VrrpTable,
    family: Option<Family>,
    seen: &mut Seen,
    reader: &mut Reader,
) -> Option<Vec<VirtualAddress>> {
    let Mixed { tables, others } = table.address.get()?;
    let at = &table.address.at;
    if tables.is_empty() && !others {
        let help = "write address = [\"192.0.2.1/24\"]".to_owned();
        reader.error(at, "the instance has no address".to_owned(), Some(help));
        return None;
    }
    let read: Vec<Option<VirtualAddress>> = tables
        .iter()
        .map(|entry| one(entry, table, family, seen, reader))
        .collect();
    let read: Vec<VirtualAddress> = read.into_iter().collect::<Option<_>>()?;
    if *others {
        return None;
    }
    let listed = read.iter().filter(|address| address.advertised).count();
    if listed == 0 {
        let message = match family {
            Some(family)
                if read
                    .iter()
                    .all(|address| Family::of(address.addr) != family) =>
            {
                format!("none of the addresses is an {family} one")
            }
            _ => "none of the addresses is advertised".to_owned(),
        };
        let help = "an advert lists at least one address (RFC 9568 section 5.2.5)".to_owned();
        reader.error(at, message, Some(help));
    } else if listed > MOST {
        let message = format!("{listed} addresses are to be advertised");
        let help = format!(
            "an advert lists at most {MOST} (RFC 9568 section 5.2.5): write advertised = false for the others, on all directors"
        );
        reader.error(at, message, Some(help));
    }
    Some(read)
}

fn one(
    entry: &AddressTable,
    table: &VrrpTable,
    family: Option<Family>,
    seen: &mut Seen,
    reader: &mut Reader,
) -> Option<VirtualAddress> {
    let written = *entry.address.get()?;
    let addr = written.addr;
    let of = Family::of(addr);
    let interface = match optional(&entry.interface, |name| name.0.clone())? {
        Some(own) => own,
        None => table.interface.get()?.0.clone(),
    };
    let link_local = matches!(addr, IpAddr::V6(v6) if v6.is_unicast_link_local());
    let key = (addr, link_local.then(|| interface.clone()));
    let what = "an instance has this address already";
    unique(
        &mut seen.all,
        key,
        "address",
        &entry.address.at,
        what,
        reader,
    );
    let label = label(entry, of, &interface, reader)?;
    let advertised = optional(&entry.advertised, |advertised| *advertised)?;
    let family = family?;
    if advertised == Some(true) && of != family {
        let what = format!("an {of} address cannot be in {family} adverts");
        let help = "remove it: the address goes along without being in them";
        reader.wrong_at("advertised", &entry.advertised.at, Wrong::new(what, help));
    }
    Some(VirtualAddress {
        addr,
        prefix: written.prefix(),
        interface,
        label,
        scope: entry.scope.get()?.0,
        advertised: advertised.unwrap_or(of == family),
    })
}

/// The label; the outer `None` if it is wrong.
fn label(
    entry: &AddressTable,
    of: Family,
    interface: &str,
    reader: &mut Reader,
) -> Option<Option<String>> {
    let Some(label) = optional(&entry.label, |label| label.0.clone())? else {
        return Some(None);
    };
    let at = &entry.label.at;
    if of == Family::V6 {
        let wrong = Wrong::new("an IPv6 address has no label", "remove it");
        reader.wrong_at("label", at, wrong);
        return None;
    }
    let rest = label.strip_prefix(interface);
    if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':')) {
        return Some(Some(label));
    }
    let what = "the label of an address begins with its interface's name";
    let help = format!("write \"{interface}\", or \"{interface}:1\" or the like");
    reader.wrong_at("label", at, Wrong::new(what, help));
    None
}
