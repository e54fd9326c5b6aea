//! The part of our table that never changes, as it was read from the kernel; and how two of them differ. Pure.

use std::collections::BTreeMap;

use netlink_bindings::utils::{IterableChunks, find_attr};

use super::gone;
use super::hooks::QUEUE_HOOKS;
use super::offload;
use super::set::{DYNAMIC, Set};

/// Chains of the base ruleset: name, whether it is hooked, number of rules.
pub(super) const SHAPE: [(&str, bool, usize); 11] = [
    ("none", false, 2),
    ("be", false, 4),
    ("slot", false, 3),
    ("chosen", false, 1),
    ("by_verdict", false, 4),
    ("to_queue", false, 5),
    ("local", false, 2),
    ("dispatch", false, 4),
    ("prerouting", true, 1),
    ("output", true, 1),
    ("postrouting", true, 3),
];

/// Attributes by type, as far as they say what the thing is.
type Attributes = Vec<(u16, Vec<u8>)>;

/// A chain of the base ruleset, or one that should not be there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct BaseChain {
    attributes: Attributes,
    pub(super) rules: Vec<Vec<u8>>,
}

/// Everything in a table but the services' chains and the elements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct BaseRuleset {
    flags: Vec<u8>,
    pub(super) chains: BTreeMap<String, BaseChain>,
    sets: BTreeMap<String, Attributes>,
    pub(super) flowtables: BTreeMap<String, Attributes>,
}

impl BaseRuleset {
    /// `NFTA_TABLE_FLAGS`: a dormant table does nothing.
    pub(super) fn set_flags(&mut self, flags: &[u8]) {
        self.flags = flags.to_vec();
    }

    /// Adds a chain with the attributes of a `NFT_MSG_NEWCHAIN`.
    pub(super) fn add_chain(&mut self, name: &str, attributes: &[u8]) {
        // NFTA_CHAIN_HOOK, _POLICY, _TYPE, _FLAGS; not handles, counters and numbers of uses.
        let attributes = pick(attributes, &[4, 5, 7, 10]);
        self.chains.entry(name.to_owned()).or_default().attributes = attributes;
    }

    /// Adds a rule with these expressions at the end of a chain.
    pub(super) fn add_rule(&mut self, chain: &str, expressions: &[u8]) {
        let mut rule = Vec::with_capacity(expressions.len());
        for (_, expression) in IterableChunks::new(expressions) {
            match find_attr(expression, 1) {
                // What it has counted is no part of it.
                Some(name @ b"counter\0") => rule.extend_from_slice(name),
                _ => rule.extend_from_slice(expression),
            }
        }
        self.chains
            .entry(chain.to_owned())
            .or_default()
            .rules
            .push(rule);
    }

    /// Adds a set or map with the attributes of a `NFT_MSG_NEWSET`.
    pub(super) fn add_set(&mut self, name: &str, attributes: &[u8]) {
        // NFTA_SET_FLAGS, types and lengths, _POLICY, _DESC, _TIMEOUT, _GC_INTERVAL, _EXPR, _EXPRESSIONS.
        let attributes = pick(attributes, &[3, 4, 5, 6, 7, 8, 9, 11, 12, 17, 18]);
        self.sets.insert(name.to_owned(), attributes);
    }

    /// Adds a flowtable with the attributes of a `NFT_MSG_NEWFLOWTABLE`. Which interfaces it has is no part of the base
    /// ruleset.
    pub(super) fn add_flowtable(&mut self, name: &str, attributes: &[u8]) {
        // NFTA_FLOWTABLE_FLAGS; of NFTA_FLOWTABLE_HOOK, _NUM and _PRIORITY.
        let mut picked = pick(attributes, &[7]);
        picked.extend(pick(find_attr(attributes, 3).unwrap_or_default(), &[1, 2]));
        self.flowtables.insert(name.to_owned(), picked);
    }

    /// Whether it has the set.
    pub(super) fn has_set(&self, name: &str) -> bool {
        self.sets.contains_key(name)
    }

    /// Whether the chain carries attributes of a base chain.
    pub(super) fn is_plain_chain(attributes: &[u8]) -> bool {
        pick(attributes, &[4, 5, 7, 10]).is_empty()
    }

    /// Whether the hooks of the queues are there, or one of them.
    pub(super) fn is_hooked(&self) -> bool {
        QUEUE_HOOKS
            .iter()
            .any(|(name, ..)| self.chains.contains_key(*name))
    }

    /// Whether the chains are there that answer for servers that are gone, or one of them.
    pub(super) fn answers_for_gone(&self) -> bool {
        [gone::HOOKED, gone::CHAIN]
            .iter()
            .any(|name| self.chains.contains_key(*name))
    }

