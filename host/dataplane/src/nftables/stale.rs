//! Conntrack's entries that do not fit the rules: flows that are older than their service, and connections to servers
//! that are not there.

use std::collections::{BTreeSet, HashMap};
use std::io;

use evenkeel_core::mark::{self, NO_BACKEND};
use evenkeel_core::model::{Protocol, ServiceKey};
use evenkeel_core::state::BackendId;
use evenkeel_netlink::attribute::{nest, put};
use evenkeel_netlink::conntrack::{
    Connection, attribute, kind, put_mark_filter, put_status_filter, status,
};

use super::socket::{Netfilter, undisturbed};
use super::wire::{Head, flags};

/// What names an entry to the kernel: family, tuple, zone.
type Name = (u8, Vec<u8>, Vec<u8>);

/// Deletes the entries of UDP flows to these services that have no translation, and says how many there were.
///
/// Such a flow is older than the service, or passed while there were no rules. Its packets are no new connection, so
/// the rules would never see them: without this all later datagrams of its sender would be lost.
pub(super) fn forget_untranslated(
    socket: &mut Netfilter,
    services: &BTreeSet<ServiceKey>,
) -> io::Result<usize> {
    if services.is_empty() {
        return Ok(0);
    }
    let found = untranslated(socket, services)?;
    let mut forgotten = 0;
    for (family, tuple, zone) in &found {
        let head = Head {
            family: *family,
            ..Head::unspec(kind::DELETE, flags::ACK)
        };
        let name = |buf: &mut Vec<u8>| {
            nest(buf, attribute::TUPLE_ORIG, |buf| {
                buf.extend_from_slice(tuple)
            });
            if !zone.is_empty() {
                put(buf, attribute::ZONE, zone);
            }
        };
        match socket.ask(head, name, |_| {}) {
            Ok(()) => forgotten += 1,
            // It has ended meanwhile.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(forgotten)
}

fn untranslated(
    socket: &mut Netfilter,
    services: &BTreeSet<ServiceKey>,
) -> io::Result<BTreeSet<Name>> {
    let head = Head::unspec(kind::GET, flags::DUMP);
    let mut found = BTreeSet::new();
    undisturbed(|| {
        found.clear();
        socket.ask(
            head,
            |buf| put_status_filter(buf, 0, status::DST_NAT),
            |answer| {
                let it = Connection::decode(answer.attributes());
                let Some(original) = it.original() else {
                    return;
                };
                let key = ServiceKey {
                    addr: original.destination.ip(),
                    port: original.destination.port(),
                    protocol: Protocol::Udp,
                };
                let udp = original.protocol == Protocol::Udp.number();
                let untranslated = !it.has(status::DST_NAT) && !it.has(status::DYING);
                if udp && untranslated && services.contains(&key) {
                    let tuple = it.tuple.unwrap_or_default().to_vec();
                    found.insert((answer.family(), tuple, it.zone.to_vec()));
                }
            },
        )
    })?;
    Ok(found)
}

/// The servers that TCP connections go to and that are not among these.
pub(super) fn servers_gone(
    socket: &mut Netfilter,
    there: &HashMap<BackendId, ServiceKey>,
) -> io::Result<BTreeSet<BackendId>> {
    let head = Head::unspec(kind::GET, flags::DUMP);
    let mut gone = BTreeSet::new();
    undisturbed(|| {
        socket.ask(
            head,
            |buf| put_mark_filter(buf, 0, NO_BACKEND),
            |answer| {
                let it = Connection::decode(answer.attributes());
                let tcp = it.protocol() == Some(Protocol::Tcp.number());
                let ours = mark::backend(it.mark).filter(|_| it.has(status::DST_NAT));
                gone.extend(ours.filter(|id| tcp && !there.contains_key(id)));
            },
        )
    })?;
    Ok(gone)
}
