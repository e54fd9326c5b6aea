//! The rules of a service's chain `s<N>` whose spread is one of groups: as text for `nft`, and as the expressions that
//! the kernel keeps. Pure.
//!
//! The connection's mark is the group that it is in, until a slot of a group of servers has been chosen: for the first
//! group the service's key in the maps of clients' networks, for each other one [`group_mark`]. The rules are in the order of the
//! groups, and groups lead to later ones only, so one pass over them comes to an end. None but those of splits has a
//! verdict: replacing a rule with one makes the kernel check the whole table.

use std::fmt::Write as _;

use evenkeel_core::groups::{Group, Groups, MAX_GROUPS, seed};
use evenkeel_core::mark::group_mark;

use super::expression::be32;
use super::expression::{
    Family, NETWORK, compare, ct_mark, expression, jump, lookup, of_family, payload, set_ct_mark,
    written,
};
use super::raw_rule::RawRule;
use super::slot_rule::{SlotChoice, comment};

/// What one group's rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GroupRule {
    pub(super) choice: SlotChoice,
    /// Whether its slots lead to groups.
    pub(super) split: bool,
}

/// The rules of a service's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GroupRules {
    /// Number of the service's first slot.
    pub(super) base: u32,
    /// Where some clients begin in another group than the first: the service's key in the map `net4` or `net6`.
    pub(super) key: Option<u32>,
    pub(super) groups: Vec<GroupRule>,
    /// Whether the service is full NAT.
    pub(super) snat: bool,
}

impl GroupRules {
    /// The rules for these groups, whose slots are one after the other from `base` on. `key`: of the clients, if any
    /// begin in another group than the first.
    pub(super) fn of(groups: &Groups, base: u32, key: u32, snat: bool) -> Self {
        let mut next = base;
        let rule = |group: &Group| {
            let (choice, split) = match group {
                Group::Refuse => (SlotChoice::Refuse, false),
                Group::Servers { selector, .. } | Group::Split { selector, .. } => {
                    // At most MAX_SLOTS.
                    let count = u32::try_from(group.slots()).unwrap_or(u32::MAX);
                    let choice = SlotChoice::Slot {
                        selector: *selector,
                        count,
                        base: next,
                    };
                    next = next.saturating_add(count);
                    (choice, matches!(group, Group::Split { .. }))
                }
            };
            GroupRule { choice, split }
        };
        Self {
            base,
            key: (!groups.clients.is_empty()).then_some(key),
            groups: groups.groups.iter().map(rule).collect(),
            snat,
        }
    }

    /// As `nft` reads them.
    pub(super) fn text(&self, family: Family) -> String {
        let (ip, map) = names(family);
        let comment = comment(self.snat);
        let mut text = String::new();
        // Writing to a String cannot fail.
        if let Some(key) = self.key {
            let _ = write!(
                text,
                "ct mark set numgen inc mod 1 offset {key:#x} comment \"{comment}\"; \
                 ct mark set {ip} saddr . ct mark map @{map} comment \"{comment}\"; "
            );
        }
        for (number, group) in self.groups.iter().enumerate() {
            if let Some(mark) = self.condition(number) {
                let _ = write!(text, "ct mark {mark:#x} ");
            }
            text.push_str(&group.choice.text(family, seed(number)));
            if group.split {
                text.push_str(" jump chosen");
            }
            let _ = write!(text, " comment \"{comment}\"; ");
        }
        text.truncate(text.trim_end_matches("; ").len());
        text
    }

    /// As they are in the kernel.
    pub(super) fn raw(&self, family: Family) -> Vec<RawRule> {
        let mut rules = Vec::new();
        if let Some(key) = self.key {
            rules.push(written(|buf| begin(buf, key)));
            rules.push(written(|buf| ask(buf, family)));
        }
        for (number, group) in self.groups.iter().enumerate() {
            rules.push(self.group_rule(number, *group, family));
        }
        RawRule::all(rules, comment(self.snat))
    }

    /// What the rules of the chain say, if all of them are ours.
    pub(super) fn parse(rules: &[RawRule], family: Family) -> Option<Self> {
        let snat = SlotChoice::snat(&rules.first()?.userdata)?;
        let mut read = Self {
            base: 0,
            key: None,
            groups: Vec::new(),
            snat,
        };
        let mut rest = rules;
        if let [first, second, others @ ..] = rules
            && second.expressions == written(|buf| ask(buf, family))
        {
            read.key = Some(SlotChoice::base(&first.expressions)?);
            rest = others;
        }
        if rest.len() > MAX_GROUPS {
            return None;
        }
        read.base = rest
            .iter()
            .find_map(|rule| SlotChoice::base(&rule.expressions))?;
        for (number, raw) in rest.iter().enumerate() {
            let choices = SlotChoice::candidates(&raw.expressions)?;
            let rules = choices
                .into_iter()
                .flat_map(|choice| [false, true].map(|split| GroupRule { choice, split }));
            let found = rules
                .into_iter()
                .find(|rule| read.group_rule(number, *rule, family) == raw.expressions)?;
            read.groups.push(found);
        }
        (read.raw(family) == rules).then_some(read)
    }

