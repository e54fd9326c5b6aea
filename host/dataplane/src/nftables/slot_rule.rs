//! The one rule of a service's chain `s<N>`: as text for `nft`, and as the expressions that the kernel keeps. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use evenkeel_core::mark::REFUSED;
use evenkeel_core::slot_hash::SEED;
use evenkeel_core::state::{Prefixes, Selector};
use netlink_bindings::utils;

use super::expression::{
    Family, Load, NETWORK, TRANSPORT, and, be32, expression, of_family, payload, set_ct_mark,
};
use super::raw_rule::{COMMENT, RawRule, comment_userdata};

/// What a service's rule does with a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SlotChoice {
    /// Marks it as one to be refused: by a count to one, since setting a constant makes the kernel check the whole
    /// table, and takes 15 times as long among 10,000 services.
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
pub(super) struct SlotRule {
    pub(super) choice: SlotChoice,
    /// Whether the service is full NAT. Does nothing in the rule (the backends' numbers tell), and is there for a
    /// service that has no backends.
    pub(super) snat: bool,
}

impl SlotChoice {
    /// As `nft` reads it. `seed`: of a hash.
    pub(super) fn text(self, family: Family, seed: u32) -> String {
        let ip = match family {
            Family::V4 => "ip",
            Family::V6 => "ip6",
        };
        let choice = match self {
            Self::Refuse => format!("numgen inc mod 1 offset {REFUSED:#x}"),
            Self::Slot {
                selector,
                count,
                base,
            } => {
                let hash = |what: String| {
                    format!("jhash {what} mod {count} seed {seed:#x} offset {base:#x}")
                };
                match selector {
                    Selector::Sequence => format!("numgen inc mod {count} offset {base:#x}"),
                    Selector::Random => format!("numgen random mod {count} offset {base:#x}"),
                    Selector::HashSource => hash(format!("{ip} saddr")),
                    Selector::HashFlow => {
                        hash(format!("{ip} saddr . th sport . {ip} daddr . th dport"))
                    }
                    Selector::HashNetwork(prefixes) => {
                        let mask = netmask(family, prefixes);
                        hash(format!("{ip} saddr & {mask}"))
                    }
                }
            }
        };
        format!("ct mark set {choice}")
    }

    /// Appends the expressions that put the choice into the first register.
    pub(super) fn push(self, buf: &mut Vec<u8>, family: Family, seed: u32) {
        match self {
            Self::Refuse => Self::constant(buf, REFUSED),
            Self::Slot {
                selector,
                count,
                base,
            } => {
                let mut hashed = |loads: &[Load], mask: Option<&[u8]>| {
                    hash(buf, family, loads, mask, (count, base, seed));
                };
                match selector {
                    Selector::Sequence => numgen(buf, count, 0, base),
                    Selector::Random => numgen(buf, count, 1, base),
                    Selector::HashSource => hashed(&source(family), None),
                    Selector::HashFlow => hashed(&flow(family), None),
                    Selector::HashNetwork(prefixes) => {
                        let mask = octets(netmask(family, prefixes));
                        hashed(&source(family), Some(&mask));
                    }
                }
            }
        }
    }

    /// Appends an expression that puts a constant into the first register: a count to one, since an immediate value
    /// makes the kernel check the whole table.
    pub(super) fn constant(buf: &mut Vec<u8>, value: u32) {
        numgen(buf, 1, 0, value);
    }

    /// The choices that an expression of a rule may stand for: its other expressions tell which.
    pub(super) fn candidates(expressions: &[u8]) -> Option<Vec<Self>> {
        let mask = utils::IterableChunks::new(expressions).find_map(|(_, expression)| {
            let name = utils::find_attr(expression, 1)?;
            let data = utils::find_attr(expression, 2)?;
            if name != b"bitwise\0" {
                return None;
            }
            prefixes(utils::find_attr(utils::find_attr(data, 4)?, 1)?)
        });
        utils::IterableChunks::new(expressions).find_map(|(_, expression)| {
            let data = utils::find_attr(expression, 2)?;
            let number = |attribute| utils::parse_be_u32(utils::find_attr(data, attribute)?);
            let slot = |selector, count, base| Self::Slot {
                selector,
                count,
                base,
            };
            Some(match utils::find_attr(expression, 1)? {
                b"numgen\0" if number(4)? == REFUSED => vec![Self::Refuse],
                b"numgen\0" => [Selector::Sequence, Selector::Random]
                    .map(|selector| Some(slot(selector, number(2)?, number(4)?)))
                    .into_iter()
                    .collect::<Option<_>>()?,
                b"hash\0" => [Selector::HashSource, Selector::HashFlow]
                    .into_iter()
                    .chain(mask.map(Selector::HashNetwork))
                    .map(|selector| Some(slot(selector, number(4)?, number(6)?)))
                    .collect::<Option<_>>()?,
                _ => return None,
            })
        })
    }

    /// The first number that a choice can come to.
    pub(super) fn base(expressions: &[u8]) -> Option<u32> {
        match Self::candidates(expressions)?.first()? {
            Self::Refuse => None,
            Self::Slot { base, .. } => Some(*base),
        }
    }

