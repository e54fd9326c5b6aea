//! `virtual_routes` and `virtual_rules`: the syntax of `ip route` and `ip rule`, as far as it is carried over.

use super::Translator;
use super::address::scope;
use crate::document::{Item, Source, Table, inline, quote};
use crate::note::Kind;
use crate::tree::{Comment, Statement, Word};

/// What is wrong with a line that is not carried over.
struct Left<'a> {
    word: Option<&'a Word>,
    why: &'static str,
}

/// Reads a line: the element that it becomes. The words that it goes without are added to the list, with why.
type Reading = for<'s> fn(&'s Statement, &mut Without<'s>) -> Result<String, Left<'s>>;
type Without<'s> = Vec<(&'s Word, &'static str)>;

/// Options of a route without which it leads to the same place.
const ROUTE_OPTIONS: &[&str] = &[
    "tos",
    "dsfield",
    "mtu",
    "hoplimit",
    "advmss",
    "rtt",
    "rttvar",
    "reordering",
    "window",
    "cwnd",
    "ssthresh",
    "realms",
    "realm",
    "rto_min",
    "initcwnd",
    "initrwnd",
    "features",
    "quickack",
    "congctl",
    "pref",
    "fastopen_no_cookie",
    "ttl-propagate",
    "protocol",
    "proto",
    "track_group",
    "expires",
];

/// A table's number, or one of the names that every system has.
fn table(text: &str) -> Option<String> {
    match text {
        "main" | "local" | "default" => Some(quote(text)),
        _ => text.parse::<u32>().ok().map(|n| n.to_string()),
    }
}

impl Translator<'_> {
    pub(super) fn routes(&mut self, block: &Statement, table: &mut Table) {
        self.lines(block, table, "route", route);
    }

    pub(super) fn rules(&mut self, block: &Statement, table: &mut Table) {
        self.lines(block, table, "rule", rule);
    }

    fn lines(&mut self, block: &Statement, table: &mut Table, key: &'static str, one: Reading) {
        if block.block.is_none() {
            self.wrong(block, "it needs a block: { ... }");
        }
        let keyword = block.keyword();
        let mut items: Vec<Item> = Vec::new();
        let header = block.lead.iter().chain(&block.trail);
        items.extend(header.cloned().map(Item::Remark));
        for line in block.statements() {
            let mut without = Vec::new();
            match one(line, &mut without) {
                Ok(text) => {
                    items.push(Item::Element(text, Source::statement(line)));
                    for (word, why) in without {
                        let what = format!("{}: {why}", word.text);
                        self.notes.add(Kind::NotCarried, word.place, keyword, what);
                    }
                }
                Err(left) => {
                    let place = line.place();
                    let at = left
                        .word
                        .map_or_else(|| line.text(), |word| word.text.clone());
                    let what = format!("{at}: {}", left.why);
                    self.notes.add(Kind::NotCarried, place, keyword, what);
                    items.extend(line.lead.iter().cloned().map(Item::Remark));
                    let text = format!("Not carried over: {}", line.text());
                    items.push(Item::Remark(Comment { text, place }));
                    items.extend(line.comments_within().into_iter().map(Item::Remark));
                }
            }
        }
        items.extend(block.tail().iter().cloned().map(Item::Remark));
        table.extend(key, items, &Source::statement(block));
    }
}

/// The routing table that a word means.
fn table_of(written: &Word) -> Result<String, Left<'_>> {
    table(&written.text).ok_or(Left {
        word: Some(written),
        why: "names of tables are not looked up: write the number",
    })
}

fn value<'s>(
    words: &mut impl Iterator<Item = &'s Word>,
    keyword: &'s Word,
) -> Result<&'s Word, Left<'s>> {
    words.next().ok_or(Left {
        word: Some(keyword),
        why: "it needs a value",
    })
}

