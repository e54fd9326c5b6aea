//! Our chain in one place: found in what `iptables-save` prints, and the text for `iptables-restore --noflush` that
//! changes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::rule::{Place, Rule};

/// What there is of our chain in one place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Content {
    /// There is a chain of that name.
    exists: bool,
    /// The rules in it that are ours.
    pub(crate) rules: BTreeSet<Rule>,
    /// Rules elsewhere that lead to it, as they are printed after `-A`.
    jumps: Vec<String>,
    /// Something is not as we would have made it.
    odd: bool,
}

impl Content {
    /// A chain with these rules, as we would have made it; without rules, none.
    pub(crate) fn with(place: Place, rules: BTreeSet<Rule>) -> Self {
        let exists = !rules.is_empty();
        let hooks = place.hooks().iter().filter(|_| exists);
        Self {
            exists,
            rules,
            jumps: hooks
                .map(|(hook, _)| format!("{hook} -j {}", place.chain()))
                .collect(),
            odd: false,
        }
    }

    /// Whether all of it is as we would have made it.
    pub(crate) fn is_sound(&self, place: Place) -> bool {
        let mut like = Self::with(place, self.rules.clone());
        let mut this = self.clone();
        like.jumps.sort_unstable();
        this.jumps.sort_unstable();
        like == this
    }

    /// Reads it out of what `iptables-save` (or `ip6tables-save`) prints.
    pub(crate) fn read(place: Place, saved: &str) -> Self {
        let mut content = Self::default();
        let mut inside = false;
        let mut seen = 0;
        for line in saved.lines() {
            if let Some(table) = line.strip_prefix('*') {
                inside = table.trim() == place.table();
            } else if !inside {
            } else if let Some(chain) = line.strip_prefix(':') {
                content.exists |= chain.split(' ').next() == Some(place.chain());
            } else if let Some(rule) = line.strip_prefix("-A ") {
                let words: Vec<&str> = rule.split(' ').filter(|word| !word.is_empty()).collect();
                if words.first() == Some(&place.chain()) {
                    let found = words.get(1..).and_then(|words| Rule::read(words, place));
                    // The heartbeat has to come first, and no rule twice.
                    content.odd |=
                        (found == Some(Rule::Alive)) != (seen == 0) && place.table() == "mangle";
                    content.odd |= found.is_none_or(|rule| !content.rules.insert(rule));
                    seen += 1;
                } else if leads(&words, place) {
                    content.jumps.push(rule.trim_end().to_owned());
                }
            }
        }
        content
    }

    /// The text that makes a chain with the rules of `then` out of this one.
    pub(crate) fn change(&self, place: Place, then: &Self) -> String {
        let chain = place.chain();
        let mut text = format!("*{}\n", place.table());
        let mut line = |words: std::fmt::Arguments<'_>| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{words}");
        };
        let said = |rule: &Rule| rule.words(place.family).join(" ");
        if then.rules.is_empty() {
            for jump in &self.jumps {
                line(format_args!("-D {jump}"));
            }
            if self.exists {
                line(format_args!("-F {chain}\n-X {chain}"));
            }
        } else if self.exists && self.is_sound(place) {
            for gone in self.rules.difference(&then.rules) {
                line(format_args!("-D {chain} {}", said(gone)));
            }
            for new in then.rules.difference(&self.rules) {
                line(format_args!("-A {chain} {}", said(new)));
            }
        } else {
            // Makes it, or empties it.
            line(format_args!(":{chain} - [0:0]"));
            for jump in &self.jumps {
                line(format_args!("-D {jump}"));
            }
            for rule in &then.rules {
                line(format_args!("-A {chain} {}", said(rule)));
            }
            for (hook, how) in place.hooks() {
                line(format_args!("{how} {hook} -j {chain}"));
            }
        }
        text.push_str("COMMIT\n");
        text
    }
}

/// Whether a rule of another chain leads to ours.
fn leads(words: &[&str], place: Place) -> bool {
    words
        .windows(2)
        .any(|pair| ["-j", "-g"].contains(&pair[0]) && pair[1] == place.chain())
}

/// Our chains in all that is printed of one IP version.
pub(super) fn read(
    family: evenkeel_ipvs::Family,
    saved: &str,
) -> impl Iterator<Item = (Place, Content)> {
    let mut found = BTreeMap::new();
    for place in Place::ALL.into_iter().filter(|it| it.family == family) {
        let content = Content::read(place, saved);
        if content != Content::default() {
            found.insert(place, content);
        }
    }
    found.into_iter()
}

#[cfg(test)]
mod tests {
    use evenkeel_ipvs::Family;
    use proptest::prelude::*;

    use super::super::rule::{Table, tests::rules};
    use super::*;

    const NAT: Place = Place::new(Family::V4, Table::Nat);
    const QUEUE: Place = Place::new(Family::V4, Table::Mangle);

