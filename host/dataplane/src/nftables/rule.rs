//! The one rule of a service's chain, as text for `nft` and as the expressions that the kernel keeps.
//!
//! The expressions are written exactly as the kernel prints them in a dump (order of attributes, no `NLA_F_NESTED`), so that a
//! rule that was read is ours if and only if its bytes are those we would write.

use std::fmt::Write as _;

use evenkeel_core::mark::REFUSED;
use evenkeel_core::state::Selector;
use netlink_bindings::utils;

/// Seed of all hashes: fixed, so that both directors of a pair choose the same server.
const SEED: u32 = 0x4c42;

/// A rule as the kernel keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RawRule {
    /// `NFTA_RULE_EXPRESSIONS`, without the attribute's own header.
    pub(super) expressions: Vec<u8>,
    /// `NFTA_RULE_USERDATA`.
    pub(super) userdata: Vec<u8>,
}

/// Which addresses a service has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    pub(super) fn of(addr: std::net::IpAddr) -> Self {
        if addr.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// What a service's rule does with a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// Marks it as one to be refused: by a count to one, since setting a constant makes the kernel check the whole table, and
    /// takes 15 times as long among 10,000 services.
    Refuse,
    /// Marks it with one of `count` slots from `base` on.
    Slot {
        selector: Selector,
        count: u32,
        base: u32,
    },
}

/// The one rule of a service's chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) choice: Choice,
    /// Whether the service is full NAT. Does nothing in the rule (the backends' numbers tell), and is there for a service
    /// that has no backends.
    pub(super) snat: bool,
}

impl Rule {
    /// As `nft` reads it.
    pub(super) fn text(self, family: Family) -> String {
        let ip = match family {
            Family::V4 => "ip",
            Family::V6 => "ip6",
        };
        let mut text = String::from("ct mark set ");
        // Writing to a String cannot fail.
        let _ = match self.choice {
            Choice::Refuse => write!(text, "numgen inc mod 1 offset {REFUSED:#x}"),
            Choice::Slot {
                selector,
                count,
                base,
            } => match selector {
                Selector::Sequence => write!(text, "numgen inc mod {count} offset {base:#x}"),
                Selector::Random => write!(text, "numgen random mod {count} offset {base:#x}"),
                Selector::HashSource => {
                    write!(
                        text,
                        "jhash {ip} saddr mod {count} seed {SEED:#x} offset {base:#x}"
                    )
                }
                Selector::HashFlow => write!(
                    text,
                    "jhash {ip} saddr . th sport . {ip} daddr . th dport mod {count} seed {SEED:#x} offset {base:#x}"
                ),
            },
        };
        let _ = write!(text, " comment \"{}\"", self.comment());
        text
    }

    fn comment(self) -> &'static str {
        if self.snat { "snat" } else { "nat" }
    }

    /// `NFTA_RULE_USERDATA`: the comment in the form of nft's tools (type 0, length, text).
    pub(super) fn userdata(self) -> Vec<u8> {
        comment_userdata(0, self.comment())
    }

    /// `NFTA_RULE_EXPRESSIONS`, without the attribute's own header.
    pub(super) fn expressions(self, family: Family) -> Vec<u8> {
        let mut buf = Vec::with_capacity(400);
        match self.choice {
            Choice::Refuse => numgen(&mut buf, 1, 0, REFUSED),
            Choice::Slot {
                selector,
                count,
                base,
            } => match selector {
                Selector::Sequence => numgen(&mut buf, count, 0, base),
                Selector::Random => numgen(&mut buf, count, 1, base),
                Selector::HashSource => hash(&mut buf, family, &source(family), count, base),
                Selector::HashFlow => hash(&mut buf, family, &flow(family), count, base),
            },
        }
        // ct mark set: NFTA_CT_SREG, NFTA_CT_KEY = NFT_CT_MARK
        expression(&mut buf, "ct", |buf| {
            be32(buf, 4, 1);
            be32(buf, 2, 3);
        });
        buf
    }

    /// As it is in the kernel.
    pub(super) fn raw(self, family: Family) -> RawRule {
        RawRule {
            expressions: self.expressions(family),
            userdata: self.userdata(),
        }
    }

    /// The rule with these expressions and user data, if it is one of ours.
    pub(super) fn parse(expressions: &[u8], userdata: &[u8], family: Family) -> Option<Self> {
        let snat = [true, false].into_iter().find(|snat| {
            let rule = Self {
                choice: Choice::Refuse,
                snat: *snat,
            };
            rule.userdata() == userdata
        })?;
        let choices = utils::IterableChunks::new(expressions).find_map(|(_, expression)| {
            let data = utils::find_attr(expression, 2)?;
            let number = |attribute| utils::parse_be_u32(utils::find_attr(data, attribute)?);
            let slot = |selector, count, base| Choice::Slot {
                selector,
                count,
                base,
            };
            Some(match utils::find_attr(expression, 1)? {
                b"numgen\0" if number(4)? == REFUSED => vec![Choice::Refuse],
                b"numgen\0" => [Selector::Sequence, Selector::Random]
                    .map(|selector| Some(slot(selector, number(2)?, number(4)?)))
                    .into_iter()
                    .collect::<Option<_>>()?,
                b"hash\0" => [Selector::HashSource, Selector::HashFlow]
                    .map(|selector| Some(slot(selector, number(4)?, number(6)?)))
                    .into_iter()
                    .collect::<Option<_>>()?,
                _ => return None,
            })
        })?;
        choices
            .into_iter()
            .map(|choice| Self { choice, snat })
            .find(|rule| rule.expressions(family) == expressions)
    }
}

