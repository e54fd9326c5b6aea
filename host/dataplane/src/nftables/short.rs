//! The short way of established flows: a flowtable, and the chain that puts flows into it.
//!
//! A flow in a flowtable is translated where its packets come in, and handed to the next hop there: no routing decision, no chain of
//! anybody's, no conntrack. The kernel takes it out when it ends (a FIN, a reset, 30 s without a packet), when its conntrack entry is
//! deleted, when an interface of it goes down and when its route changes; then its packets go the long way again.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use netlink_bindings::nftables::PushFlowtableAttrs;
use netlink_bindings::utils::{IterableChunks, find_attr};

use super::change::{Op, Step, Subject};
use super::element::Chain;
use super::entry::{and, ct_mark};
use super::rule::{RawRule, be32, bytes, expression, nest};
use super::socket::{Failed, Netfilter};
use super::wire::text;
use crate::Error;
use crate::namespace::in_namespace;

/// Name of the flowtable, and of the chain that puts flows into it.
pub(super) const NAME: &str = "short";
/// The chain's hook: `NF_INET_FORWARD`.
pub(super) const HOOK: u32 = 2;
/// The chain's priority: after everybody's filters, so that what one of them drops is not let through the short way.
pub(super) const PRIORITY: i32 = 200;
/// `NFT_FLOWTABLE_COUNTER`: packets go on being counted in conntrack, where that counts at all. To be said in every message about the
/// flowtable: one without it takes it away.
const COUNTER: u32 = 2;

/// Name of the table that never comes to be.
const TRIAL: &str = "evenkeel_trial";
/// Whether it can be had: the kernel does not change while the process lives.
static SUPPORT: OnceLock<Result<(), String>> = OnceLock::new();

/// `ct status` bits (`linux/netfilter/nf_conntrack_common.h`): packets were seen both ways and the flow is more than a question and its
/// answer; its destination was translated.
const ASSURED: u32 = 1 << 2;
const DST_NAT: u32 = 1 << 5;

/// The rule of the chain. Only flows of ours, by their marks; and only where the way back to the client is the way by which its packet
/// came, since the kernel takes that for granted when it keeps the way of the answers.
///
/// A flow that is not assured would gain nothing, and its entry in conntrack would live longer than without the flowtable. The flowtable
/// itself refuses what is neither TCP nor UDP, and TCP that is not established.
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
        expression(&mut buf, "ct", |buf| {
            be32(buf, 1, 1);
            // NFT_CT_STATUS
            be32(buf, 2, 2);
        });
        and(&mut buf, 1, &bit.to_ne_bytes());
        compare(&mut buf, false, &0u32.to_ne_bytes());
    }
    // IP_CT_DIR_ORIGINAL
    expression(&mut buf, "ct", |buf| {
        be32(buf, 1, 1);
        // NFT_CT_DIRECTION
        be32(buf, 2, 1);
    });
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
        bytes(buf, 1, &[NAME.as_bytes(), &[0]].concat());
    });
    RawRule {
        expressions: buf,
        userdata: Vec::new(),
    }
}

/// Goes on if the first register holds this, or does not.
fn compare(buf: &mut Vec<u8>, equal: bool, value: &[u8]) {
    expression(buf, "cmp", |buf| {
        be32(buf, 1, 1);
        be32(buf, 2, u32::from(!equal));
        nest(buf, 3, |buf| bytes(buf, 1, value));
    });
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
                bytes(buf, 1, &[interface.as_bytes(), &[0]].concat());
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

/// Of these interfaces, those that there are. One that has gone must not be in the way of everything else that changes; whoever wants it
/// will be told that it has gone.
pub(super) fn present(interfaces: &BTreeSet<String>) -> BTreeSet<String> {
    interfaces
        .iter()
        .filter(|name| nix::net::if_::if_nametoindex(name.as_str()).is_ok())
        .cloned()
        .collect()
}

/// Steps that are about the short way.
pub(super) fn steps<const N: usize>(ops: [Op; N]) -> Vec<Step> {
    let subject = Subject::Offload;
    ops.into_iter().map(|op| Step { subject, op }).collect()
}

/// Whether this kernel has what is needed. Tried at the first call, with nothing changed.
///
/// # Errors
/// Why not, for an operator.
pub(super) fn support() -> Result<(), String> {
    SUPPORT.get_or_init(trial).clone()
}

fn trial() -> Result<(), String> {
    in_namespace(attempt)
        .and_then(|tried| tried.map_or_else(attempt, Ok))
        .map_err(|error| format!("whether this kernel has flowtables cannot be tried: {error}"))?
}

/// Makes the flowtable and the chain in a batch whose last step cannot succeed: so nothing is changed, and they were taken if that step
/// is the first that is refused.
fn attempt() -> Result<Result<(), String>, Error> {
    let mut socket = Netfilter::open()?;
    let step = |op, subject| Step { subject, op };
    let steps = [
        step(Op::AddTable, Subject::Hooks),
        step(Op::AddFlowtable, Subject::Offload),
        step(Op::AddShortChain, Subject::Hooks),
        step(Op::DeleteChain(Chain::choice(1)), Subject::Hairpin),
    ];
    match socket.try_commit(TRIAL, &steps) {
        Err(Failed::Refused(Some(Subject::Hairpin), _)) => Ok(Ok(())),
        Err(Failed::Refused(Some(Subject::Offload), source)) => Ok(Err(format!(
            "this kernel has no flowtable (CONFIG_NF_FLOW_TABLE, CONFIG_NF_FLOW_TABLE_INET; {source})"
        ))),
        Err(Failed::Refused(_, source)) => Ok(Err(format!(
            "this kernel cannot put flows into a flowtable (CONFIG_NFT_FLOW_OFFLOAD, CONFIG_NFT_FIB_INET; {source})"
        ))),
        Err(failed @ Failed::Unsent(_)) => Err(failed.into()),
        // It cannot be, since the last step deletes what is not there.
        Ok(()) => Ok(Err("the trial's batch was taken".to_owned())),
    }
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

    #[test]
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    fn a_trial_says_whether_and_leaves_no_table() {
        let tried = in_namespace(|| {
            let first = attempt()?;
            let left = super::super::read::table(&mut Netfilter::open()?, TRIAL)?;
            Ok((first, left.is_some()))
        });
        match tried.unwrap() {
            Some((Ok(()), left)) => assert!(!left),
            Some((Err(why), left)) => {
                assert!(why.contains("CONFIG_"), "{why}");
                assert!(!left);
            }
            None => eprintln!("SKIPPED: no network namespace can be made (run as root)"),
        }
    }
}
