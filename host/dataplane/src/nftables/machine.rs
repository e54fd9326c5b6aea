//! The ruleset of this machine, for `check`: rules of other programs that get in the way of balanced connections.
//!
//! [`ruleset`] reads it by `nft -j`; [`foreign_rules`] judges it and is pure. Seen is what nf_tables has, so iptables'
//! rules too where iptables is the one by nf_tables. What this version of the crate `nftables` does not know counts as
//! harmless.

mod reach;
#[cfg(test)]
mod tests;

use std::fmt;

use nftables::helper::{self, DEFAULT_NFT, NftablesError};
use nftables::schema::{Chain, NfListObject, NfObject, Nftables, Rule};
use nftables::stmt::Statement;
use nftables::types::{NfChainPolicy, NfFamily, NfHook};
use serde_json::Value;

use self::reach::Chains;
use crate::Error;

/// Chains that every version of our table has.
const OUR_CHAINS: [&str; 2] = ["dispatch", "be"];

/// Something in the ruleset that other programs have made and that gets in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignRule {
    family: NfFamily,
    /// Name of its table.
    pub table: String,
    /// Name of its chain; none if it is about the table.
    pub chain: Option<String>,
    /// What it does.
    pub effect: ForeignEffect,
}

/// What a foreign rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ForeignEffect {
    /// A base chain at the forward hook has the policy `drop`: what it does not accept is not forwarded.
    ForwardPolicy,
    /// A rule that packets at the forward hook get to drops or rejects all that have not been accepted before.
    ForwardDrop,
    /// A rule sets the connection mark, by which balanced connections are known.
    ConnectionMark,
    /// The table has the name of ours and is not ours: it would be replaced.
    TableName,
}

impl ForeignRule {
    /// Whether packets of this IP version (`v4`; otherwise IPv6) get there.
    #[must_use]
    pub fn sees(&self, v4: bool) -> bool {
        match self.family {
            NfFamily::IP => v4,
            NfFamily::IP6 => !v4,
            NfFamily::INet => true,
            NfFamily::ARP | NfFamily::Bridge | NfFamily::NetDev => false,
        }
    }

    /// The table as `nft` is told of it: family and name.
    #[must_use]
    pub fn table_words(&self) -> String {
        format!("{} {}", family_word(self.family), self.table)
    }
}

impl fmt::Display for ForeignRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table {}", self.table_words())?;
        match &self.chain {
            Some(chain) => write!(f, ", chain {chain}"),
            None => Ok(()),
        }
    }
}

/// Reads the ruleset of this thread's network namespace, without the elements of sets. Objects and rules that the crate
/// does not know are left out.
///
/// # Errors
/// [`Error::Nft`] if `nft` is not there, may not list it, or has no JSON.
pub fn ruleset() -> Result<Nftables<'static>, Error> {
    let json = helper::get_current_ruleset_raw(DEFAULT_NFT, ["-t", "list", "ruleset"]);
    parse(&json.map_err(nft_failed)?)
}

/// A ruleset as `nft -j` prints it. Objects and rules that the crate does not know are left out.
///
/// # Errors
/// [`Error::Nft`] if it is no ruleset at all.
pub fn parse(json: &str) -> Result<Nftables<'static>, Error> {
    let not_understood = |error: serde_json::Error| Error::Nft {
        stderr: format!("its JSON is not understood: {error}"),
    };
    let mut all: Value = serde_json::from_str(json).map_err(not_understood)?;
    let objects = all.get_mut("nftables").map(Value::take).unwrap_or_default();
    let objects: Vec<Value> = serde_json::from_value(objects).map_err(not_understood)?;
    let known = objects
        .into_iter()
        .filter_map(|object| serde_json::from_value(object).ok())
        .map(NfObject::ListObject);
    Ok(Nftables {
        objects: known.collect(),
    })
}

fn nft_failed(error: NftablesError) -> Error {
    let stderr = match error {
        NftablesError::NftFailed { stderr, .. } => stderr.trim().to_owned(),
        other => other.to_string(),
    };
    Error::Nft { stderr }
}