fn route<'s>(line: &'s Statement, without: &mut Without<'s>) -> Result<String, Left<'s>> {
    let left = |word, why| {
        Err(Left {
            word: Some(word),
            why,
        })
    };
    let mut to = None;
    let mut pairs: Vec<(&str, String)> = Vec::new();
    let mut words = line.words.iter().peekable();
    while let Some(word) = words.next() {
        match word.text.as_str() {
            "to" => to = Some(value(&mut words, word)?.text.as_str()),
            "via" | "gw" => {
                words.next_if(|next| matches!(next.text.as_str(), "inet" | "inet6"));
                pairs.push(("via", quote(&value(&mut words, word)?.text)));
            }
            "dev" | "oif" => pairs.push(("interface", quote(&value(&mut words, word)?.text))),
            "src" => pairs.push(("source", quote(&value(&mut words, word)?.text))),
            "scope" => pairs.push(("scope", scope(&value(&mut words, word)?.text))),
            "metric" | "preference" | "priority" => {
                let written = value(&mut words, word)?;
                match written.text.parse::<u32>() {
                    Ok(n) => pairs.push(("metric", n.to_string())),
                    Err(_) => return left(written, "a metric is a whole number"),
                }
            }
            "table" => {
                pairs.push(("table", table_of(value(&mut words, word)?)?));
            }
            "or" | "nexthop" | "nhid" => return left(word, "a route has one gateway"),
            "encap" => return left(word, "routes do not encapsulate"),
            "blackhole" | "unreachable" | "prohibit" | "throw" | "local" | "broadcast"
            | "anycast" | "multicast" => {
                return left(
                    word,
                    "only routes to a gateway or an interface are carried over: add this one with a command of [vrrp.notify]",
                );
            }
            "unicast" | "inet" | "inet6" => {}
            "no_track" => without.push((word, "interfaces of routes are not watched anyway")),
            "onlink" | "append" => without.push((word, "the flag is not set")),
            option if ROUTE_OPTIONS.contains(&option) => {
                without.push((word, "the option is not set"));
                if words.next().is_some_and(|next| next.text == "lock") {
                    words.next();
                }
            }
            network
                if to.is_none()
                    && !network.starts_with(|c: char| {
                        c.is_ascii_alphabetic() && !c.is_ascii_hexdigit()
                    }) =>
            {
                to = Some(network);
            }
            "default" => to = Some("default"),
            _ => return left(word, "not understood in a route"),
        }
    }
    let Some(to) = to else {
        let why = "the route leads nowhere: it has no network";
        return Err(Left { word: None, why });
    };
    pairs.insert(0, ("to", quote(to)));
    if !pairs
        .iter()
        .any(|(key, _)| matches!(*key, "via" | "interface"))
    {
        let why = "the route has neither a gateway nor an interface";
        return Err(Left { word: None, why });
    }
    Ok(inline(&pairs))
}

/// A rule without one of its conditions would be for more packets than were meant: it is left out as a whole.
fn rule<'s>(line: &'s Statement, without: &mut Without<'s>) -> Result<String, Left<'s>> {
    let left = |word, why| {
        Err(Left {
            word: Some(word),
            why,
        })
    };
    let mut pairs: Vec<(&str, String)> = Vec::new();
    let mut words = line.words.iter();
    while let Some(word) = words.next() {
        match word.text.as_str() {
            key @ ("from" | "to") => {
                let network = value(&mut words, word)?;
                // Everything is what a rule is for that says nothing.
                if !matches!(network.text.as_str(), "all" | "any" | "default") {
                    let key = if key == "from" { "from" } else { "to" };
                    pairs.push((key, quote(&network.text)));
                }
            }
            "iif" | "dev" => pairs.push(("input", quote(&value(&mut words, word)?.text))),
            "oif" => pairs.push(("output", quote(&value(&mut words, word)?.text))),
            "fwmark" => {
                let written = value(&mut words, word)?;
                let mark = written.text.strip_prefix("0x").map_or_else(
                    || written.text.parse(),
                    |digits| u32::from_str_radix(digits, 16),
                );
                match mark {
                    Ok(n) => pairs.push(("mark", n.to_string())),
                    Err(_) => {
                        return left(written, "a mark is a whole number here, without a mask");
                    }
                }
            }
            "preference" | "priority" | "pref" | "order" => {
                let written = value(&mut words, word)?;
                match written.text.parse::<u32>() {
                    Ok(n) => pairs.push(("priority", n.to_string())),
                    Err(_) => return left(written, "a rule's place is a whole number"),
                }
            }
            "table" | "lookup" => {
                pairs.push(("table", table_of(value(&mut words, word)?)?));
            }
            "inet6" => pairs.push(("family", quote("ipv6"))),
            "inet" => pairs.push(("family", quote("ipv4"))),
            "no_track" => without.push((word, "rules are not watched anyway")),
            _ => {
                return left(
                    word,
                    "rules have from, to, iif, oif, fwmark, priority and table only: add this one with a command of [vrrp.notify]",
                );
            }
        }
    }
    if !pairs.iter().any(|(key, _)| *key == "table") {
        let why = "a rule names a table";
        return Err(Left { word: None, why });
    }
    Ok(inline(&pairs))
}
