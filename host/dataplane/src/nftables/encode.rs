//! Steps as one netlink batch: a transaction, all or nothing.

use super::message::messages;
use super::step::{NftOp, NftStep, Subject};
use super::wire::{Head, SUBSYS_NFTABLES, UNSPEC, flags, kind, message};

/// Elements in one message: an attribute's length has 16 bits, and an element is below 200 bytes.
const ELEMENTS: usize = 300;

/// An encoded batch.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    /// What each message between begin and end is for.
    subjects: Vec<Subject>,
    first_seq: u32,
}

impl Batch {
    /// Encodes steps for a table. The messages are numbered from `first_seq` on; the last one that does something asks
    /// for an acknowledgement, since kernels before 6.10 do not acknowledge the end of a batch.
    pub(super) fn new(table: &str, first_seq: u32, steps: &[NftStep]) -> Self {
        let mut batch = Self {
            first_seq,
            ..Self::default()
        };
        batch.limit(kind::BATCH_BEGIN, first_seq);
        let mut rest = steps;
        while let Some(step) = rest.first() {
            let len = match step.op {
                NftOp::Add(_) | NftOp::Delete(_) => run(rest),
                _ => 1,
            };
            let (now, later) = rest.split_at(len);
            batch.step(table, step, now, later.is_empty());
            rest = later;
        }
        batch.limit(kind::BATCH_END, batch.next_seq());
        batch
    }

    /// The number of the message that is acknowledged if the batch has taken effect.
    pub(super) fn last_seq(&self) -> u32 {
        self.next_seq().wrapping_sub(1)
    }

    /// What the message with this number is for.
    pub(super) fn subject(&self, seq: u32) -> Option<Subject> {
        let index = seq.wrapping_sub(self.first_seq).checked_sub(1)?;
        self.subjects.get(usize::try_from(index).ok()?).copied()
    }

    /// The number that the next message gets: the one of the begin, then one per message.
    fn next_seq(&self) -> u32 {
        let messages = u32::try_from(self.subjects.len()).unwrap_or(u32::MAX);
        self.first_seq.wrapping_add(1).wrapping_add(messages)
    }

    fn limit(&mut self, kind: u16, seq: u32) {
        let head = Head {
            kind,
            flags: 0,
            seq,
            family: UNSPEC,
            res_id: SUBSYS_NFTABLES,
        };
        message(&mut self.bytes, head, |_| {});
    }

    fn step(&mut self, table: &str, step: &NftStep, run: &[NftStep], last: bool) {
        let messages = messages(&step.op);
        let len = messages.len();
        for (n, part) in messages.into_iter().enumerate() {
            let seq = self.next_seq();
            self.subjects.push(step.subject);
            let ack = if last && n + 1 == len { flags::ACK } else { 0 };
            let head = |kind, extra: u16| Head {
                seq,
                ..Head::new(kind, extra | ack)
            };
            part.push(&mut self.bytes, table, run, head);
        }
    }
}

/// How many of the first steps go into one message: they do the same with the same set, for the same subject.
fn run(steps: &[NftStep]) -> usize {
    let like = |step: &NftStep| {
        let adds = matches!(step.op, NftOp::Add(_));
        step.element()
            .map(|element| (adds, element.set(), step.subject))
    };
    let first = steps.first().and_then(like);
    steps
        .iter()
        .take(ELEMENTS)
        .take_while(|step| like(step) == first)
        .count()
}

#[cfg(test)]
mod tests;
