//! The rules around a service's choice of a slot: the client's last backend, what the daemon has decided, and the question to it. Pure.
//!
//! They are written exactly as the kernel prints them in a dump, as is the service's own rule (see `rule`).

use std::time::Duration;

use evenkeel_core::mark::{REFUSED, SLOT, VERDICT_MARK};
use evenkeel_core::model::Persistence;
use evenkeel_core::state::Queue;

use super::element::{COMMENT, Chain};
use super::rule::{
    Family, Load, NETWORK, RawRule, TRANSPORT, be32, bytes, comment_userdata, expression, nest,
    of_family, payload,
};
use crate::ask::Form;

/// Verdicts (`linux/netfilter/nf_tables.h`).
const JUMP: u32 = 0xffff_fffd;
const RETURN: u32 = 0xffff_fffb;

/// What else than choosing a slot is done for a service's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extras {
    pub(super) persistence: Option<Persistence>,
    /// Whether the daemon is asked.
    pub(super) asks: bool,
}

impl Extras {
    /// Whether there is anything.
    pub(super) fn any(self) -> bool {
        self.asks || self.persistence.is_some()
    }

    /// The rules of the chain that comes before the choice in chain `s<number>`.
    pub(super) fn rules(self, family: Family, number: u32) -> Vec<RawRule> {
        let sticky = self.persistence.map(|persistence| Sticky {
            family,
            persistence,
        });
        let mut rules = Vec::new();
        if let Some(sticky) = sticky {
            rules.push(sticky.recall());
            rules.push(sticky.forget());
        }
        if self.asks {
            if let Some(sticky) = sticky {
                rules.push(decided(SLOT | REFUSED | VERDICT_MARK, |buf| {
                    meta_mark(buf);
                    and(buf, 1, &(!VERDICT_MARK).to_ne_bytes());
                    set_ct_mark(buf, 1);
                    sticky.remember(buf);
                }));
            }
            // Refusals have bit 29 too.
            rules.push(decided(SLOT | VERDICT_MARK, |buf| jump(buf, "picked")));
            if let Some(sticky) = sticky {
                rules.push(sticky.forget());
            }
        }
        let choice = Chain::choice(number).to_string();
        rules.push(written(|buf| jump(buf, &choice)));
        if let Some(sticky) = sticky {
            rules.push(written(|buf| jump(buf, "chosen")));
            // A backend's number, neither a slot's nor a refusal.
            rules.push(written(|buf| {
                ct_mark(buf, 1);
                and(buf, 1, &(SLOT | REFUSED).to_ne_bytes());
                equals(buf, 0);
                sticky.remember(buf);
            }));
            // A rule of its own: the client may be one too many to be remembered.
            rules.push(written(|buf| jump(buf, "be")));
        }
        let userdata = comment_userdata(COMMENT, &self.comment());
        rules
            .into_iter()
            .map(|expressions| RawRule {
                expressions,
                userdata: userdata.clone(),
            })
            .collect()
    }

    /// What the rules of the chain say, if all of them are ours.
    pub(super) fn parse(rules: &[RawRule], family: Family, number: u32) -> Option<Self> {
        let extras = Self::of_comment(comment(rules.first()?)?)?;
        (extras.any() && extras.rules(family, number) == rules).then_some(extras)
    }

    fn comment(self) -> String {
        let mut words = Vec::new();
        if let Some(persistence) = self.persistence {
            words.push(persistence.timeout.as_secs().to_string());
            words.push(persistence.prefix.to_string());
        }
        if self.asks {
            words.push("ask".to_owned());
        }
        words.join(" ")
    }

    fn of_comment(comment: &str) -> Option<Self> {
        let words: Vec<&str> = comment.split(' ').collect();
        let (words, asks) = match words.as_slice() {
            [words @ .., "ask"] => (words, true),
            words => (words, false),
        };
        let persistence = match words {
            [] => None,
            [timeout, prefix] => Some(Persistence {
                timeout: Duration::from_secs(timeout.parse().ok()?),
                prefix: prefix.parse().ok()?,
            }),
            _ => return None,
        };
        Some(Self { persistence, asks })
    }
}

/// The rules of a chain that asks the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) persistence: Option<Persistence>,
    pub(super) queue: Queue,
}

impl Question {
    /// A client whose last backend is still there is not asked about; all others are.
    pub(super) fn rules(self, family: Family, form: Form) -> Vec<RawRule> {
        let mut rules = Vec::new();
        if let Some(persistence) = self.persistence {
            let sticky = Sticky {
                family,
                persistence,
            };
            rules.push(sticky.is_known());
        }
        rules.push(queue(self.queue, form));
        let userdata = comment_userdata(COMMENT, &self.queue.0.to_string());
        rules
            .into_iter()
            .map(|expressions| RawRule {
                expressions,
                userdata: userdata.clone(),
            })
            .collect()
    }

