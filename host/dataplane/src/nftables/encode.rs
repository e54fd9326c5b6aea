//! Steps as one netlink batch: a transaction, all or nothing.

use std::borrow::Cow;

use netlink_bindings::nftables::{
    PushChainAttrs, PushRuleAttrs, PushSetelemListAttrs, PushTableAttrs,
};
use netlink_bindings::traits::Pusher as _;
use netlink_bindings::utils;

use super::change::{Op, Step, Subject};
use super::element::{Chain, Element};
use super::entry::jump;
use super::rule::{RawRule, be32, bytes, nest};
use super::short;
use super::wire::{Head, SUBSYS_NFTABLES, UNSPEC, flags, kind, message};

/// Elements in one message: an attribute's length has 16 bits, and an element is below 200 bytes.
const ELEMENTS: usize = 300;

/// Interfaces in one message: the kernel takes 256 (`NFT_NETDEVICE_MAX`).
const INTERFACES: usize = 128;

/// The base chains that there are while some service asks: name, `NF_INET_PRE_ROUTING` or `_LOCAL_OUT`, where they jump to.
pub(super) const HOOKS: [(&str, u32, &str); 2] =
    [("ask_prerouting", 0, "ask"), ("ask_output", 3, "local")];
/// Just before destinations are translated.
const PRIORITY: i32 = -101;

/// An encoded batch.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    /// What each message between begin and end is for.
    subjects: Vec<Subject>,
    first_seq: u32,
}

