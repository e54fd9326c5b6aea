//! The one rule of a service's chain `s<N>`: as text for `nft`, and as the expressions that the kernel keeps. Pure.

use std::fmt::Write as _;

use evenkeel_core::mark::REFUSED;
use evenkeel_core::slot_hash::SEED;
use evenkeel_core::state::Selector;
use netlink_bindings::utils;

use super::expression::{
    Family, Load, NETWORK, TRANSPORT, be32, expression, of_family, payload, set_ct_mark,
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

impl SlotRule {
    /// As `nft` reads it.
    pub(super) fn text(self, family: Family) -> String {
        let ip = match family {
            Family::V4 => "ip",
            Family::V6 => "ip6",
        };
        let mut text = String::from("ct mark set ");
        // Writing to a String cannot fail.
        let _ = match self.choice {
            SlotChoice::Refuse => write!(text, "numgen inc mod 1 offset {REFUSED:#x}"),
            SlotChoice::Slot {
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
        comment_userdata(COMMENT, self.comment())
    }

    /// `NFTA_RULE_EXPRESSIONS`, without the attribute's own header.
    pub(super) fn expressions(self, family: Family) -> Vec<u8> {
        let mut buf = Vec::with_capacity(400);
        match self.choice {
            SlotChoice::Refuse => numgen(&mut buf, 1, 0, REFUSED),
            SlotChoice::Slot {
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
        let snat = [true, false].into_iter().find(|snat| {
            let rule = Self {
                choice: SlotChoice::Refuse,
                snat: *snat,
            };
            rule.userdata() == userdata
        })?;
        let choices = utils::IterableChunks::new(expressions).find_map(|(_, expression)| {
            let data = utils::find_attr(expression, 2)?;
            let number = |attribute| utils::parse_be_u32(utils::find_attr(data, attribute)?);
            let slot = |selector, count, base| SlotChoice::Slot {
                selector,
                count,
                base,
            };
            Some(match utils::find_attr(expression, 1)? {
                b"numgen\0" if number(4)? == REFUSED => vec![SlotChoice::Refuse],
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

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<SlotRule> {
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
        ]
        .into_iter()
        .flat_map(|choice| [true, false].map(|snat| SlotRule { choice, snat }))
        .collect()
    }

    #[test]
    fn every_rule_is_read_back_as_it_was_written() {
        for rule in all() {
            for family in [Family::V4, Family::V6] {
                let read = SlotRule::parse(&rule.expressions(family), &rule.userdata(), family);
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
                assert_ne!(
                    SlotRule::parse(&bad, &rule.userdata(), Family::V4),
                    Some(rule)
                );
            }
        }
    }

    #[test]
    fn the_text_of_every_rule_is_what_nft_reads() {
        let text: Vec<_> = all().iter().map(|rule| rule.text(Family::V6)).collect();
        insta::assert_snapshot!(text.join("\n"));
    }
}