    /// Whether a rule with this user data is of a service with full NAT; `None`: it is none of ours.
    pub(super) fn snat(userdata: &[u8]) -> Option<bool> {
        [true, false]
            .into_iter()
            .find(|snat| comment_userdata(COMMENT, comment(*snat)) == userdata)
    }
}

/// The comment on the rules of a service.
pub(super) fn comment(snat: bool) -> &'static str {
    if snat { "snat" } else { "nat" }
}

impl SlotRule {
    /// As `nft` reads it.
    pub(super) fn text(self, family: Family) -> String {
        format!(
            "{} comment \"{}\"",
            self.choice.text(family, SEED),
            comment(self.snat)
        )
    }

    /// `NFTA_RULE_USERDATA`: the comment in the form of nft's tools (type 0, length, text).
    pub(super) fn userdata(self) -> Vec<u8> {
        comment_userdata(COMMENT, comment(self.snat))
    }

    /// `NFTA_RULE_EXPRESSIONS`, without the attribute's own header.
    pub(super) fn expressions(self, family: Family) -> Vec<u8> {
        let mut buf = Vec::with_capacity(400);
        self.choice.push(&mut buf, family, SEED);
        set_ct_mark(&mut buf, 1);
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
        let snat = SlotChoice::snat(userdata)?;
        SlotChoice::candidates(expressions)?
            .into_iter()
            .map(|choice| Self { choice, snat })
            .find(|rule| rule.expressions(family) == expressions)
    }
}

/// The mask of a network.
fn netmask(family: Family, prefixes: Prefixes) -> IpAddr {
    let (bits, prefix) = match family {
        Family::V4 => (32, prefixes.v4),
        Family::V6 => (128, prefixes.v6),
    };
    let host = bits - u32::from(prefix).min(bits);
    let mask = u128::MAX.checked_shl(host).unwrap_or(0);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the mask of an IPv4 address"
    )]
    match family {
        Family::V4 => Ipv4Addr::from_bits(mask as u32).into(),
        Family::V6 => Ipv6Addr::from_bits(mask).into(),
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(it) => it.octets().to_vec(),
        IpAddr::V6(it) => it.octets().to_vec(),
    }
}

/// What is known of the prefixes by a mask: the other version's is whole.
fn prefixes(mask: &[u8]) -> Option<Prefixes> {
    let prefix = mask.iter().map(|byte| byte.count_ones()).sum::<u32>();
    let prefix = u8::try_from(prefix).ok()?;
    match mask.len() {
        4 => Some(Prefixes {
            v4: prefix,
            ..Prefixes::WHOLE
        }),
        16 => Some(Prefixes {
            v6: prefix,
            ..Prefixes::WHOLE
        }),
        _ => None,
    }
}

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

/// A hash of what is loaded, masked if there is a mask for the first register; `numbers`: of slots, the first slot, the
/// seed.
fn hash(
    buf: &mut Vec<u8>,
    family: Family,
    loads: &[Load],
    mask: Option<&[u8]>,
    (count, base, seed): (u32, u32, u32),
) {
    of_family(buf, family);
    loads.iter().for_each(|load| payload(buf, *load));
    if let Some(mask) = mask {
        and(buf, 2, mask);
    }
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
        be32(buf, 5, seed);
        be32(buf, 6, base);
        be32(buf, 7, 0);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(family: Family) -> Vec<SlotRule> {
        let network = Selector::HashNetwork(Prefixes { v4: 20, v6: 64 });
        let slot = |selector| SlotChoice::Slot {
            selector,
            count: 5,
            base: 0x4000_0040,
        };
        [
            SlotChoice::Refuse,
            slot(Selector::Sequence),
            slot(Selector::Random),
            slot(Selector::HashSource),
            slot(Selector::HashFlow),
            slot(network.in_family(family == Family::V4)),
        ]
        .into_iter()
        .flat_map(|choice| [true, false].map(|snat| SlotRule { choice, snat }))
        .collect()
    }

    #[test]
    fn every_rule_is_read_back_as_it_was_written() {
        for family in [Family::V4, Family::V6] {
            for rule in all(family) {
                let read = SlotRule::parse(&rule.expressions(family), &rule.userdata(), family);
                assert_eq!(read, Some(rule));
            }
        }
    }

    #[test]
    fn a_rule_with_any_byte_changed_is_either_another_rule_of_ours_or_none() {
        for rule in all(Family::V4) {
            let good = rule.expressions(Family::V4);
            for at in 0..good.len() {
                let mut bad = good.clone();
                bad[at] ^= 0x10;
                assert_ne!(
                    SlotRule::parse(&bad, &rule.userdata(), Family::V4),
                    Some(rule)
                );
            }
        }
    }

    #[test]
    fn the_text_of_every_rule_is_what_nft_reads() {
        let text: Vec<_> = all(Family::V6)
            .iter()
            .map(|rule| rule.text(Family::V6))
            .collect();
        insta::assert_snapshot!(text.join("\n"));
    }
}
