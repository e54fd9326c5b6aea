//! The rules of a service's chain of slots: one, or those of groups. Pure.

use super::expression::Family;
use super::group_rules::GroupRules;
use super::raw_rule::RawRule;
use super::slot_rule::{SlotChoice, SlotRule};

/// The rules of a service's chain `s<N>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SlotRules {
    /// Its one rule.
    One(SlotRule),
    /// Those of groups.
    Groups(GroupRules),
}

impl SlotRules {
    /// Whether the service is full NAT.
    pub(super) fn snat(&self) -> bool {
        match self {
            Self::One(rule) => rule.snat,
            Self::Groups(rules) => rules.snat,
        }
    }

    /// Number of the service's first slot, if it has any.
    pub(super) fn base(&self) -> Option<u32> {
        match self {
            Self::One(rule) => match rule.choice {
                SlotChoice::Refuse => None,
                SlotChoice::Slot { base, .. } => Some(base),
            },
            Self::Groups(rules) => Some(rules.base),
        }
    }

    /// As `nft` reads them.
    pub(super) fn text(&self, family: Family) -> String {
        match self {
            Self::One(rule) => rule.text(family),
            Self::Groups(rules) => rules.text(family),
        }
    }

    /// What the rules of the chain say, if all of them are ours.
    pub(super) fn parse(rules: &[RawRule], family: Family) -> Option<Self> {
        match rules {
            [raw] => SlotRule::parse(&raw.expressions, &raw.userdata, family).map(Self::One),
            _ => GroupRules::parse(rules, family).map(Self::Groups),
        }
    }
}
