//! What identifies a service: an address with a port and a protocol, or a firewall mark.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;

use super::address::Endpoint;
use super::reader::{Leaf as _, Reader, Table as _, Wrong};
use super::schema::ServiceTable;
use super::tree::Span;
use super::unique::unique;
use evenkeel_core::model::{Family, Protocol, ServiceKey};

/// The key; `None` if something in it is wrong or missing.
pub(super) fn key(table: &ServiceTable) -> Option<ServiceKey> {
    if table.fwmark.written {
        let mark = NonZeroU32::new(table.fwmark.get()?.0)?;
        let addr = match table.family.copied() {
            None if table.family.is_wrong() => return None,
            None | Some(Family::V4) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Some(Family::V6) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        return Some(ServiceKey {
            addr,
            port: 0,
            protocol: Protocol::Fwmark(mark),
        });
    }
    let listen = table.listen.copied()?.0;
    Some(ServiceKey {
        addr: listen.ip(),
        port: listen.port(),
        protocol: table.protocol.copied()?,
    })
}

/// Reports what is missing, is there twice, or does not go together.
pub(super) fn check(
    table: &ServiceTable,
    key: Option<ServiceKey>,
    seen: &mut BTreeMap<ServiceKey, Span>,
    reader: &mut Reader,
) {
    if table.fwmark.written {
        marked(table, reader);
    } else {
        if !table.listen.written {
            let place = ServiceTable::PLACE;
            let help = format!("add listen, {}; or fwmark", Endpoint::kind());
            let what = format!("{place} has no listen");
            reader.missing(&table.listen.at, what, Some(help));
        }
        if table.family.written {
            let what = "family without fwmark".to_owned();
            let help = "remove it: the family is that of the address in listen".to_owned();
            reader.error(&table.family.at, what, Some(help));
        }
    }
    let Some(key) = key else { return };
    let (name, at, what) = match key.protocol {
        Protocol::Fwmark(_) => {
            let family = Family::of(key.addr);
            let what = format!("another service has this firewall mark for {family}");
            ("fwmark", &table.fwmark.at, what)
        }
        protocol => {
            let what = format!("another service has this address for {protocol}");
            ("listen", &table.listen.at, what)
        }
    };
    unique(seen, key, name, at, &what, reader);
}

/// What a service by firewall mark does not have.
fn marked(table: &ServiceTable, reader: &mut Reader) {
    if table.listen.written {
        let place = reader.source.place(table.listen.at.start);
        let what = format!("the service has an address already, at {place}");
        let help = "a service has either listen or fwmark: remove one";
        reader.wrong_at("fwmark", &table.fwmark.at, Wrong::new(what, help));
    }
    let why = "packets with the firewall mark are taken whatever their address, port and protocol";
    if table.protocol.written {
        let help = "remove it, and see to it that your rules mark only what is meant";
        reader.wrong_at("protocol", &table.protocol.at, Wrong::new(why, help));
    }
    if table.interface.written {
        let help = "remove it; `evenkeel explain` says how marked packets come here";
        reader.wrong_at("interface", &table.interface.at, Wrong::new(why, help));
    }
    if table.ha_suspend.copied() == Some(true) {
        let message = "ha_suspend = true: a firewall mark has no address that could be elsewhere";
        let help = "its servers are checked all the time".to_owned();
        reader.warning(&table.ha_suspend.at, message.to_owned(), Some(help));
    }
}
