//! Feature probes: whether this kernel takes the rules that queueing and offload need. Nothing is changed by them.
//!
//! A probe sends what it is about in a batch whose last step cannot succeed. So the kernel takes nothing, and what the
//! probe is about was accepted if that step is the first that is refused.

use std::io;
use std::sync::OnceLock;

use evenkeel_core::state::Queue;

use super::chain::{ChainRole, ServiceChain};
use super::queue::{QueueForm, queue_expression};
use super::raw_rule::RawRule;
use super::socket::{Failed, Netfilter};
use super::step::{NftOp, NftStep, Subject};
use crate::Error;
use crate::namespace::in_namespace;

/// Name of the table that never comes to be.
const TABLE: &str = "evenkeel_probe";

/// The kernel does not change while the process lives.
static QUEUE: OnceLock<Result<QueueForm, String>> = OnceLock::new();
static OFFLOAD: OnceLock<Result<(), String>> = OnceLock::new();

/// What the kernel refused of a probe: the part, if it named one, and why.
type Refusal = (Option<Subject>, io::Error);

/// The form of queue rule that this kernel has; nf_tables' own, if it has both. Probed at the first call.
///
/// # Errors
/// Why it has none, for an operator.
pub fn queue_support() -> Result<QueueForm, String> {
    QUEUE.get_or_init(probe_queues).clone()
}

/// Whether this kernel can offload flows to a flowtable. Probed at the first call.
///
/// # Errors
/// Why not, for an operator.
pub(super) fn offload_support() -> Result<(), String> {
    OFFLOAD.get_or_init(probe_offload).clone()
}

fn probe_queues() -> Result<QueueForm, String> {
    let probed = in_namespace(queues)
        .and_then(|probed| probed.map_or_else(queues, Ok))
        .map_err(|error| {
            format!("whether this kernel has queues for packets cannot be probed: {error}")
        })?;
    probed.map_err(|[nft, compat]| {
        format!(
            "this kernel can hand no packet to a queue: it has neither nf_tables' `queue` (CONFIG_NFT_QUEUE; {nft}) nor iptables' \
             NFQUEUE in nf_tables (CONFIG_NFT_COMPAT, CONFIG_NETFILTER_XT_TARGET_NFQUEUE; {compat})"
        )
    })
}

/// The form, or why the kernel has neither of them.
fn queues() -> Result<Result<QueueForm, [String; 2]>, Error> {
    let mut socket = Netfilter::open()?;
    let chain = ServiceChain {
        role: ChainRole::Queue,
        number: 1,
    };
    let mut refusal = |form| {
        let rules = vec![RawRule::plain(queue_expression(Queue(0), form))];
        let ops = [NftOp::AddChain(chain), NftOp::SetRules { chain, rules }];
        refused(&mut socket, NftStep::all(Subject::Hooks, ops))
    };
    let Some((_, nft)) = refusal(QueueForm::Nft)? else {
        return Ok(Ok(QueueForm::Nft));
    };
    Ok(match refusal(QueueForm::Compat)? {
        None => Ok(QueueForm::Compat),
        Some((_, compat)) => Err([nft.to_string(), compat.to_string()]),
    })
}

fn probe_offload() -> Result<(), String> {
    in_namespace(offload)
        .and_then(|probed| probed.map_or_else(offload, Ok))
        .map_err(|error| format!("whether this kernel has flowtables cannot be probed: {error}"))?
}

fn offload() -> Result<Result<(), String>, Error> {
    let mut steps = NftStep::all(Subject::Offload, [NftOp::AddFlowtable]);
    steps.extend(NftStep::all(Subject::Hooks, [NftOp::AddOffloadChain]));
    Ok(match refused(&mut Netfilter::open()?, steps)? {
        None => Ok(()),
        Some((Some(Subject::Offload), source)) => Err(format!(
            "this kernel has no flowtable (CONFIG_NF_FLOW_TABLE, CONFIG_NF_FLOW_TABLE_INET; {source})"
        )),
        Some((_, source)) => Err(format!(
            "this kernel cannot put flows into a flowtable (CONFIG_NFT_FLOW_OFFLOAD, CONFIG_NFT_FIB_INET; {source})"
        )),
    })
}

/// Sends the steps in a new table, with one at the end that deletes what is not there. What the kernel refused of them;
/// `None`: nothing.
fn refused(socket: &mut Netfilter, steps: Vec<NftStep>) -> Result<Option<Refusal>, Error> {
    let mut batch = NftStep::all(Subject::Hooks, [NftOp::AddTable]);
    batch.extend(steps);
    let absent = NftOp::DeleteChain(ServiceChain::slots(1));
    batch.extend(NftStep::all(Subject::Hairpin, [absent]));
    match socket.try_commit(TABLE, &batch) {
        Err(Failed::Refused(Some(Subject::Hairpin), _)) => Ok(None),
        Err(Failed::Refused(subject, source)) => Ok(Some((subject, source))),
        Err(failed @ Failed::Unsent(_)) => Err(failed.into()),
        // It cannot be.
        Ok(()) => Ok(Some((
            None,
            io::Error::other("the probe's batch was taken"),
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nftables::read::table;

    #[test]
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    fn a_probe_says_which_queue_form_there_is_and_leaves_no_table() {
        let probed = in_namespace(|| {
            let first = queues()?;
            let left = table(&mut Netfilter::open()?, TABLE)?;
            Ok((first, left.is_some()))
        });
        match probed.unwrap() {
            Some((form, left)) => {
                assert!(form.is_ok(), "{form:?}");
                assert!(!left);
            }
            None => eprintln!("SKIPPED: no network namespace can be made (run as root)"),
        }
    }

    #[test]
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    fn a_probe_says_whether_flows_can_be_offloaded_and_leaves_no_table() {
        let probed = in_namespace(|| {
            let first = offload()?;
            let left = table(&mut Netfilter::open()?, TABLE)?;
            Ok((first, left.is_some()))
        });
        match probed.unwrap() {
            Some((Ok(()), left)) => assert!(!left),
            Some((Err(why), left)) => {
                assert!(why.contains("CONFIG_"), "{why}");
                assert!(!left);
            }
            None => eprintln!("SKIPPED: no network namespace can be made (run as root)"),
        }
    }
}
