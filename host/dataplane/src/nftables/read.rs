//! Reading our table, all of it and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use netlink_bindings::nftables::{PushFlowtableAttrs, PushRuleAttrs, PushSetAttrs, PushTableAttrs};
use netlink_bindings::utils::{find_attr, parse_be_u32};

use super::base_ruleset::BaseRuleset;
use super::chain::ServiceChain;
use super::dump::{elements, is_absent};
use super::element::Element;
use super::offload;
use super::raw_rule::RawRule;
use super::set::Set;
use super::socket::{Netfilter, interrupted_error, io_error, undisturbed};
use super::wire::{Head, UNSPEC, flags, kind, text};
use crate::Error;

/// All that is in our table.
#[derive(Debug, Clone, Default)]
pub(super) struct TableContents {
    pub(super) base: BaseRuleset,
    /// The services' chains, with their rules.
    pub(super) chains: BTreeMap<ServiceChain, Vec<RawRule>>,
    pub(super) elements: Vec<Element>,
    /// The flowtable's interfaces, if there is one.
    pub(super) offload: Option<BTreeSet<String>>,
    /// Something that no version of ours would have put there.
    pub(super) strange: Option<String>,
}

/// Reads a table. `None` if there is none.
pub(super) fn table(socket: &mut Netfilter, name: &str) -> Result<Option<TableContents>, Error> {
    undisturbed(|| {
        let before = generation(socket)?;
        let found = try_table(socket, name)?;
        let after = generation(socket)?;
        // Each dump on its own is whole, but they have to be of the same generation.
        if before == after {
            Ok(found)
        } else {
            Err(interrupted_error())
        }
    })
    .map_err(io_error("read the table"))
}

/// Whether there is any table of nf_tables in this thread's network namespace, whoever made it.
pub(crate) fn any() -> Result<bool, Error> {
    let mut some = false;
    let head = Head {
        family: UNSPEC,
        ..Head::new(kind::GET_TABLE, flags::DUMP)
    };
    Netfilter::open()?
        .ask(head, |_| {}, |_| some = true)
        .map_err(io_error("look for tables"))?;
    Ok(some)
}

/// Reads which interfaces the flowtable has; `None`: there is no flowtable.
pub(super) fn offload_interfaces(
    socket: &mut Netfilter,
    table: &str,
) -> Result<Option<BTreeSet<String>>, Error> {
    // A dump, since the answer to a request for one flowtable has no room for more than some 200 interfaces.
    let request = Head::new(kind::GET_FLOWTABLE, flags::DUMP);
    undisturbed(|| {
        let mut interfaces = None;
        socket.ask(
            request,
            |buf| name_flowtables(buf, table),
            |answer| {
                let attributes = answer.attributes();
                if attribute_text(attributes, 1) == Some(table)
                    && attribute_text(attributes, 2) == Some(offload::NAME)
                {
                    interfaces = Some(offload::interfaces(attributes));
                }
            },
        )?;
        Ok(interfaces)
    })
    .map_err(io_error("read the flowtable"))
}

fn name_flowtables(buf: &mut Vec<u8>, table: &str) {
    PushFlowtableAttrs::new(buf)
        .push_table_bytes(table.as_bytes())
        .end_nested();
}

fn try_table(socket: &mut Netfilter, name: &str) -> io::Result<Option<TableContents>> {
    let mut found = TableContents::default();
    let get = Head::new(kind::GET_TABLE, flags::ACK);
    let name_table = |buf: &mut Vec<u8>| {
        PushTableAttrs::new(buf)
            .push_name_bytes(name.as_bytes())
            .end_nested();
    };
    let there = socket.ask(get, name_table, |answer| {
        let table_flags = find_attr(answer.attributes(), 2).unwrap_or_default();
        found.base.set_flags(table_flags);
    });
    match there {
        Err(error) if is_absent(&error) => return Ok(None),
        other => other?,
    }
    // The table may go away while it is read: then nothing of it counts.
    contents(socket, name, &mut found).map_err(|error| {
        if is_absent(&error) {
            interrupted_error()
        } else {
            error
        }
    })?;
    Ok(Some(found))
}

fn contents(socket: &mut Netfilter, name: &str, found: &mut TableContents) -> io::Result<()> {
    let dump = |kind| Head::new(kind, flags::DUMP);
    // Of chains, the kernel lists those of all tables.
    socket.ask(
        dump(kind::GET_CHAIN),
        |_| {},
        |answer| {
            let attributes = answer.attributes();
            if attribute_text(attributes, 1) == Some(name)
                && let Some(chain) = attribute_text(attributes, 3)
            {
                match ServiceChain::named(chain).filter(|_| BaseRuleset::is_plain_chain(attributes))
                {
                    Some(chain) => {
                        found.chains.entry(chain).or_default();
                    }
                    None => found.base.add_chain(chain, attributes),
                }
            }
        },
    )?;
    let name_rules = |buf: &mut Vec<u8>| {
        PushRuleAttrs::new(buf)
            .push_table_bytes(name.as_bytes())
            .end_nested();
    };
    socket.ask(dump(kind::GET_RULE), name_rules, |answer| {
        let attributes = answer.attributes();
        let expressions = find_attr(attributes, 4).unwrap_or_default();
        if attribute_text(attributes, 1) == Some(name)
            && let Some(chain) = attribute_text(attributes, 2)
        {
            match ServiceChain::named(chain).and_then(|chain| found.chains.get_mut(&chain)) {
                Some(rules) => rules.push(RawRule {
                    expressions: expressions.to_vec(),
                    userdata: find_attr(attributes, 7).unwrap_or_default().to_vec(),
                }),
                None => found.base.add_rule(chain, expressions),
            }
        }
    })?;
    let name_sets = |buf: &mut Vec<u8>| {
        PushSetAttrs::new(buf)
            .push_table_bytes(name.as_bytes())
            .end_nested();
    };
    socket.ask(dump(kind::GET_SET), name_sets, |answer| {
        let attributes = answer.attributes();
        if attribute_text(attributes, 1) == Some(name)
            && let Some(set) = attribute_text(attributes, 2)
        {
            found.base.add_set(set, attributes);
        }
    })?;
    let flowtables = |buf: &mut Vec<u8>| name_flowtables(buf, name);
    socket.ask(dump(kind::GET_FLOWTABLE), flowtables, |answer| {
        let attributes = answer.attributes();
        if attribute_text(attributes, 1) == Some(name)
            && let Some(flowtable) = attribute_text(attributes, 2)
        {
            found.base.add_flowtable(flowtable, attributes);
            if flowtable == offload::NAME {
                found.offload = Some(offload::interfaces(attributes));
            }
        }
    })?;
    for set in Set::ALL {
        if !found.base.has_set(set.name()) {
            continue;
        }
        let TableContents {
            elements: all,
            strange,
            ..
        } = &mut *found;
        elements(socket, name, set, |element| match element {
            Some(element) => all.push(element),
            None => *strange = Some(format!("an element of {} is not ours", set.name())),
        })?;
    }
    Ok(())
}

/// Number of the latest change to any table in this namespace.
fn generation(socket: &mut Netfilter) -> io::Result<u32> {
    let mut id = 0;
    socket.ask(
        Head::new(kind::GET_GENERATION, flags::ACK),
        |_| {},
        |answer| {
            id = find_attr(answer.attributes(), 1)
                .and_then(parse_be_u32)
                .unwrap_or_default();
        },
    )?;
    Ok(id)
}

fn attribute_text(attributes: &[u8], kind: u16) -> Option<&str> {
    find_attr(attributes, kind).and_then(text)
}
