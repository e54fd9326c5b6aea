//! Flowtable offload of established flows: the flowtable, and the chain that puts flows into it. Pure but for
//! [`present`].
//!
//! A flow in a flowtable is translated where its packets come in, and handed to the next hop there: no routing
//! decision, no chain of anybody's, no conntrack. The kernel takes it out when it ends (a FIN, a reset, 30 s without a
//! packet), when its conntrack entry is deleted, when an interface of it goes down and when its route changes; then its
//! packets take the slow path again.

use std::collections::BTreeSet;

use netlink_bindings::nftables::PushFlowtableAttrs;
use netlink_bindings::utils::{IterableChunks, find_attr};

use super::expression::{and, be32, compare, ct, ct_mark, expression, name_attribute, nest};
use super::raw_rule::RawRule;
use super::wire::text;

/// Name of the flowtable, and of the chain that puts flows into it. (`offload` alone is a word of nft's own.)
pub(super) const NAME: &str = "flow_offload";
/// The chain's hook: `NF_INET_FORWARD`.
pub(super) const HOOK: u32 = 2;
/// The chain's priority: after everybody's filters, so that what one of them drops is not offloaded.
pub(super) const PRIORITY: i32 = 200;
/// `NFT_FLOWTABLE_COUNTER`: packets go on being counted in conntrack, where that counts at all. To be said in every
/// message about the flowtable: one without it takes it away.
const COUNTER: u32 = 2;

/// `ct status` bits (`linux/netfilter/nf_conntrack_common.h`): packets were seen both ways and the flow is more than a
/// request and its answer; its destination was translated.
const ASSURED: u32 = 1 << 2;
const DST_NAT: u32 = 1 << 5;

/// The rule of the chain. Only flows of ours, by their marks; and only where the way back to the client is the way by
/// which its packet came, since the kernel takes that for granted when it keeps the way of the answers.
///
/// A flow that is not assured would gain nothing, and its entry in conntrack would live longer than without the
/// flowtable. The flowtable itself refuses what is neither TCP nor UDP, and TCP that is not established.
pub(super) fn rule() -> RawRule {
    let mut buf = Vec::with_capacity(800);
    let mark = |buf: &mut Vec<u8>, mask: u32, equal: bool| {
        ct_mark(buf, 1);
        and(buf, 1, &mask.to_ne_bytes());
        compare(buf, equal, &0u32.to_ne_bytes());
    };
    mark(&mut buf, evenkeel_core::mark::BACKEND, false);
    mark(&mut buf, evenkeel_core::mark::NO_BACKEND, true);
    for bit in [DST_NAT, ASSURED] {
        // NFT_CT_STATUS
        ct(&mut buf, 2, 1);
        and(&mut buf, 1, &bit.to_ne_bytes());
        compare(&mut buf, false, &0u32.to_ne_bytes());
    }
    // NFT_CT_DIRECTION: IP_CT_DIR_ORIGINAL
    ct(&mut buf, 1, 1);
    compare(&mut buf, true, &[0]);
    // fib saddr . iif oif exists
    expression(&mut buf, "fib", |buf| {
        be32(buf, 1, 1);
        // NFT_FIB_RESULT_OIF
        be32(buf, 2, 1);
        // NFTA_FIB_F_SADDR, _IIF, _PRESENT
        be32(buf, 3, 0x1 | 0x8 | 0x20);
    });
    compare(&mut buf, true, &1u32.to_ne_bytes());
    expression(&mut buf, "flow_offload", |buf| {
        name_attribute(buf, 1, NAME);
    });
    RawRule::plain(buf)
}

/// Attributes of a message that makes the flowtable or adds interfaces to it.
pub(super) fn push(buf: &mut Vec<u8>, table: &str, interfaces: &[String]) {
    name_interfaces(buf, table, interfaces);
    be32(buf, 7, COUNTER);
}

/// Attributes of a message that takes interfaces out of the flowtable.
pub(super) fn name_interfaces(buf: &mut Vec<u8>, table: &str, interfaces: &[String]) {
    name(buf, table);
    nest(buf, 3, |buf| {
        // NF_NETDEV_INGRESS, priority filter.
        be32(buf, 1, 0);
        be32(buf, 2, 0);
        nest(buf, 3, |buf| {
            for interface in interfaces {
                name_attribute(buf, 1, interface);
            }
        });
    });
}

/// Attributes of a message about the flowtable as a whole.
pub(super) fn name(buf: &mut Vec<u8>, table: &str) {
    PushFlowtableAttrs::new(buf)
        .push_table_bytes(table.as_bytes())
        .push_name_bytes(NAME.as_bytes())
        .end_nested();
}

/// The interfaces in a flowtable's attributes.
pub(super) fn interfaces(attributes: &[u8]) -> BTreeSet<String> {
    let hook = find_attr(attributes, 3).unwrap_or_default();
    let list = find_attr(hook, 3).unwrap_or_default();
    IterableChunks::new(list)
        .filter_map(|(_, name)| text(name).map(str::to_owned))
        .collect()
}

/// Of these interfaces, those that there are. One that has gone must not be in the way of everything else that changes;
/// whoever wants it will be told that it has gone.
pub(super) fn present(interfaces: &BTreeSet<String>) -> BTreeSet<String> {
    interfaces
        .iter()
        .filter(|name| nix::net::if_::if_nametoindex(name.as_str()).is_ok())
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_read_back_as_they_were_written() {
        let names = ["eth0", "a-name-of-15-by"].map(str::to_owned);
        let mut buf = Vec::new();
        push(&mut buf, "t", &names);
        assert_eq!(interfaces(&buf), names.into());
        buf.clear();
        push(&mut buf, "t", &[]);
        assert_eq!(interfaces(&buf), BTreeSet::new());
        assert_eq!(interfaces(&[1, 2, 3]), BTreeSet::new());
    }

    #[test]
    fn an_interface_that_is_not_there_is_left_out() {
        let names = ["lo", "nosuch0"].map(str::to_owned).into();
        assert_eq!(present(&names), ["lo".to_owned()].into());
    }
}
