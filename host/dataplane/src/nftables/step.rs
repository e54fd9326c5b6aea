//! The steps of a change: what is to be done in the kernel, and for whom. Shared by what plans them and what encodes
//! them.

use std::fmt;

use evenkeel_core::model::ServiceKey;

use super::chain::ServiceChain;
use super::element::Element;
use super::expression::Family;
use super::raw_rule::RawRule;
use super::slot_rule::SlotRule;

/// What a step is a part of, for the message when the kernel refuses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Service(ServiceKey),
    Hairpin,
    /// The hooks of the queues, or what a feature probe tries.
    Hooks,
    /// The flowtable of established flows.
    Offload,
    /// What a change that came to no end has left.
    Strays,
    /// The chains that answer for servers that are gone.
    Gone,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(key) => write!(f, "the change of {key}"),
            Self::Hairpin => f.write_str("the change of the hairpin networks"),
            Self::Hooks => f.write_str("the hooks of the queues"),
            Self::Gone => f.write_str("the chains that answer for servers that are gone"),
            Self::Offload => f.write_str("the flowtable of established flows"),
            Self::Strays => f.write_str("the removal of what is no service's"),
        }
    }
}

/// One thing to do in a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NftOp {
    /// Only to try something.
    AddTable,
    AddChain(ServiceChain),
    /// With its rules.
    DeleteChain(ServiceChain),
    /// The chain is to have these rules and no others.
    SetRules {
        chain: ServiceChain,
        rules: Vec<RawRule>,
    },
    /// The base chains that lead to the queues.
    AddQueueHooks,
    DeleteQueueHooks,
    /// The chains that answer for servers that are gone.
    AddGoneChains,
    DeleteGoneChains,
    /// The flowtable, without interfaces.
    AddFlowtable,
    /// The base chain that puts flows into the flowtable.
    AddOffloadChain,
    DeleteOffloadChain,
    DeleteFlowtable,
    /// To the flowtable.
    AddInterfaces(Vec<String>),
    DeleteInterfaces(Vec<String>),
    /// The chain of a service's slots is to have this rule and no other.
    SetSlotRule {
        chain: u32,
        family: Family,
        rule: SlotRule,
    },
    Add(Element),
    Delete(Element),
}

/// One thing to do, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NftStep {
    pub(super) subject: Subject,
    pub(super) op: NftOp,
}

impl NftStep {
    /// The element that is added or deleted.
    pub(super) fn element(&self) -> Option<&Element> {
        match &self.op {
            NftOp::Add(element) | NftOp::Delete(element) => Some(element),
            _ => None,
        }
    }

    /// Steps that are all a part of the same.
    pub(super) fn all(subject: Subject, ops: impl IntoIterator<Item = NftOp>) -> Vec<Self> {
        ops.into_iter().map(|op| Self { subject, op }).collect()
    }
}