    /// The queue that these rules ask, if they are ours.
    pub(super) fn parse(
        rules: &[RawRule],
        family: Family,
        persistence: Option<Persistence>,
    ) -> Option<Queue> {
        let queue = Queue(comment(rules.first()?)?.parse().ok()?);
        let question = Self { persistence, queue };
        [Form::Nft, Form::Compat]
            .into_iter()
            .any(|form| question.rules(family, form) == rules)
            .then_some(queue)
    }
}

/// The comment of a rule.
fn comment(rule: &RawRule) -> Option<&str> {
    super::wire::text(rule.userdata.get(2..)?)
}

/// The packet goes to a queue, or on if nobody listens there.
pub(super) fn queue(Queue(number): Queue, form: Form) -> Vec<u8> {
    written(|buf| match form {
        Form::Nft => expression(buf, "queue", |buf| {
            bytes(buf, 1, &number.to_be_bytes());
            bytes(buf, 2, &1u16.to_be_bytes());
            bytes(buf, 3, &1u16.to_be_bytes());
        }),
        Form::Compat => expression(buf, "target", |buf| {
            bytes(buf, 1, b"NFQUEUE\0");
            // The revision whose options are number, count and flags (`struct xt_NFQ_info_v3`), padded to 8 bytes.
            be32(buf, 2, 3);
            let [a, b] = number.to_ne_bytes();
            let [c, d] = 1u16.to_ne_bytes();
            bytes(buf, 3, &[a, b, c, d, c, d, 0, 0]);
        }),
    })
}

/// Persistence of a service.
#[derive(Debug, Clone, Copy)]
struct Sticky {
    family: Family,
    persistence: Persistence,
}

impl Sticky {
    fn map(self) -> &'static str {
        match self.family {
            Family::V4 => "aff4",
            Family::V6 => "aff6",
        }
    }

    /// The register of a remembered mark, behind those of the key: as the kernel names it.
    fn value(self) -> u32 {
        match self.family {
            Family::V4 => 2,
            Family::V6 => 18,
        }
    }

    /// Loads the key of the map: the client's network and the service.
    fn key(self, buf: &mut Vec<u8>) {
        let (client, service, protocol, port, len): (Load, Load, u32, u32, u8) = match self.family {
            Family::V4 => ((1, NETWORK, 12, 4), (9, NETWORK, 16, 4), 10, 11, 32),
            Family::V6 => ((1, NETWORK, 8, 16), (2, NETWORK, 24, 16), 3, 17, 128),
        };
        of_family(buf, self.family);
        payload(buf, client);
        let prefix = self.persistence.prefix.min(len);
        if prefix < len {
            let mask = u128::MAX << (128 - u32::from(prefix));
            let mask = mask.to_be_bytes();
            and(buf, 1, mask.get(..usize::from(len / 8)).unwrap_or_default());
        }
        payload(buf, service);
        expression(buf, "meta", |buf| {
            be32(buf, 2, 16);
            be32(buf, 1, protocol);
        });
        payload(buf, (port, TRANSPORT, 2, 2));
    }

    /// The remembered mark becomes the connection's. It is loaded again from there, since nft 1.0.6 ends with a failed assertion when it
    /// lists a rule that goes on with a register that a map has filled.
    fn look_up(self, buf: &mut Vec<u8>) {
        lookup(buf, self.map(), 1, self.value());
        set_ct_mark(buf, self.value());
        ct_mark(buf, self.value());
    }

    /// The client goes where its last connection went, and is remembered for longer. Ends there, unless that backend has gone.
    fn recall(self) -> Vec<u8> {
        written(|buf| {
            self.key(buf);
            self.look_up(buf);
            self.update(buf, 1);
            jump(buf, "be");
        })
    }

    /// An update leaves the backend of a client that is known as it is, so it has to be forgotten before.
    fn forget(self) -> Vec<u8> {
        written(|buf| {
            self.key(buf);
            ct_mark(buf, self.value());
            self.update(buf, 2);
        })
    }

    /// The client's backend is the one of the connection's mark.
    fn remember(self, buf: &mut Vec<u8>) {
        self.key(buf);
        ct_mark(buf, self.value());
        self.update(buf, 1);
    }

    /// Returns if the client's last backend is still there. Whatever mark the connection has now, the choice gives it another.
    fn is_known(self) -> Vec<u8> {
        let backends = match self.family {
            Family::V4 => "be4",
            Family::V6 => "be6",
        };
        written(|buf| {
            self.key(buf);
            self.look_up(buf);
            lookup(buf, backends, self.value(), 1);
            verdict(buf, RETURN, None);
        })
    }

    /// `NFT_DYNSET_OP_UPDATE` is 1, `_DELETE` 2.
    fn update(self, buf: &mut Vec<u8>, operation: u32) {
        let timeout = match operation {
            1 => self.persistence.timeout.as_secs().saturating_mul(1_000),
            _ => 0,
        };
        expression(buf, "dynset", |buf| {
            be32(buf, 4, 1);
            be32(buf, 5, self.value());
            be32(buf, 3, operation);
            bytes(buf, 1, &[self.map().as_bytes(), &[0]].concat());
            bytes(buf, 6, &timeout.to_be_bytes());
            be32(buf, 9, 0);
        });
    }
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut buf = Vec::with_capacity(600);
    write(&mut buf);
    buf
}