    /// The mark that the connections of a group have; `None`: all come to it.
    fn condition(&self, group: usize) -> Option<u32> {
        match group {
            0 => self.key,
            // At most MAX_GROUPS.
            other => Some(group_mark(other)),
        }
    }

    fn group_rule(&self, number: usize, rule: GroupRule, family: Family) -> Vec<u8> {
        written(|buf| {
            if let Some(mark) = self.condition(number) {
                ct_mark(buf, 1);
                compare(buf, true, &mark.to_ne_bytes());
            }
            rule.choice.push(buf, family, seed(number));
            set_ct_mark(buf, 1);
            if rule.split {
                jump(buf, "chosen");
            }
        })
    }
}

fn names(family: Family) -> (&'static str, &'static str) {
    match family {
        Family::V4 => ("ip", "net4"),
        Family::V6 => ("ip6", "net6"),
    }
}

/// Everybody begins in the first group.
fn begin(buf: &mut Vec<u8>, key: u32) {
    SlotChoice::constant(buf, key);
    set_ct_mark(buf, 1);
}

/// The group of the client's network becomes the mark, if it has one. The key ends with the mark, in network order as
/// nft has what it looks up in intervals.
fn ask(buf: &mut Vec<u8>, family: Family) {
    let (source, mark) = match family {
        Family::V4 => ((1, NETWORK, 12, 4), 9),
        Family::V6 => ((1, NETWORK, 8, 16), 2),
    };
    of_family(buf, family);
    payload(buf, source);
    ct_mark(buf, mark);
    expression(buf, "byteorder", |buf| {
        be32(buf, 1, mark);
        be32(buf, 2, mark);
        // NFT_BYTEORDER_HTON
        be32(buf, 3, 1);
        be32(buf, 4, 4);
        be32(buf, 5, 4);
    });
    lookup(buf, names(family).1, 1, 1);
    set_ct_mark(buf, 1);
}

#[cfg(test)]
mod tests {
    use evenkeel_core::groups::Clients;
    use evenkeel_core::state::{BackendId, Prefixes, Selector};

    use super::*;

    const BASE: u32 = 0x4000_0040;
    const KEY: u32 = 0x0200_000f;

    fn all() -> Vec<GroupRules> {
        let servers = |selector| Group::Servers {
            selector,
            slots: vec![BackendId::new(1).unwrap(), BackendId::new(2).unwrap()],
        };
        let split = |selector| Group::Split {
            selector,
            slots: vec![1, 2, 3],
        };
        let network = Selector::HashNetwork(Prefixes { v4: 24, v6: 64 });
        let clients = vec![Clients {
            first: [10, 0, 0, 0].into(),
            last: [10, 0, 0, 9].into(),
            group: 1,
        }];
        let shapes = [
            vec![
                split(Selector::HashSource),
                servers(Selector::HashSource),
                Group::Refuse,
                servers(Selector::Sequence),
            ],
            vec![
                split(Selector::Random),
                split(network),
                servers(Selector::HashFlow),
                servers(network),
            ],
            vec![Group::Refuse, servers(Selector::Sequence)],
        ];
        let mut all = Vec::new();
        for groups in shapes {
            for clients in [Vec::new(), clients.clone()] {
                for (snat, v4) in [(false, true), (true, false)] {
                    let groups = Groups {
                        groups: groups.clone(),
                        clients: clients.clone(),
                    };
                    // The clients' own family does not matter here.
                    let kept = groups.clients.clone();
                    let groups = Groups {
                        clients: kept,
                        ..groups.in_family(v4)
                    };
                    all.push(GroupRules::of(&groups, BASE, KEY, snat));
                }
            }
        }
        all
    }

    fn family(rules: &GroupRules) -> Family {
        if rules.snat { Family::V6 } else { Family::V4 }
    }

    #[test]
    fn rules_of_groups_are_read_back_as_they_were_written() {
        for rules in all() {
            let family = family(&rules);
            assert_eq!(
                GroupRules::parse(&rules.raw(family), family),
                Some(rules.clone())
            );
        }
    }

    #[test]
    fn a_rule_of_a_group_that_was_edited_is_not_ours() {
        for rules in all() {
            let family = family(&rules);
            let good = rules.raw(family);
            for at in 0..good.len() {
                for byte in (0..good[at].expressions.len()).step_by(3) {
                    let mut bad = good.clone();
                    bad[at].expressions[byte] ^= 0x10;
                    assert_ne!(GroupRules::parse(&bad, family), Some(rules.clone()));
                }
                let mut bad = good.clone();
                bad[at].userdata.push(1);
                assert_eq!(GroupRules::parse(&bad, family), None);
            }
        }
    }

    #[test]
    fn the_text_of_the_rules_of_groups_is_what_nft_reads() {
        let text: Vec<_> = all()
            .iter()
            .map(|rules| rules.text(family(rules)).replace("; ", "\n"))
            .collect();
        insta::assert_snapshot!(text.join("\n\n"));
    }
}