/// A comment as nft's tools keep it: type, length, text with NUL.
pub(super) fn comment_userdata(kind: u8, comment: &str) -> Vec<u8> {
    let mut data = vec![kind, u8::try_from(comment.len() + 1).unwrap_or(u8::MAX)];
    data.extend_from_slice(comment.as_bytes());
    data.push(0);
    data
}

/// A piece of the packet: register, `NFT_PAYLOAD_*_HEADER`, offset, length.
pub(super) type Load = (u32, u32, u32, u32);

/// Number of the header of IP and of what it carries.
pub(super) const NETWORK: u32 = 1;
pub(super) const TRANSPORT: u32 = 2;

fn source(family: Family) -> Vec<Load> {
    match family {
        Family::V4 => vec![(2, NETWORK, 12, 4)],
        Family::V6 => vec![(2, NETWORK, 8, 16)],
    }
}

/// Registers as nft lays out a concatenation: 2 is the second of 16 bytes, 8 and up are those of 4.
fn flow(family: Family) -> Vec<Load> {
    match family {
        Family::V4 => vec![
            (2, NETWORK, 12, 4),
            (13, TRANSPORT, 0, 2),
            (14, NETWORK, 16, 4),
            (15, TRANSPORT, 2, 2),
        ],
        Family::V6 => vec![
            (2, NETWORK, 8, 16),
            (3, TRANSPORT, 0, 2),
            (17, NETWORK, 24, 16),
            (21, TRANSPORT, 2, 2),
        ],
    }
}

fn numgen(buf: &mut Vec<u8>, count: u32, kind: u32, base: u32) {
    expression(buf, "numgen", |buf| {
        be32(buf, 1, 1);
        be32(buf, 2, count);
        be32(buf, 3, kind);
        be32(buf, 4, base);
    });
}

fn hash(buf: &mut Vec<u8>, family: Family, loads: &[Load], count: u32, base: u32) {
    of_family(buf, family);
    loads.iter().for_each(|load| payload(buf, *load));
    expression(buf, "hash", |buf| {
        be32(buf, 1, 2);
        be32(buf, 2, 1);
        be32(
            buf,
            3,
            loads
                .iter()
                .map(|(_, _, _, len)| len.next_multiple_of(4))
                .sum(),
        );
        be32(buf, 4, count);
        be32(buf, 5, SEED);
        be32(buf, 6, base);
        be32(buf, 7, 0);
    });
}

/// In an inet table nft puts a check of the family before what it reads of the network header.
pub(super) fn of_family(buf: &mut Vec<u8>, family: Family) {
    expression(buf, "meta", |buf| {
        be32(buf, 2, 15);
        be32(buf, 1, 1);
    });
    expression(buf, "cmp", |buf| {
        be32(buf, 1, 1);
        be32(buf, 2, 0);
        let number = match family {
            Family::V4 => 2,
            Family::V6 => 10,
        };
        nest(buf, 3, |buf| bytes(buf, 1, &[number]));
    });
}

/// Loads a piece of the packet.
pub(super) fn payload(buf: &mut Vec<u8>, (register, header, offset, len): Load) {
    expression(buf, "payload", |buf| {
        be32(buf, 1, register);
        be32(buf, 2, header);
        be32(buf, 3, offset);
        be32(buf, 4, len);
    });
}

/// `NFTA_LIST_ELEM` with `NFTA_EXPR_NAME` and `NFTA_EXPR_DATA`.
pub(super) fn expression(buf: &mut Vec<u8>, name: &str, data: impl FnOnce(&mut Vec<u8>)) {
    nest(buf, 1, |buf| {
        bytes(buf, 1, &[name.as_bytes(), &[0]].concat());
        nest(buf, 2, data);
    });
}

pub(super) fn nest(buf: &mut Vec<u8>, kind: u16, inner: impl FnOnce(&mut Vec<u8>)) {
    let start = utils::write_header(buf, kind);
    inner(buf);
    utils::finalize_nested_header(buf, start);
}

pub(super) fn be32(buf: &mut Vec<u8>, kind: u16, value: u32) {
    bytes(buf, kind, &value.to_be_bytes());
}

pub(super) fn bytes(buf: &mut Vec<u8>, kind: u16, value: &[u8]) {
    utils::push_header(buf, kind, u16::try_from(value.len()).unwrap_or(u16::MAX));
    buf.extend_from_slice(value);
    utils::align(buf);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Rule> {
        let slot = |selector| Choice::Slot {
            selector,
            count: 5,
            base: 0x4000_0040,
        };
        [
            Choice::Refuse,
            slot(Selector::Sequence),
            slot(Selector::Random),
            slot(Selector::HashSource),
            slot(Selector::HashFlow),
        ]
        .into_iter()
        .flat_map(|choice| [true, false].map(|snat| Rule { choice, snat }))
        .collect()
    }

    #[test]
    fn every_rule_is_read_back_as_it_was_written() {
        for rule in all() {
            for family in [Family::V4, Family::V6] {
                let read = Rule::parse(&rule.expressions(family), &rule.userdata(), family);
                assert_eq!(read, Some(rule));
            }
        }
    }

    #[test]
    fn a_rule_with_any_byte_changed_is_either_another_rule_of_ours_or_none() {
        for rule in all() {
            let good = rule.expressions(Family::V4);
            for at in 0..good.len() {
                let mut bad = good.clone();
                bad[at] ^= 0x10;
                assert_ne!(Rule::parse(&bad, &rule.userdata(), Family::V4), Some(rule));
            }
        }
    }

    #[test]
    fn the_text_of_every_rule_is_what_nft_reads() {
        let text: Vec<_> = all().iter().map(|rule| rule.text(Family::V6)).collect();
        insta::assert_snapshot!(text.join("\n"));
    }
}