    /// What `iptables-save` would print of it, among others' rules.
    fn saved(place: Place, content: &Content) -> String {
        let mut text = "# Generated\n*filter\n:EVENKEEL-POST - [0:0]\nCOMMIT\n".to_owned();
        text += &format!("*{}\n:OUTPUT ACCEPT [0:0]\n:OTHER - [0:0]\n", place.table());
        if content.exists {
            text += &format!(":{} - [0:0]\n", place.chain());
        }
        text += "-A OUTPUT -m comment --comment \"a b\" -j OTHER\n";
        for jump in &content.jumps {
            text += &format!("-A {jump}\n");
        }
        for rule in &content.rules {
            text += &format!(
                "-A {} {}\n",
                place.chain(),
                rule.words(place.family).join(" ")
            );
        }
        text + "COMMIT\n"
    }

    fn contents(place: Place) -> impl Strategy<Value = Content> {
        let all = rules(place);
        let len = all.len();
        prop::sample::subsequence(all, 0..=len).prop_map(move |rules| {
            let mut rules: BTreeSet<Rule> = rules.into_iter().collect();
            if place.table == Table::Mangle && !rules.is_empty() {
                rules.insert(Rule::Alive);
            }
            Content::with(place, rules)
        })
    }

    /// What `iptables-restore` would make of the text; refuses what it would refuse.
    fn act(place: Place, content: &Content, text: &str) -> Content {
        let (mut exists, mut rules, mut jumps) =
            (content.exists, Vec::new(), content.jumps.clone());
        rules.extend(
            content
                .rules
                .iter()
                .map(|rule| rule.words(place.family).join(" ")),
        );
        let chain = place.chain();
        for line in text.lines() {
            let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
            let ours = rest
                .strip_prefix(chain)
                .map(|rest| rest.trim_start().to_owned());
            match (verb, ours) {
                (":EVENKEEL-POST" | ":EVENKEEL-ASK", _) => (exists, rules) = (true, Vec::new()),
                ("-F", _) => rules.clear(),
                ("-X", _) => {
                    assert!(exists && rules.is_empty() && jumps.is_empty());
                    exists = false;
                }
                ("-A" | "-I", Some(rule)) => rules.push(rule),
                ("-A" | "-I", None) => jumps.push(rest.to_owned()),
                ("-D", Some(rule)) => {
                    let at = rules.iter().position(|it| *it == rule).unwrap();
                    rules.remove(at);
                }
                ("-D", None) => {
                    let at = jumps.iter().position(|it| it == rest).unwrap();
                    jumps.remove(at);
                }
                _ => assert!(line.starts_with('*') || line == "COMMIT", "{line}"),
            }
        }
        let rules = rules.iter().map(|rule| {
            let words: Vec<&str> = rule.split(' ').collect();
            Rule::read(&words, place).unwrap()
        });
        Content {
            exists,
            rules: rules.collect(),
            jumps,
            odd: false,
        }
    }

    proptest! {
        #[test]
        fn a_chain_is_read_back_and_becomes_what_it_is_to_be(
            (place, now, then) in prop::sample::select(Place::ALL.to_vec())
                .prop_flat_map(|place| (Just(place), contents(place), contents(place))),
        ) {
            prop_assert_eq!(Content::read(place, &saved(place, &now)), now.clone());
            prop_assert!(now.is_sound(place));
            let text = now.change(place, &then);
            let mut after = act(place, &now, &text);
            after.jumps.sort();
            let mut like = then.clone();
            like.jumps.sort();
            prop_assert_eq!(after, like, "{}", text);
        }
    }

    #[test]
    fn what_is_odd_is_made_anew() {
        let all: BTreeSet<Rule> = rules(NAT).into_iter().collect();
        let content = Content::with(NAT, all.clone());
        let text = saved(NAT, &content);
        let rule = format!(
            "-A EVENKEEL-POST {}\n",
            rules(NAT)[0].words(Family::V4).join(" ")
        );
        let odd = [
            text.replace(&rule, &format!("{rule}{rule}")),
            text.replace(&rule, &format!("{rule}-A EVENKEEL-POST -j ACCEPT\n")),
            text.replace("-A POSTROUTING -j", "-A POSTROUTING -o eth0 -j"),
            text.replace("-A POSTROUTING -j EVENKEEL-POST\n", ""),
            text.replace(
                "*filter",
                "*nat\n:X - [0:0]\n-A X -g EVENKEEL-POST\nCOMMIT\n*filter",
            ),
        ];
        for text in odd {
            let found = Content::read(NAT, &text);
            assert!(!found.is_sound(NAT), "{text}");
            let change = found.change(NAT, &content);
            assert!(change.contains(":EVENKEEL-POST - [0:0]\n"), "{change}");
        }
        let queues: BTreeSet<Rule> = rules(QUEUE).into_iter().collect();
        let text = saved(QUEUE, &Content::with(QUEUE, queues.clone()));
        let alive = format!(
            "-A EVENKEEL-ASK {}\n",
            Rule::Alive.words(Family::V4).join(" ")
        );
        for text in [
            text.replace(&alive, ""),
            text.replace("COMMIT", &alive) + &alive,
        ] {
            assert!(!Content::read(QUEUE, &text).is_sound(QUEUE), "{text}");
        }
    }
}
