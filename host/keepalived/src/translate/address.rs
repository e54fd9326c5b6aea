//! `virtual_ipaddress` and `virtual_ipaddress_excluded`.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Translator, keywords};
use crate::document::{Item, Source, Table, inline, quote};
use crate::note::Kind;
use crate::tree::{Comment, Statement, Word};

/// The addresses of an instance so far.
#[derive(Debug)]
pub(super) struct Addresses {
    /// The instance's own interface.
    interface: Option<String>,
    seen: BTreeSet<IpAddr>,
    first_advertised: Option<IpAddr>,
    /// Whether `virtual_ipaddress` has IPv4 and IPv6.
    advertised_both: bool,
}

impl Addresses {
    pub(super) fn new(interface: Option<String>) -> Self {
        Self {
            interface,
            seen: BTreeSet::new(),
            first_advertised: None,
            advertised_both: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// The one that tells the family of the adverts.
    pub(super) fn first_advertised(&self) -> Option<IpAddr> {
        self.first_advertised
    }

    pub(super) fn advertised_both(&self) -> bool {
        self.advertised_both
    }

    pub(super) fn has_v4(&self) -> bool {
        self.seen.iter().any(IpAddr::is_ipv4)
    }
}

/// A line of the block.
#[derive(Default)]
struct Written<'a> {
    address: Option<(&'a str, IpAddr)>,
    interface: Option<&'a str>,
    label: Option<&'a Word>,
    scope: Option<&'a str>,
}

/// An address as keepalived takes it, with or without a prefix length.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.split('/').next().unwrap_or_default();
    bare.parse().ok()
}

/// A scope's name, or its number.
pub(super) fn scope(text: &str) -> String {
    match text.parse::<u8>() {
        Ok(number) => number.to_string(),
        Err(_) => quote(text),
    }
}

impl Translator<'_> {
    /// One of an instance's blocks of addresses; there may be several.
    pub(super) fn addresses(
        &mut self,
        block: &Statement,
        to: &mut Addresses,
        table: &mut Table,
        advertised: bool,
    ) {
        if block.block.is_none() {
            self.wrong(block, "it needs a block: { ... }");
        }
        let mut items: Vec<Item> = Vec::new();
        let header = block.lead.iter().chain(&block.trail);
        items.extend(header.cloned().map(Item::Remark));
        for line in block.statements() {
            match self.address(block.keyword(), line, to, advertised) {
                Some(text) => items.push(Item::Element(text, Source::statement(line))),
                None => {
                    let text = format!("Not carried over: {}", line.text());
                    let place = line.place();
                    items.extend(line.lead.iter().cloned().map(Item::Remark));
                    items.push(Item::Remark(Comment { text, place }));
                    items.extend(line.comments_within().into_iter().map(Item::Remark));
                }
            }
        }
        items.extend(block.tail().iter().cloned().map(Item::Remark));
        table.extend("address", items, &Source::statement(block));
    }

    fn address(
        &mut self,
        keyword: &str,
        line: &Statement,
        to: &mut Addresses,
        advertised: bool,
    ) -> Option<String> {
        let written = self.written(keyword, line);
        let Some((text, addr)) = written.address else {
            let what = format!("{}: there is no IP address in it", line.text());
            self.notes.add(Kind::Error, line.place(), keyword, what);
            return None;
        };
        if !to.seen.insert(addr) {
            let what = format!("{addr}: the instance has this address already");
            self.notes
                .add(Kind::NotCarried, line.place(), keyword, what);
            return None;
        }
        if advertised {
            let first = *to.first_advertised.get_or_insert(addr);
            to.advertised_both |= first.is_ipv4() != addr.is_ipv4();
        }
        let mut pairs = vec![("address", quote(text))];
        if let Some(interface) = written.interface {
            pairs.push(("interface", quote(interface)));
        }
        let interface = written.interface.or(to.interface.as_deref());
        if let Some(label) = written.label
            && self.label_fits(keyword, label, addr, interface)
        {
            pairs.push(("label", quote(&label.text)));
        }
        if let Some(name) = written.scope {
            pairs.push(("scope", scope(name)));
        }
        if !advertised {
            pairs.push(("advertised", "false".to_owned()));
        }
        // One key alone is the same as its value.
        match pairs.as_slice() {
            [(_, address)] => Some(address.clone()),
            pairs => Some(inline(pairs)),
        }
    }

    /// The words of a line. The address may stand anywhere among them.
    fn written<'s>(&mut self, keyword: &str, line: &'s Statement) -> Written<'s> {
        let mut written = Written::default();
        let mut words = line.words.iter();
        while let Some(word) = words.next() {
            match word.text.as_str() {
                "dev" => written.interface = words.next().map(|word| word.text.as_str()),
                "label" => written.label = words.next(),
                "scope" => written.scope = words.next().map(|word| word.text.as_str()),
                text => match (keywords::why(keywords::ADDRESS, text), address(text)) {
                    (Some(why), _) => {
                        if matches!(
                            text,
                            "brd" | "broadcast" | "peer" | "track_group" | "preferred_lft"
                        ) {
                            words.next();
                        }
                        let what = format!("{text}: {why}");
                        self.notes.add(Kind::NotCarried, word.place, keyword, what);
                    }
                    (None, Some(addr)) if written.address.is_none() => {
                        written.address = Some((text, addr));
                    }
                    (None, _) => {
                        let what = format!("{text}: expected an IP address, dev, label or scope");
                        self.notes.add(Kind::Error, word.place, keyword, what);
                    }
                },
            }
        }
        for inner in line.statements() {
            let what = "an address takes no block";
            self.notes
                .add(Kind::Error, inner.place(), inner.keyword(), what);
        }
        written
    }

    /// A label that the kernel would take, but nobody could read.
    fn label_fits(
        &mut self,
        keyword: &str,
        label: &Word,
        addr: IpAddr,
        interface: Option<&str>,
    ) -> bool {
        let begins = interface.is_some_and(|interface| {
            let rest = label.text.strip_prefix(interface);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        });
        let why = if addr.is_ipv6() {
            "IPv6 addresses have no labels"
        } else if !begins {
            "a label is the interface's name, with : and more behind it"
        } else if label.text.len() > 15 {
            "a label has 15 bytes at most"
        } else {
            return true;
        };
        let what = format!("label {}: {why}", label.text);
        self.notes.add(Kind::NotCarried, label.place, keyword, what);
        false
    }
}
