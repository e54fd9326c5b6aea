//! The rules of a service's chain `p<N>`, around the choice of a slot: persistence and the daemon's verdicts. Pure.
//!
//! They are written exactly as the kernel prints them in a dump, as is the service's own rule (see `slot_rule`).

use std::time::Duration;

use evenkeel_core::mark::{REFUSED, SLOT, VERDICT_MARK};
use evenkeel_core::model::Persistence;

use super::affinity::Affinity;
use super::chain::ServiceChain;
use super::expression::{Family, and, compare, ct_mark, jump, meta_mark, set_ct_mark, written};
use super::raw_rule::RawRule;

/// What else than choosing a slot is done for a service's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ServiceOptions {
    pub(super) persistence: Option<Persistence>,
    /// Whether new connections are queued for a verdict.
    pub(super) queued: bool,
}

impl ServiceOptions {
    /// Whether there is anything.
    pub(super) fn any(self) -> bool {
        self.queued || self.persistence.is_some()
    }

    /// The rules of the chain that comes before the choice in chain `s<number>`.
    pub(super) fn rules(self, family: Family, number: u32) -> Vec<RawRule> {
        let affinity = self.persistence.map(|persistence| Affinity {
            family,
            persistence,
        });
        let mut rules = Vec::new();
        if let Some(affinity) = affinity {
            rules.push(affinity.recall());
            rules.push(affinity.forget());
        }
        if self.queued {
            if let Some(affinity) = affinity {
                rules.push(decided(SLOT | REFUSED | VERDICT_MARK, |buf| {
                    meta_mark(buf);
                    and(buf, 1, &(!VERDICT_MARK).to_ne_bytes());
                    set_ct_mark(buf, 1);
                    affinity.remember(buf);
                }));
            }
            // Refusals have bit 29 too.
            rules.push(decided(SLOT | VERDICT_MARK, |buf| jump(buf, "by_verdict")));
            if let Some(affinity) = affinity {
                rules.push(affinity.forget());
            }
        }
        let choice = ServiceChain::slots(number).to_string();
        rules.push(written(|buf| jump(buf, &choice)));
        if let Some(affinity) = affinity {
            rules.push(written(|buf| jump(buf, "chosen")));
            // A backend's number, neither a slot's nor a refusal.
            rules.push(written(|buf| {
                ct_mark(buf, 1);
                and(buf, 1, &(SLOT | REFUSED).to_ne_bytes());
                compare(buf, true, &0u32.to_ne_bytes());
                affinity.remember(buf);
            }));
            // A rule of its own: the client may be one too many to be remembered.
            rules.push(written(|buf| jump(buf, "be")));
        }
        RawRule::all(rules, &self.comment())
    }

    /// What the rules of the chain say, if all of them are ours.
    pub(super) fn parse(rules: &[RawRule], family: Family, number: u32) -> Option<Self> {
        let extras = Self::of_comment(rules.first()?.comment()?)?;
        (extras.any() && extras.rules(family, number) == rules).then_some(extras)
    }

    fn comment(self) -> String {
        let mut words = Vec::new();
        if let Some(persistence) = self.persistence {
            words.push(persistence.timeout.as_secs().to_string());
            words.push(persistence.prefix.to_string());
        }
        if self.queued {
            words.push("queue".to_owned());
        }
        words.join(" ")
    }

    fn of_comment(comment: &str) -> Option<Self> {
        let words: Vec<&str> = comment.split(' ').collect();
        let (words, queued) = match words.as_slice() {
            [words @ .., "queue"] => (words, true),
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
        Some(Self {
            persistence,
            queued,
        })
    }
}

/// A rule for packets whose mark, of these bits, says only that it holds a verdict.
fn decided(mask: u32, then: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    written(|buf| {
        meta_mark(buf);
        and(buf, 1, &mask.to_ne_bytes());
        compare(buf, true, &VERDICT_MARK.to_ne_bytes());
        then(buf);
    })
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
                for queued in [true, false] {
                    let extras = ServiceOptions {
                        persistence,
                        queued,
                    };
                    let read = ServiceOptions::parse(&extras.rules(family, 7), family, 7);
                    assert_eq!(read, extras.any().then_some(extras));
                }
            }
        }
    }

    #[test]
    fn a_rule_that_was_edited_is_not_ours() {
        for persistence in persistences() {
            let extras = ServiceOptions {
                persistence,
                queued: true,
            };
            let good = extras.rules(Family::V4, 7);
            for at in 0..good.len() {
                let mut bad = good.clone();
                bad[at].expressions[30] ^= 1;
                assert_eq!(ServiceOptions::parse(&bad, Family::V4, 7), None);
                bad.clone_from(&good);
                bad.remove(at);
                assert_eq!(ServiceOptions::parse(&bad, Family::V4, 7), None);
            }
            assert_eq!(ServiceOptions::parse(&good, Family::V4, 8), None);
        }
    }
}