/// What of the ruleset gets in the way of balanced connections. `table`: the name of our table, which is left out.
#[must_use]
pub fn foreign_rules(ruleset: &Nftables<'static>, table: &str) -> Vec<ForeignRule> {
    let is_ours = |family: NfFamily, name: &str| family == NfFamily::INet && name == table;
    let mut found = Vec::new();
    if taken_by_others(ruleset, table) {
        found.push(ForeignRule {
            family: NfFamily::INet,
            table: table.to_owned(),
            chain: None,
            effect: ForeignEffect::TableName,
        });
    }
    let chains = Chains::of(objects(ruleset).filter(|object| match object {
        NfListObject::Chain(chain) => !is_ours(chain.family, &chain.table),
        NfListObject::Rule(rule) => !is_ours(rule.family, &rule.table),
        _ => false,
    }));
    for chain in chains.base() {
        if chain.hook == Some(NfHook::Forward) {
            if chain.policy == Some(NfChainPolicy::Drop) {
                found.push(of_chain(chain, ForeignEffect::ForwardPolicy));
            } else if let Some(rule) = chains.always_reached(chain).find(|rule| drops(rule)) {
                found.push(of_rule(rule, ForeignEffect::ForwardDrop));
            }
        }
        let marks = chains.reached(chain).filter(|rule| sets_mark(rule));
        found.extend(marks.map(|rule| of_rule(rule, ForeignEffect::ConnectionMark)));
    }
    found.retain(|it| it.sees(true) || it.sees(false));
    // A chain can be reached from several others, and have several such rules.
    let mut seen: Vec<ForeignRule> = Vec::new();
    for rule in found {
        if !seen.contains(&rule) {
            seen.push(rule);
        }
    }
    seen
}

fn objects<'a>(ruleset: &'a Nftables<'static>) -> impl Iterator<Item = &'a NfListObject<'static>> {
    ruleset.objects.iter().filter_map(|object| match object {
        NfObject::ListObject(object) => Some(object),
        NfObject::CmdObject(_) => None,
    })
}

/// Whether there is a table of our name without the chains that every table of ours has.
fn taken_by_others(ruleset: &Nftables<'static>, name: &str) -> bool {
    let named = |family, table: &str| family == NfFamily::INet && table == name;
    let there = objects(ruleset)
        .any(|object| matches!(object, NfListObject::Table(it) if named(it.family, &it.name)));
    let has = |ours: &&str| {
        objects(ruleset).any(|object| {
            matches!(object, NfListObject::Chain(it) if named(it.family, &it.table) && it.name == **ours)
        })
    };
    there && !OUR_CHAINS.iter().all(has)
}

/// Whether a rule drops or rejects every packet that gets to it.
fn drops(rule: &Rule<'static>) -> bool {
    let verdict = reach::outcome(rule);
    matches!(verdict, Some(Statement::Drop(_) | Statement::Reject(_)))
}

/// Whether a rule sets the connection mark.
fn sets_mark(rule: &Rule<'static>) -> bool {
    rule.expr.iter().any(|statement| match statement {
        Statement::Mangle(mangle) => reach::is_ct_mark(&mangle.key),
        // iptables' target, as nft names it since 1.0.3.
        Statement::XT(Some(target)) => target.get("name").is_some_and(|it| it == "CONNMARK"),
        _ => false,
    })
}

fn of_chain(chain: &Chain<'static>, effect: ForeignEffect) -> ForeignRule {
    ForeignRule {
        family: chain.family,
        table: chain.table.to_string(),
        chain: Some(chain.name.to_string()),
        effect,
    }
}

fn of_rule(rule: &Rule<'static>, effect: ForeignEffect) -> ForeignRule {
    ForeignRule {
        family: rule.family,
        table: rule.table.to_string(),
        chain: Some(rule.chain.to_string()),
        effect,
    }
}

fn family_word(family: NfFamily) -> &'static str {
    match family {
        NfFamily::IP => "ip",
        NfFamily::IP6 => "ip6",
        NfFamily::INet => "inet",
        NfFamily::ARP => "arp",
        NfFamily::Bridge => "bridge",
        NfFamily::NetDev => "netdev",
    }
}