    /// Whether the flowtable is there, or the chain that puts flows into it.
    pub(super) fn is_offloading(&self) -> bool {
        self.chains.contains_key(offload::NAME) || self.flowtables.contains_key(offload::NAME)
    }

    /// What is in it and not in `other`.
    pub(super) fn without(mut self, other: &Self) -> Self {
        self.chains
            .retain(|name, _| !other.chains.contains_key(name));
        self.sets.retain(|name, _| !other.sets.contains_key(name));
        self.flowtables
            .retain(|name, _| !other.flowtables.contains_key(name));
        self
    }

    /// Takes in what is in `other`.
    pub(super) fn extend(&mut self, other: &Self) {
        self.chains.extend(other.chains.clone());
        self.sets.extend(other.sets.clone());
        self.flowtables.extend(other.flowtables.clone());
    }

    /// How it differs from what it should be.
    pub(super) fn difference(&self, wanted: &Self) -> Option<String> {
        if self.flags != wanted.flags {
            return Some("the table's flags were changed".to_owned());
        }
        differing("chain", &self.chains, &wanted.chains)
            .or_else(|| differing("set", &self.sets, &wanted.sets))
            .or_else(|| differing("flowtable", &self.flowtables, &wanted.flowtables))
    }

    /// How its outline (names, hooks, numbers of rules) differs from what it should be.
    pub(super) fn outline_difference(&self) -> Option<String> {
        let sets = Set::ALL.iter().find(|set| !self.has_set(set.name()));
        if let Some(set) = sets {
            return Some(format!("set {} is missing", set.name()));
        }
        if let Some(set) = DYNAMIC.iter().find(|set| !self.has_set(set)) {
            return Some(format!("set {set} is missing"));
        }
        let hooks = QUEUE_HOOKS.iter().map(|(name, ..)| (*name, true, 1));
        let hooks = hooks.filter(|_| self.is_hooked());
        let offload_chain = self.is_offloading().then_some((offload::NAME, true, 1));
        let gone = [(gone::HOOKED, true, 1), (gone::CHAIN, false, 3)];
        let gone = gone.into_iter().filter(|_| self.answers_for_gone());
        let expected: Vec<_> = SHAPE
            .into_iter()
            .chain(hooks)
            .chain(gone)
            .chain(offload_chain)
            .collect();
        let flowtables: Vec<&str> = self.flowtables.keys().map(String::as_str).collect();
        if flowtables != offload_chain.map(|(name, ..)| name).as_slice() {
            return Some("a flowtable is missing, or not ours".to_owned());
        }
        let shape = |name: &str, chain: &BaseChain| {
            let one = expected.iter().find(|(n, ..)| *n == name);
            one.is_some_and(|(_, hooked, rules)| {
                *hooked != chain.attributes.is_empty() && *rules == chain.rules.len()
            })
        };
        let wrong = self.chains.iter().find(|(name, chain)| !shape(name, chain));
        match wrong {
            Some((name, _)) => Some(format!("chain {name} was changed")),
            None if self.chains.len() < expected.len() => Some("a chain is missing".to_owned()),
            None => None,
        }
    }
}

/// The first thing that is in only one of two collections or differs between them.
fn differing<T: PartialEq>(
    what: &str,
    found: &BTreeMap<String, T>,
    wanted: &BTreeMap<String, T>,
) -> Option<String> {
    for (name, thing) in wanted {
        match found.get(name) {
            None => return Some(format!("{what} {name} is missing")),
            Some(other) if other != thing => return Some(format!("{what} {name} was changed")),
            Some(_) => {}
        }
    }
    let stray = found.keys().find(|name| !wanted.contains_key(*name));
    stray.map(|name| format!("{what} {name} is not ours"))
}

fn pick(attributes: &[u8], types: &[u16]) -> Attributes {
    IterableChunks::new(attributes)
        .filter(|(header, _)| types.contains(&header.r#type))
        .map(|(header, value)| (header.r#type, value.to_vec()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_what_differs() {
        let mut wanted = BaseRuleset::default();
        wanted.add_chain("be", &[]);
        wanted.add_set("slots", &[]);
        let mut found = wanted.clone();
        assert_eq!(found.difference(&wanted), None);
        found.add_rule("be", &[8, 0, 1, 0, 4, 0, 1, 0]);
        assert_eq!(found.difference(&wanted).unwrap(), "chain be was changed");
        found = wanted.clone();
        found.add_set("more", &[]);
        assert_eq!(found.difference(&wanted).unwrap(), "set more is not ours");
        assert_eq!(
            BaseRuleset::default().difference(&wanted).unwrap(),
            "chain be is missing"
        );
    }
}
