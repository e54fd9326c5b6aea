//! The messages of a batch's steps, and their attributes.

use std::borrow::Cow;

use netlink_bindings::nftables::{
    PushChainAttrs, PushRuleAttrs, PushSetelemListAttrs, PushTableAttrs,
};
use netlink_bindings::traits::Pusher as _;
use netlink_bindings::utils;

use super::chain::ServiceChain;
use super::element::Element;
use super::expression::{be32, bytes, nest};
use super::gone;
use super::hooks::{self, QUEUE_HOOKS};
use super::offload;
use super::raw_rule::RawRule;
use super::step::{NftOp, NftStep};
use super::wire::{Head, flags, kind, message};

/// Interfaces in one message: the kernel takes 256 (`NFT_NETDEVICE_MAX`).
const INTERFACES: usize = 128;

/// One message of a batch, apart from its header.
#[derive(Debug, Clone)]
pub(super) enum BatchMessage<'a> {
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
pub(super) fn messages(op: &NftOp) -> Vec<BatchMessage<'_>> {
    match op {
        NftOp::AddTable => vec![BatchMessage::NewTable],
        NftOp::AddChain(chain) => vec![BatchMessage::NewChain(chain.to_string(), None)],
        NftOp::DeleteChain(chain) => vec![BatchMessage::DeleteChain(chain.to_string())],
        NftOp::SetSlotRule {
            chain,
            family,
            rule,
        } => {
            let name = ServiceChain::slots(*chain).to_string();
            let rule = Cow::Owned(rule.raw(*family));
            vec![
                BatchMessage::DeleteRules(name.clone()),
                BatchMessage::NewRule(name, rule),
            ]
        }
        NftOp::SetRules { chain, rules } => {
            let name = chain.to_string();
            let rules = rules
                .iter()
                .map(|rule| BatchMessage::NewRule(name.clone(), Cow::Borrowed(rule)));
            [BatchMessage::DeleteRules(name.clone())]
                .into_iter()
                .chain(rules)
                .collect()
        }
        NftOp::AddQueueHooks => QUEUE_HOOKS
            .iter()
            .flat_map(|(name, hook, to)| {
                let name = (*name).to_owned();
                [
                    BatchMessage::NewChain(name.clone(), Some((*hook, hooks::PRIORITY))),
                    BatchMessage::NewRule(name, Cow::Owned(hooks::rule(to))),
                ]
            })
            .collect(),
        NftOp::DeleteQueueHooks => QUEUE_HOOKS
            .iter()
            .map(|(name, ..)| BatchMessage::DeleteChain((*name).to_owned()))
            .collect(),
        NftOp::AddGoneChains => {
            let new = |name: &str, hook| BatchMessage::NewChain(name.to_owned(), hook);
            let rule = |name: &str, rule| BatchMessage::NewRule(name.to_owned(), Cow::Owned(rule));
            let mut messages = vec![
                new(gone::CHAIN, None),
                new(gone::HOOKED, Some((gone::HOOK, gone::PRIORITY))),
            ];
            messages.extend(gone::rules().into_iter().map(|it| rule(gone::CHAIN, it)));
            messages.push(rule(gone::HOOKED, gone::hooked_rule()));
            messages
        }
        NftOp::DeleteGoneChains => [gone::HOOKED, gone::CHAIN]
            .map(|name| BatchMessage::DeleteChain(name.to_owned()))
            .into(),
        NftOp::AddFlowtable => vec![BatchMessage::NewFlowtable(&[])],
        NftOp::AddOffloadChain => vec![
            BatchMessage::NewChain(
                offload::NAME.to_owned(),
                Some((offload::HOOK, offload::PRIORITY)),
            ),
            BatchMessage::NewRule(offload::NAME.to_owned(), Cow::Owned(offload::rule())),
        ],
        NftOp::DeleteOffloadChain => vec![BatchMessage::DeleteChain(offload::NAME.to_owned())],
        NftOp::DeleteFlowtable => vec![BatchMessage::DeleteFlowtable(&[])],
        NftOp::AddInterfaces(names) => names
            .chunks(INTERFACES)
            .map(BatchMessage::NewFlowtable)
            .collect(),
        NftOp::DeleteInterfaces(names) => names
            .chunks(INTERFACES)
            .map(BatchMessage::DeleteFlowtable)
            .collect(),
        NftOp::Add(_) => vec![BatchMessage::AddElements],
        NftOp::Delete(_) => vec![BatchMessage::DeleteElements],
    }
}

impl BatchMessage<'_> {
    pub(super) fn push(
        &self,
        buf: &mut Vec<u8>,
        table: &str,
        run: &[NftStep],
        head: impl Fn(u16, u16) -> Head,
    ) {
        let elements = || run.iter().filter_map(NftStep::element);
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
                    offload::push(buf, table, names);
                });
            }
            Self::DeleteFlowtable([]) => message(buf, head(kind::DEL_FLOWTABLE, 0), |buf| {
                offload::name(buf, table);
            }),
            Self::DeleteFlowtable(names) => message(buf, head(kind::DEL_FLOWTABLE, 0), |buf| {
                offload::name_interfaces(buf, table, names);
            }),
        }
    }
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