/// A rule for packets whose mark, of these bits, says only that the daemon has decided.
fn decided(mask: u32, then: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    written(|buf| {
        meta_mark(buf);
        and(buf, 1, &mask.to_ne_bytes());
        equals(buf, VERDICT_MARK);
        then(buf);
    })
}

/// Goes on if the first register holds this.
fn equals(buf: &mut Vec<u8>, value: u32) {
    expression(buf, "cmp", |buf| {
        be32(buf, 1, 1);
        be32(buf, 2, 0);
        nest(buf, 3, |buf| bytes(buf, 1, &value.to_ne_bytes()));
    });
}

/// Loads the packet's mark.
fn meta_mark(buf: &mut Vec<u8>) {
    expression(buf, "meta", |buf| {
        be32(buf, 2, 3);
        be32(buf, 1, 1);
    });
}

/// Loads the connection's mark.
pub(super) fn ct_mark(buf: &mut Vec<u8>, register: u32) {
    expression(buf, "ct", |buf| {
        be32(buf, 1, register);
        be32(buf, 2, 3);
    });
}

fn set_ct_mark(buf: &mut Vec<u8>, register: u32) {
    expression(buf, "ct", |buf| {
        be32(buf, 4, register);
        be32(buf, 2, 3);
    });
}

/// Keeps only these bits of a register.
pub(super) fn and(buf: &mut Vec<u8>, register: u32, mask: &[u8]) {
    expression(buf, "bitwise", |buf| {
        be32(buf, 1, register);
        be32(buf, 2, register);
        be32(buf, 3, u32::try_from(mask.len()).unwrap_or(u32::MAX));
        be32(buf, 6, 0);
        nest(buf, 4, |buf| bytes(buf, 1, mask));
        nest(buf, 5, |buf| bytes(buf, 1, &vec![0; mask.len()]));
    });
}

/// What the map has for the register `key`, in the register `value`; ends the rule if it has nothing.
fn lookup(buf: &mut Vec<u8>, map: &str, key: u32, value: u32) {
    expression(buf, "lookup", |buf| {
        bytes(buf, 1, &[map.as_bytes(), &[0]].concat());
        be32(buf, 2, key);
        be32(buf, 3, value);
        be32(buf, 5, 0);
    });
}

/// A jump to a chain.
pub(super) fn jump(buf: &mut Vec<u8>, chain: &str) {
    verdict(buf, JUMP, Some(chain));
}

fn verdict(buf: &mut Vec<u8>, code: u32, chain: Option<&str>) {
    expression(buf, "immediate", |buf| {
        be32(buf, 1, 0);
        nest(buf, 2, |buf| {
            nest(buf, 2, |buf| {
                be32(buf, 1, code);
                if let Some(chain) = chain {
                    bytes(buf, 2, &[chain.as_bytes(), &[0]].concat());
                }
            });
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

    fn persistences() -> Vec<Option<Persistence>> {
        let mut all = vec![None];
        for (secs, prefix) in [(1, 1), (300, 24), (300, 32), (86_400, 128)] {
            let timeout = Duration::from_secs(secs);
            all.push(Some(Persistence { timeout, prefix }));
        }
        all
    }

    #[test]
    fn what_a_service_s_rules_say_is_read_back() {
        for persistence in persistences() {
            for family in FAMILIES {
                for asks in [true, false] {
                    let extras = Extras { persistence, asks };
                    let read = Extras::parse(&extras.rules(family, 7), family, 7);
                    assert_eq!(read, extras.any().then_some(extras));
                }
                for form in [Form::Nft, Form::Compat] {
                    let queue = Queue(513);
                    let rules = Question { persistence, queue }.rules(family, form);
                    assert_eq!(Question::parse(&rules, family, persistence), Some(queue));
                }
            }
        }
    }

    #[test]
    fn a_rule_that_was_edited_is_not_ours() {
        for persistence in persistences() {
            let extras = Extras {
                persistence,
                asks: true,
            };
            let good = extras.rules(Family::V4, 7);
            for at in 0..good.len() {
                let mut bad = good.clone();
                bad[at].expressions[30] ^= 1;
                assert_eq!(Extras::parse(&bad, Family::V4, 7), None);
                bad.clone_from(&good);
                bad.remove(at);
                assert_eq!(Extras::parse(&bad, Family::V4, 7), None);
            }
            assert_eq!(Extras::parse(&good, Family::V4, 8), None);
        }
    }
}
