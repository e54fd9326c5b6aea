//! The base chains that answer clients of servers that are gone. Every packet pays for them, so they exist only while
//! there is such a server. Pure.
//!
//! A server that has failed or was removed may leave its connections in conntrack (`on_down = "keep"`), where an
//! established one lives for five days. A client that takes the same port again meets the old one: its SYN would go to
//! the server that is gone, and silence would be the answer. It is reset, so that the client knows at once and takes
//! another port.

use std::collections::BTreeSet;

use evenkeel_core::mark::{BACKEND, NO_BACKEND};
use evenkeel_core::model::Protocol;
use evenkeel_core::state::BackendId;

use super::expression::{
    TRANSPORT, and, compare, ct, ct_mark, jump, lookup, meta, payload, return_to_caller, written,
};
use super::layout::Layout;
use super::raw_rule::RawRule;
use crate::check::CheckedChanges;

/// The hooked chain, and the one to which it sends SYNs of established connections.
pub(super) const HOOKED: &str = "gone_prerouting";
pub(super) const CHAIN: &str = "gone";
/// Its hook: `NF_INET_PRE_ROUTING`; what needs a route to the server comes too late.
pub(super) const HOOK: u32 = 0;
/// After conntrack, before destinations are translated.
pub(super) const PRIORITY: i32 = -102;

/// FIN, SYN, RST and ACK of TCP's flags.
const FLAGS: u8 = 0x17;
const SYN: u8 = 0x02;
/// `NF_CT_STATE_BIT(IP_CT_ESTABLISHED)`
const ESTABLISHED: u32 = 2;

/// The one rule of the hooked chain: a SYN from the client of an established connection to one of our servers.
pub(super) fn hooked_rule() -> RawRule {
    RawRule::plain(written(|buf| {
        meta(buf, 16, 1);
        compare(buf, true, &[Protocol::Tcp.number()]);
        payload(buf, (1, TRANSPORT, 13, 1));
        and(buf, 1, &[FLAGS]);
        compare(buf, true, &[SYN]);
        // NFT_CT_STATE, NFT_CT_DIRECTION: IP_CT_DIR_ORIGINAL
        ct(buf, 0, 1);
        and(buf, 1, &ESTABLISHED.to_ne_bytes());
        compare(buf, false, &0u32.to_ne_bytes());
        ct(buf, 1, 1);
        compare(buf, true, &[0]);
        for (mask, equal) in [(BACKEND, false), (NO_BACKEND, true)] {
            ct_mark(buf, 1);
            and(buf, 1, &mask.to_ne_bytes());
            compare(buf, equal, &0u32.to_ne_bytes());
        }
        jump(buf, CHAIN);
    }))
}

/// The rules of the other: it goes on to a server that is there, and is reset otherwise.
pub(super) fn rules() -> Vec<RawRule> {
    let there = |backends| {
        written(|buf| {
            ct_mark(buf, 1);
            lookup(buf, backends, 1, 2);
            return_to_caller(buf);
        })
    };
    let rules = vec![there("be4"), there("be6"), written(|buf| jump(buf, "none"))];
    rules.into_iter().map(RawRule::plain).collect()
}

/// The servers of TCP services that are gone after these changes: those that were, and those that leave, but for those
/// that come.
pub(super) fn after(
    before: Option<&BTreeSet<BackendId>>,
    layout: &Layout,
    wanted: &CheckedChanges<'_>,
) -> BTreeSet<BackendId> {
    let mut gone = before.cloned().unwrap_or_default();
    let tcp = wanted
        .services
        .keys()
        .filter(|key| key.protocol == Protocol::Tcp);
    let old = tcp.filter_map(|key| layout.services.get(key));
    gone.extend(old.flat_map(|it| it.state.backends.keys()));
    for service in wanted.services.values().flatten() {
        for id in service.backends.keys() {
            gone.remove(id);
        }
    }
    gone
}

#[cfg(test)]
mod tests {
    use evenkeel_core::model::{DataPlaneKind, ServiceKey};
    use evenkeel_core::state::{Change, ServiceState, Spread, State};

    use super::*;

    fn id(n: u32) -> BackendId {
        BackendId::new(n).unwrap()
    }

    fn key(port: u16, protocol: Protocol) -> ServiceKey {
        ServiceKey {
            addr: [192, 0, 2, 1].into(),
            port,
            protocol,
        }
    }

    fn service(backends: &[u32]) -> ServiceState {
        let address = |n: u32| {
            let port = u16::try_from(n).unwrap();
            std::net::SocketAddr::from(([10, 0, 0, 1], port)).into()
        };
        ServiceState {
            snat: false,
            backends: backends.iter().map(|n| (id(*n), address(*n))).collect(),
            spread: Spread::Refuse,
            persistence: None,
            queue: None,
        }
    }

    #[test]
    fn servers_are_gone_from_when_they_leave_until_they_come_back() {
        let (tcp, other) = (key(80, Protocol::Tcp), key(81, Protocol::Tcp));
        let udp = key(53, Protocol::Udp);
        let state = State {
            services: [(tcp, service(&[1, 2, 3])), (udp, service(&[4]))].into(),
            ..State::default()
        };
        let layout = Layout::of(state).unwrap();
        let gone = |before: &[u32], changes: &[Change]| {
            let before = before.iter().map(|n| id(*n)).collect();
            let wanted = CheckedChanges::new(DataPlaneKind::Nftables, changes, |_| None).unwrap();
            let after = after(Some(&before), &layout, &wanted);
            after.into_iter().map(BackendId::get).collect::<Vec<_>>()
        };
        assert_eq!(gone(&[9], &[]), [9]);
        assert_eq!(gone(&[9], &[Change::Put(tcp, service(&[1, 3, 9]))]), [2]);
        assert!(gone(&[], &[Change::Put(tcp, service(&[1, 2, 3]))]).is_empty());
        assert_eq!(gone(&[], &[Change::Remove(tcp)]), [1, 2, 3]);
        assert!(
            gone(&[], &[Change::Remove(udp)]).is_empty(),
            "a datagram begins nothing"
        );
        let moved = [Change::Remove(tcp), Change::Put(other, service(&[2]))];
        assert_eq!(gone(&[], &moved), [1, 3]);
    }
}
