//! A whole table as text for `nft -f`. Pure.

use std::fmt::Write as _;

use evenkeel_core::state::BackendId;

use super::chain::ServiceChain;
use super::element::Element;
use super::expression::Family;
use super::layout::{Layout, hairpin_elements};
use super::set::Set;

/// Maps, sets and chains that every table of ours has; the inside of the table.
const BASE: &str = include_str!("base.nft");
/// Elements in one command: nft's parser slows down with very long lists.
const ELEMENTS: usize = 5_000;

/// The table with nothing in it but the base ruleset.
pub(super) fn base_ruleset(table: &str) -> String {
    format!("table inet {table} {{\n{BASE}}}\n")
}

/// Replaces the table, whether or not there is one, by one that holds `layout`. To be loaded in one go, and so without
/// an instant at which there is no table. `count`: how many connections a backend has had already.
pub(super) fn whole(table: &str, layout: &Layout, count: impl Fn(BackendId) -> u64) -> String {
    let mut text = format!(
        "table inet {table} {{}}\ndelete table inet {table}\n{}",
        base_ruleset(table)
    );
    if !layout.services.is_empty() {
        let _ = writeln!(text, "table inet {table} {{");
        for (key, held) in &layout.services {
            let rule = held.rules().text(Family::of(key.addr));
            let _ = writeln!(
                text,
                "\tchain {} {{ {rule}; }}",
                ServiceChain::slots(held.chain)
            );
        }
        text.push_str("}\n");
    }
    let mut elements = Elements {
        table,
        text,
        set: None,
        len: 0,
    };
    for held in layout.services.values() {
        held.slots().for_each(|element| elements.push(&element));
    }
    for v4 in [true, false] {
        let of_family = layout
            .services
            .iter()
            .filter(|(key, _)| key.addr.is_ipv4() == v4);
        for (_, held) in of_family.clone() {
            held.backends(&count)
                .for_each(|element| elements.push(&element));
        }
        for (key, held) in of_family.clone() {
            elements.push(&held.entry(*key));
        }
        for (_, held) in of_family {
            held.clients().for_each(|element| elements.push(&element));
        }
    }
    for element in hairpin_elements(&layout.hairpin) {
        elements.push(&element);
    }
    elements.end()
}

/// Collects elements into as few commands as possible.
struct Elements<'a> {
    table: &'a str,
    text: String,
    set: Option<Set>,
    len: usize,
}

impl Elements<'_> {
    fn push(&mut self, element: &Element) {
        if self.set == Some(element.set()) && self.len < ELEMENTS {
            self.text.push_str(",\n\t");
        } else {
            self.close();
            self.set = Some(element.set());
            let (table, set) = (self.table, element.set().name());
            let _ = write!(self.text, "add element inet {table} {set} {{\n\t");
        }
        self.len += 1;
        self.text.push_str(&element.text());
    }

    fn close(&mut self) {
        if self.set.take().is_some() {
            self.text.push_str("\n}\n");
        }
        self.len = 0;
    }

    fn end(mut self) -> String {
        self.close();
        self.text
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use evenkeel_core::model::{Protocol, ServiceKey};
    use evenkeel_core::state::{Selector, ServiceState, Spread, State};

    use super::*;

    fn id(n: u32) -> BackendId {
        BackendId::new(n).unwrap()
    }

    /// The rules' text has the layout of marks a second time.
    #[test]
    fn the_marks_in_the_text_are_those_of_the_layout() {
        use evenkeel_core::mark::{BACKEND, FULL_NAT, HEARTBEAT, REFUSED, SLOT, VERDICT_MARK};

        let numbers = |line: &str| -> Vec<u32> {
            line.split([' ', ';'])
                .filter_map(|word| u32::from_str_radix(word.strip_prefix("0x")?, 16).ok())
                .collect()
        };
        let mut marks: Vec<u32> = BASE.lines().flat_map(numbers).collect();
        marks.sort_unstable();
        let mut expected = vec![
            REFUSED,
            REFUSED,
            SLOT,
            SLOT | FULL_NAT,
            FULL_NAT,
            !BACKEND,
            !BACKEND,
            !BACKEND,
            HEARTBEAT,
            !VERDICT_MARK,
        ];
        expected.sort_unstable();
        assert_eq!(marks, expected);
    }

    #[test]
    fn a_table_is_replaced_by_the_base_ruleset_the_chains_and_the_elements() {
        let key = |addr: &str, protocol| ServiceKey {
            addr: addr.parse().unwrap(),
            port: 80,
            protocol,
        };
        let service = |snat, backends: &[(u32, &str)], spread| ServiceState {
            snat,
            backends: backends
                .iter()
                .map(|(n, a)| (id(*n), a.parse::<std::net::SocketAddr>().unwrap().into()))
                .collect(),
            spread,
            persistence: None,
            queue: None,
        };
        let slots = |selector, ids: &[u32]| Spread::Slots {
            selector,
            slots: ids.iter().copied().map(id).collect(),
        };
        let services = BTreeMap::from([
            (
                key("192.0.2.1", Protocol::Tcp),
                service(
                    false,
                    &[(1, "10.0.0.1:80"), (2, "10.0.0.2:80")],
                    slots(Selector::Sequence, &[1, 1, 2]),
                ),
            ),
            (
                key("2001:db8::1", Protocol::Udp),
                service(
                    true,
                    &[(3, "[fd00::3]:53")],
                    slots(Selector::HashSource, &[3]),
                ),
            ),
            (
                key("192.0.2.2", Protocol::Tcp),
                service(true, &[(4, "10.0.0.4:80")], Spread::Refuse),
            ),
        ]);
        let hairpin = ["10.0.0.0/8", "10.1.0.0/16"]
            .map(|n| n.parse().unwrap())
            .into();
        let layout = Layout::of(State {
            services,
            hairpin,
            ..State::default()
        })
        .unwrap();
        let count = |backend: BackendId| if backend == id(2) { 17 } else { 0 };
        let text = whole("evenkeel", &layout, count);
        insta::assert_snapshot!(text);
    }
}
