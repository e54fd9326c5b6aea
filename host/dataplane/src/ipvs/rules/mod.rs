//! What IPVS cannot do by itself is done by iptables' rules, in chains of our own: full NAT, and queues for the
//! daemon's verdicts.
//!
//! - `rule`: the rules, as `iptables-save` prints them, and read back. Pure.
//! - `chain`: our chains in what `iptables-save` prints, and the text for `iptables-restore` that changes them. Pure.
//! - `tool`: which iptables there is, whether it can do that here, and running it.
//!
//! Only legacy and nf_tables' iptables know the match `ipvs`, so there is no way around them by netlink.

mod chain;
mod rule;
mod tool;

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_core::model::ServiceKey;
use evenkeel_core::state::Queue;
use ipnet::IpNet;

pub(super) use self::chain::Content;
pub(super) use self::rule::{Place, Rule, Table};
pub(super) use self::tool::{Tables, supported};

/// What is in our chains, each in its place; nothing where there is no chain.
pub(super) type Contents = BTreeMap<Place, Content>;

/// What the rules of all places come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) snat: BTreeSet<ServiceKey>,
    pub(super) hairpin: BTreeSet<IpNet>,
    pub(super) queues: BTreeMap<ServiceKey, Queue>,
}

impl Meaning {
    pub(super) fn of(contents: &Contents) -> Self {
        let mut meaning = Self::default();
        for rule in contents.values().flat_map(|content| &content.rules) {
            match rule {
                Rule::Alive => {}
                Rule::Snat(key) => {
                    meaning.snat.insert(*key);
                }
                Rule::Hairpin(network) => {
                    meaning.hairpin.insert(*network);
                }
                Rule::Queue(key, queue) => {
                    meaning.queues.insert(*key, *queue);
                }
            }
        }
        meaning
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The rules that say so.
    pub(super) fn rules(&self) -> BTreeMap<Place, BTreeSet<Rule>> {
        let mut rules: BTreeMap<Place, BTreeSet<Rule>> = BTreeMap::new();
        let nat = self.snat.iter().map(|key| Rule::Snat(*key));
        let nat = nat.chain(self.hairpin.iter().map(|it| Rule::Hairpin(*it)));
        for rule in nat {
            let place = Place::new(rule.family(), Table::Nat);
            rules.entry(place).or_default().insert(rule);
        }
        for (key, queue) in &self.queues {
            let rule = Rule::Queue(*key, *queue);
            let place = Place::new(rule.family(), Table::Mangle);
            rules.entry(place).or_default().extend([Rule::Alive, rule]);
        }
        rules
    }
}