impl Batch {
    /// Encodes steps for a table. The messages are numbered from `first_seq` on; the last one that does something asks for an
    /// acknowledgement, since kernels before 6.10 do not acknowledge the end of a batch.
    pub(super) fn new(table: &str, first_seq: u32, steps: &[Step]) -> Self {
        let mut batch = Self {
            first_seq,
            ..Self::default()
        };
        batch.limit(kind::BATCH_BEGIN, first_seq);
        let mut rest = steps;
        while let Some(step) = rest.first() {
            let len = match step.op {
                Op::Add(_) | Op::Delete(_) => run(rest),
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

    fn step(&mut self, table: &str, step: &Step, run: &[Step], last: bool) {
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

/// One message.
#[derive(Debug, Clone)]
enum Part<'a> {
    NewTable,
    /// With the hook and the priority of a base chain of filters.
    NewChain(String, Option<(u32, i32)>),
    DeleteChain(String),
    /// Without a handle, all rules of the chain go: there is no need to know which were there.
    DeleteRules(String),
    NewRule(String, Cow<'a, RawRule>),
    AddElements,
    DeleteElements,
    /// Makes it, or adds interfaces to it.
    NewFlowtable(&'a [String]),
    /// Interfaces of it; without any, all of it.
    DeleteFlowtable(&'a [String]),
}

/// The messages of a step.
fn messages(op: &Op) -> Vec<Part<'_>> {
    match op {
        Op::AddTable => vec![Part::NewTable],
        Op::AddChain(chain) => vec![Part::NewChain(chain.to_string(), None)],
        Op::DeleteChain(chain) => vec![Part::DeleteChain(chain.to_string())],
        Op::SetRule {
            chain,
            family,
            rule,
        } => {
            let name = Chain::choice(*chain).to_string();
            let rule = Cow::Owned(rule.raw(*family));
            vec![Part::DeleteRules(name.clone()), Part::NewRule(name, rule)]
        }
        Op::SetRules { chain, rules } => {
            let name = chain.to_string();
            let rules = rules
                .iter()
                .map(|rule| Part::NewRule(name.clone(), Cow::Borrowed(rule)));
            [Part::DeleteRules(name.clone())]
                .into_iter()
                .chain(rules)
                .collect()
        }
        Op::AddHooks => HOOKS
            .iter()
            .flat_map(|(name, hook, to)| {
                let mut expressions = Vec::new();
                jump(&mut expressions, to);
                let rule = RawRule {
                    expressions,
                    userdata: Vec::new(),
                };
                [
                    Part::NewChain((*name).to_owned(), Some((*hook, PRIORITY))),
                    Part::NewRule((*name).to_owned(), Cow::Owned(rule)),
                ]
            })
            .collect(),
        Op::DeleteHooks => HOOKS
            .iter()
            .map(|(name, ..)| Part::DeleteChain((*name).to_owned()))
            .collect(),
        Op::AddFlowtable => vec![Part::NewFlowtable(&[])],
        Op::AddShortChain => vec![
            Part::NewChain(short::NAME.to_owned(), Some((short::HOOK, short::PRIORITY))),
            Part::NewRule(short::NAME.to_owned(), Cow::Owned(short::rule())),
        ],
        Op::DeleteShortChain => vec![Part::DeleteChain(short::NAME.to_owned())],
        Op::DeleteFlowtable => vec![Part::DeleteFlowtable(&[])],
        Op::AddInterfaces(names) => names.chunks(INTERFACES).map(Part::NewFlowtable).collect(),
        Op::DeleteInterfaces(names) => names
            .chunks(INTERFACES)
            .map(Part::DeleteFlowtable)
            .collect(),
        Op::Add(_) => vec![Part::AddElements],
        Op::Delete(_) => vec![Part::DeleteElements],
    }
}

impl Part<'_> {
    fn push(&self, buf: &mut Vec<u8>, table: &str, run: &[Step], head: impl Fn(u16, u16) -> Head) {
        let elements = || run.iter().filter_map(Step::element);
        match self {
            Self::NewTable => message(buf, head(kind::NEW_TABLE, flags::CREATE), |buf| {
                PushTableAttrs::new(buf)
                    .push_name_bytes(table.as_bytes())
                    .end_nested();
            }),
            Self::NewChain(name, hook) => {
                let head = head(kind::NEW_CHAIN, flags::CREATE | flags::EXCL);
                message(buf, head, |buf| {
                    name_chain(table, name, buf);
                    if let Some((hook, priority)) = hook {
                        nest(buf, 4, |buf| {
                            be32(buf, 1, *hook);
                            bytes(buf, 2, &priority.to_be_bytes());
                        });
                        bytes(buf, 7, b"filter\0");
                    }
                });
            }
            Self::DeleteChain(name) => message(buf, head(kind::DEL_CHAIN, 0), |buf| {
                name_chain(table, name, buf);
            }),
            Self::DeleteRules(name) => message(buf, head(kind::DEL_RULE, 0), |buf| {
                name_rule(table, name, buf);
            }),
            Self::NewRule(name, rule) => {
                let head = head(kind::NEW_RULE, flags::CREATE | flags::APPEND);
                message(buf, head, |buf| {
                    name_rule(table, name, buf);
                    let start = utils::push_nested_header(buf, 4);
                    buf.extend_from_slice(&rule.expressions);
                    utils::finalize_nested_header(buf, start);
                    if !rule.userdata.is_empty() {
                        PushRuleAttrs::new(&mut *buf)
                            .push_userdata(&rule.userdata)
                            .end_nested();
                    }
                });
            }
            Self::AddElements => {
                let head = head(kind::NEW_ELEMENT, flags::CREATE | flags::EXCL);
                message(buf, head, |buf| push_elements(table, buf, elements(), true));
            }
            Self::DeleteElements => message(buf, head(kind::DEL_ELEMENT, 0), |buf| {
                push_elements(table, buf, elements(), false);
            }),
            Self::NewFlowtable(names) => {
                message(buf, head(kind::NEW_FLOWTABLE, flags::CREATE), |buf| {
                    short::push(buf, table, names);
                });
            }
            Self::DeleteFlowtable([]) => message(buf, head(kind::DEL_FLOWTABLE, 0), |buf| {
                short::name(buf, table);
            }),
            Self::DeleteFlowtable(names) => message(buf, head(kind::DEL_FLOWTABLE, 0), |buf| {
                short::name_interfaces(buf, table, names);
            }),
        }
    }
}

impl Step {
    /// The element that is added or deleted.
    pub(super) fn element(&self) -> Option<&Element> {
        match &self.op {
            Op::Add(element) | Op::Delete(element) => Some(element),
            _ => None,
        }
    }
}

/// How many of the first steps go into one message: they do the same with the same set, for the same subject.
fn run(steps: &[Step]) -> usize {
    let like = |step: &Step| {
        let adds = matches!(step.op, Op::Add(_));
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

/// Writes the table, the set and a list of elements of that set, as messages about elements have them.
pub(super) fn push_elements<'a>(
    table: &str,
    buf: &mut Vec<u8>,
    elements: impl IntoIterator<Item = &'a Element>,
    whole: bool,
) {
    let mut elements = elements.into_iter().peekable();
    let Some(set) = elements.peek().map(|element| element.set()) else {
        return;
    };
    let mut list = PushSetelemListAttrs::new(&mut *buf)
        .push_table_bytes(table.as_bytes())
        .push_set_bytes(set.name().as_bytes())
        .nested_elements();
    for element in elements {
        list = element.push(list, whole);
    }
    list.end_nested().end_nested();
}

fn name_chain(table: &str, chain: &str, buf: &mut Vec<u8>) {
    PushChainAttrs::new(buf.as_vec_mut())
        .push_table_bytes(table.as_bytes())
        .push_name_bytes(chain.as_bytes())
        .end_nested();
}

fn name_rule(table: &str, chain: &str, buf: &mut Vec<u8>) {
    PushRuleAttrs::new(buf.as_vec_mut())
        .push_table_bytes(table.as_bytes())
        .push_chain_bytes(chain.as_bytes())
        .end_nested();
}

#[cfg(test)]
mod tests {
    use super::super::wire::Messages;
    use super::*;

    fn slots(n: u32) -> Vec<Step> {
        (0..n)
            .map(|slot| Step {
                subject: Subject::Hairpin,
                op: Op::Add(Element::Slot { slot, mark: 1 }),
            })
            .collect()
    }

    #[test]
    fn elements_of_one_set_share_a_message_up_to_what_one_can_hold() {
        let batch = Batch::new("t", 10, &slots(700));
        let kinds: Vec<_> = Messages::new(&batch.bytes).map(|m| m.kind).collect();
        let new = kind::NEW_ELEMENT;
        assert_eq!(kinds, [kind::BATCH_BEGIN, new, new, new, kind::BATCH_END]);
        assert_eq!(batch.last_seq(), 13);
    }

    #[test]
    fn interfaces_share_a_message_up_to_what_the_kernel_takes() {
        let names: Vec<String> = (0..300).map(|n| format!("eth{n}")).collect();
        let steps = [
            Op::DeleteInterfaces(names.clone()),
            Op::AddInterfaces(names),
        ]
        .map(|op| Step {
            subject: Subject::Offload,
            op,
        });
        let batch = Batch::new("t", 1, &steps);
        let messages: Vec<_> = Messages::new(&batch.bytes).collect();
        let of = |kind| messages.iter().filter(move |m| m.kind == kind);
        assert_eq!(of(kind::DEL_FLOWTABLE).count(), 3);
        let added: usize = of(kind::NEW_FLOWTABLE)
            .map(|m| short::interfaces(m.attributes()).len())
            .sum();
        assert_eq!(added, 300);
    }

    #[test]
    fn only_the_last_message_asks_for_an_answer_and_every_number_has_its_subject() {
        let key = evenkeel_core::model::ServiceKey {
            addr: [10, 0, 0, 1].into(),
            port: 80,
            protocol: evenkeel_core::model::Protocol::Tcp,
        };
        let rule = super::super::rule::Rule {
            choice: super::super::rule::Choice::Refuse,
            snat: false,
        };
        let subject = Subject::Service(key);
        let mut steps = slots(2);
        let family = super::super::rule::Family::V4;
        steps.push(Step {
            subject,
            op: Op::SetRule {
                chain: 1,
                family,
                rule,
            },
        });
        let batch = Batch::new("t", u32::MAX, &steps);
        let asking: Vec<_> = Messages::new(&batch.bytes)
            .filter(|m| m.flags & flags::ACK != 0)
            .map(|m| m.seq)
            .collect();
        assert_eq!(asking, [batch.last_seq()]);
        assert_eq!(batch.subject(0), Some(Subject::Hairpin));
        assert_eq!(batch.subject(batch.last_seq()), Some(subject));
        assert_eq!(batch.subject(u32::MAX), None);
    }
}
