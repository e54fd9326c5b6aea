//! `track_interface`, `track_script`, `track_process` and `track_file` of an instance or a sync group.

use std::collections::BTreeSet;

use super::{Translator, Weight};
use crate::document::{Item, Source, inline, quote};
use crate::note::Kind;
use crate::tree::{Comment, Statement};

/// The most that a weight can be: priorities are from 1 to 254.
const MOST: i32 = 253;

/// The keywords of the blocks.
pub(super) const TRACKS: [&str; 4] = [
    "track_interface",
    "track_script",
    "track_process",
    "track_file",
];

impl Translator<'_> {
    /// The lines of one of these blocks as elements of `track`. With `weightless`, which instances of sync groups are,
    /// weights do not count, as in keepalived.
    pub(super) fn tracks(&mut self, block: &Statement, weightless: bool) -> Vec<Item> {
        let mut items: Vec<Item> = Vec::new();
        if block.block.is_none() {
            self.wrong(block, "it needs a block: { ... }");
        }
        items.extend(block.lead.iter().cloned().map(Item::Remark));
        items.extend(block.trail.iter().cloned().map(Item::Remark));
        for line in block.statements() {
            match self.track(block.keyword(), line, weightless) {
                Some(text) => items.push(Item::Element(text, Source::statement(line))),
                None => {
                    let text = format!("Not carried over: {} {}", block.keyword(), line.text());
                    let place = line.place();
                    items.extend(line.lead.iter().cloned().map(Item::Remark));
                    items.push(Item::Remark(Comment { text, place }));
                    items.extend(line.comments_within().into_iter().map(Item::Remark));
                }
            }
        }
        items.extend(block.tail().iter().cloned().map(Item::Remark));
        items
    }

    /// Leaves out what is tracked already.
    pub(super) fn each_once(&mut self, items: Vec<Item>, seen: &mut BTreeSet<String>) -> Vec<Item> {
        let mut once = Vec::with_capacity(items.len());
        for item in items {
            if let Item::Element(text, from) = &item {
                let what = text.split(", weight = ").next().unwrap_or_default();
                let what = what.split(", reverse = ").next().unwrap_or_default();
                let what = what.trim_end_matches(" }").trim_start_matches("{ ");
                if !seen.insert(what.to_owned()) {
                    if let Some(place) = from.place {
                        let text = format!("{what}: the instance tracks it already");
                        self.notes.add(Kind::NotCarried, place, "track", text);
                    }
                    continue;
                }
            }
            once.push(item);
        }
        once
    }

    fn track(&mut self, keyword: &str, line: &Statement, weightless: bool) -> Option<String> {
        let name = line.keyword();
        let (key, value, otherwise) = if keyword == "track_interface" {
            ("interface", quote(name), Weight::of(0))
        } else {
            let known = TRACKS.iter().find(|known| **known == keyword).copied();
            let found = known.and_then(|known| self.tracked.get(&(known, name.to_owned())));
            let Some(found) = found else {
                let what = format!("{name}: there is nothing of this name to be tracked");
                self.notes.add(Kind::Error, line.place(), keyword, what);
                return None;
            };
            (found.key, found.value.clone(), found.weight)
        };
        let weight = self.weight(keyword, line, otherwise)?;
        let Weight { number, reverse } = weight;
        let number = match (weightless && number != 0, key) {
            (false, _) => number,
            (true, "interface") => {
                let what = format!(
                    "{name}: its weight is 0, as keepalived takes it in a sync group: the instance is in fault while it is down"
                );
                self.notes.add(Kind::Changed, line.place(), keyword, what);
                0
            }
            (true, _) => {
                let what = format!(
                    "{name}: keepalived does not look at what has a weight in an instance of a sync group; let the group track it, or take the weight away"
                );
                self.notes
                    .add(Kind::NotCarried, line.place(), keyword, what);
                return None;
            }
        };
        let mut pairs = vec![(key, value)];
        if number != 0 {
            pairs.push(("weight", number.to_string()));
        }
        if reverse {
            pairs.push(("reverse", "true".to_owned()));
        }
        Some(inline(&pairs))
    }

    /// The weight behind a name; `None` if the line cannot be carried over, which has been listed then.
    fn weight(&mut self, keyword: &str, line: &Statement, otherwise: Weight) -> Option<Weight> {
        let mut weight = otherwise;
        let mut written = false;
        let mut words = line.arguments().iter();
        while let Some(word) = words.next() {
            match word.text.as_str() {
                "weight" => {
                    let value = words.next().and_then(|word| word.text.parse().ok());
                    written = true;
                    match value {
                        Some(value) => weight.number = value,
                        None => {
                            let what = "weight needs a whole number";
                            self.notes.add(Kind::Error, word.place, keyword, what);
                            return None;
                        }
                    }
                }
                "noreverse" | "no_reverse" if written => weight.reverse = false,
                "reverse" if written => weight.reverse = true,
                "reverse" | "noreverse" | "no_reverse" => {
                    let what = format!(
                        "{}: {} without weight N before it, for which keepalived ignores the line",
                        line.keyword(),
                        word.text
                    );
                    self.notes.add(Kind::NotCarried, word.place, keyword, what);
                    return None;
                }
                other => {
                    let what = format!("{other}: expected weight N");
                    self.notes.add(Kind::NotCarried, word.place, keyword, what);
                }
            }
        }
        for inner in line.statements() {
            let what = format!("{}: a line here takes no block", line.keyword());
            self.notes
                .add(Kind::NotCarried, inner.place(), inner.keyword(), what);
        }
        let number = weight.number.clamp(-MOST, MOST);
        if number != weight.number {
            let what = format!(
                "a weight of {} counts as {number}: priorities are from 1 to 254",
                weight.number
            );
            self.notes.add(Kind::Changed, line.place(), keyword, what);
        }
        Some(Weight { number, ..weight })
    }
}
