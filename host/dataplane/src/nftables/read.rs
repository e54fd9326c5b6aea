//! Reading our table, all of it and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use evenkeel_core::state::{BackendId, Counters};
use netlink_bindings::nftables::{
    PushFlowtableAttrs, PushRuleAttrs, PushSetAttrs, PushSetelemListAttrs, PushTableAttrs,
};
use netlink_bindings::utils::{IterableChunks, find_attr, parse_be_u32};

use super::element::{Chain, Element, Set};
use super::encode::push_elements;
use super::frame::Frame;
use super::layout::backend;
use super::rule::RawRule;
use super::short;
use super::socket::{Netfilter, interrupted_error, io_error, undisturbed};
use super::wire::{Head, Message, UNSPEC, flags, kind, text};
use crate::Error;

/// All that is in our table.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    pub(super) frame: Frame,
    /// The services' chains, with their rules.
    pub(super) chains: BTreeMap<Chain, Vec<RawRule>>,
    pub(super) elements: Vec<Element>,
    /// The flowtable's interfaces, if there is one.
    pub(super) short: Option<BTreeSet<String>>,
    /// Something that no version of ours would have put there.
    pub(super) strange: Option<String>,
}

/// Reads a table. `None` if there is none.
pub(super) fn table(socket: &mut Netfilter, name: &str) -> Result<Option<Found>, Error> {
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

/// Reads what every backend has counted.
pub(super) fn counters(
    socket: &mut Netfilter,
    table: &str,
) -> Result<BTreeMap<BackendId, Counters>, Error> {
    undisturbed(|| {
        // By mark: a backend whose service has just become full NAT, or ceased to be, may be there under both.
        let mut counts = BTreeMap::new();
        for set in [Set::Be4, Set::Be6] {
            let result = elements(socket, table, set, |element| {
                if let Some(Element::Backend { mark, count, .. }) = element {
                    counts.insert(mark, count);
                }
            });
            match result {
                Err(error) if is_absent(&error) => return Ok(BTreeMap::new()),
                other => other?,
            }
        }
        let mut counters: BTreeMap<BackendId, Counters> = BTreeMap::new();
        for (mark, count) in counts {
            if let Some(id) = backend(mark) {
                counters.entry(id).or_default().connections += count;
            }
        }
        Ok(counters)
    })
    .map_err(io_error("read the counters"))
}

/// Reads which interfaces the flowtable has; `None`: there is no flowtable.
pub(super) fn short_way(
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
                    && attribute_text(attributes, 2) == Some(short::NAME)
                {
                    interfaces = Some(short::interfaces(attributes));
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

/// Reads what these backends have counted. One that is not there has counted nothing.
pub(super) fn count(
    socket: &mut Netfilter,
    table: &str,
    backends: impl IntoIterator<Item = Element>,
) -> BTreeMap<BackendId, u64> {
    let mut counts = BTreeMap::new();
    for element in backends {
        let set = element.set();
        let request = Head::new(kind::GET_ELEMENT, flags::ACK);
        let asked = socket.ask(
            request,
            |buf| push_elements(table, buf, [&element], false),
            |answer| {
                each_element(answer, set, |element| {
                    if let Some(Element::Backend { mark, count, .. }) = element
                        && let Some(id) = backend(mark)
                    {
                        counts.insert(id, count);
                    }
                });
            },
        );
        if let Err(error) = asked {
            tracing::debug!(%error, "a backend's counter could not be read");
        }
    }
    counts
}

fn try_table(socket: &mut Netfilter, name: &str) -> io::Result<Option<Found>> {
    let mut found = Found::default();
    let get = Head::new(kind::GET_TABLE, flags::ACK);
    let name_table = |buf: &mut Vec<u8>| {
        PushTableAttrs::new(buf)
            .push_name_bytes(name.as_bytes())
            .end_nested();
    };
    let there = socket.ask(get, name_table, |answer| {
        let table_flags = find_attr(answer.attributes(), 2).unwrap_or_default();
        found.frame.set_flags(table_flags);
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

fn contents(socket: &mut Netfilter, name: &str, found: &mut Found) -> io::Result<()> {
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
                match Chain::named(chain).filter(|_| Frame::is_plain_chain(attributes)) {
                    Some(chain) => {
                        found.chains.entry(chain).or_default();
                    }
                    None => found.frame.add_chain(chain, attributes),
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
            match Chain::named(chain).and_then(|chain| found.chains.get_mut(&chain)) {
                Some(rules) => rules.push(RawRule {
                    expressions: expressions.to_vec(),
                    userdata: find_attr(attributes, 7).unwrap_or_default().to_vec(),
                }),
                None => found.frame.add_rule(chain, expressions),
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
            found.frame.add_set(set, attributes);
        }
    })?;
    let flowtables = |buf: &mut Vec<u8>| name_flowtables(buf, name);
    socket.ask(dump(kind::GET_FLOWTABLE), flowtables, |answer| {
        let attributes = answer.attributes();
        if attribute_text(attributes, 1) == Some(name)
            && let Some(flowtable) = attribute_text(attributes, 2)
        {
            found.frame.add_flowtable(flowtable, attributes);
            if flowtable == short::NAME {
                found.short = Some(short::interfaces(attributes));
            }
        }
    })?;
    for set in Set::ALL {
        if !found.frame.has_set(set.name()) {
            continue;
        }
        let Found {
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

/// Dumps a set's elements.
fn elements(
    socket: &mut Netfilter,
    table: &str,
    set: Set,
    mut each: impl FnMut(Option<Element>),
) -> io::Result<()> {
    let name_set = |buf: &mut Vec<u8>| {
        PushSetelemListAttrs::new(buf)
            .push_table_bytes(table.as_bytes())
            .push_set_bytes(set.name().as_bytes())
            .end_nested();
    };
    socket.ask(
        Head::new(kind::GET_ELEMENT, flags::DUMP),
        name_set,
        |answer| {
            each_element(answer, set, &mut each);
        },
    )
}

fn each_element(answer: &Message<'_>, set: Set, mut each: impl FnMut(Option<Element>)) {
    let list = find_attr(answer.attributes(), 3).unwrap_or_default();
    for (_, attributes) in IterableChunks::new(list) {
        each(Element::parse(set, attributes));
    }
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

fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}
