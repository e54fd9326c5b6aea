//! Handing packets to an NFQUEUE: the expression, and the chain `q<N>` of a queued service. Pure.

use evenkeel_core::model::Persistence;
use evenkeel_core::state::Queue;

use super::affinity::Affinity;
use super::expression::{Family, be32, bytes, expression, written};
use super::raw_rule::RawRule;

/// The expression by which a rule hands a packet to an NFQUEUE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueForm {
    /// nf_tables' own `queue` (the kernel's `CONFIG_NFT_QUEUE`).
    Nft,
    /// iptables' target `NFQUEUE`, in a rule of nf_tables (`CONFIG_NFT_COMPAT` and
    /// `CONFIG_NETFILTER_XT_TARGET_NFQUEUE`).
    Compat,
}

/// The chain that hands a service's new connections to an NFQUEUE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QueueChain {
    pub(super) persistence: Option<Persistence>,
    pub(super) queue: Queue,
}

impl QueueChain {
    /// A client whose last backend is still there is not queued; all others are.
    pub(super) fn rules(self, family: Family, form: QueueForm) -> Vec<RawRule> {
        let mut rules = Vec::new();
        if let Some(persistence) = self.persistence {
            let affinity = Affinity {
                family,
                persistence,
            };
            rules.push(affinity.is_known());
        }
        rules.push(queue_expression(self.queue, form));
        RawRule::all(rules, &self.queue.0.to_string())
    }

    /// The queue of these rules, if they are ours.
    pub(super) fn parse(
        rules: &[RawRule],
        family: Family,
        persistence: Option<Persistence>,
    ) -> Option<Queue> {
        let queue = Queue(rules.first()?.comment()?.parse().ok()?);
        let chain = Self { persistence, queue };
        [QueueForm::Nft, QueueForm::Compat]
            .into_iter()
            .any(|form| chain.rules(family, form) == rules)
            .then_some(queue)
    }
}

/// The packet goes to a queue, or on if nobody listens there.
pub(super) fn queue_expression(Queue(number): Queue, form: QueueForm) -> Vec<u8> {
    written(|buf| match form {
        QueueForm::Nft => expression(buf, "queue", |buf| {
            bytes(buf, 1, &number.to_be_bytes());
            bytes(buf, 2, &1u16.to_be_bytes());
            bytes(buf, 3, &1u16.to_be_bytes());
        }),
        QueueForm::Compat => expression(buf, "target", |buf| {
            bytes(buf, 1, b"NFQUEUE\0");
            // The revision whose options are number, count and flags (`struct xt_NFQ_info_v3`), padded to 8 bytes.
            be32(buf, 2, 3);
            let [a, b] = number.to_ne_bytes();
            let [c, d] = 1u16.to_ne_bytes();
            bytes(buf, 3, &[a, b, c, d, c, d, 0, 0]);
        }),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_queue_of_a_chain_is_read_back() {
        let mut persistences = vec![None];
        for (secs, prefix) in [(1, 1), (300, 24), (300, 32), (86_400, 128)] {
            let timeout = Duration::from_secs(secs);
            persistences.push(Some(Persistence { timeout, prefix }));
        }
        for persistence in persistences {
            for family in [Family::V4, Family::V6] {
                for form in [QueueForm::Nft, QueueForm::Compat] {
                    let queue = Queue(513);
                    let rules = QueueChain { persistence, queue }.rules(family, form);
                    assert_eq!(QueueChain::parse(&rules, family, persistence), Some(queue));
                }
            }
        }
    }
}
