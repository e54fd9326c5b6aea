//! Tables whose keys remember where they came from.

use crate::note::Place;
use crate::tree::{Comment, Statement};

/// A whole file, or a table in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    /// `[[vrrp]]`; empty for the top level.
    pub(crate) header: String,
    pub(crate) from: Source,
    pub(crate) lines: Vec<Line>,
    pub(crate) tables: Vec<Self>,
}

/// Where something came from, with the comments there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Source {
    pub(crate) place: Option<Place>,
    /// On lines of their own before it.
    pub(crate) lead: Vec<Comment>,
    /// On its line.
    pub(crate) trail: Vec<Comment>,
}

impl Source {
    /// A statement, with the comments before it and on its line.
    pub(crate) fn statement(statement: &Statement) -> Self {
        Self {
            place: Some(statement.place()),
            lead: statement.lead.clone(),
            trail: statement.trail.clone(),
        }
    }

    /// A place, without comments.
    pub(crate) fn place(place: Place) -> Self {
        Self {
            place: Some(place),
            ..Self::default()
        }
    }
}

/// What stands on a line of a table.
#[derive(Debug, Clone)]
pub(crate) enum Line {
    Key {
        key: &'static str,
        value: Value,
        from: Source,
        /// It is keepalived's default, which was not written.
        default: bool,
    },
    Remark {
        text: String,
        place: Option<Place>,
    },
}

/// A value as TOML.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    One(String),
    /// A list with a line for each element.
    List(Vec<Item>),
}

/// A line of a list.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    Element(String, Source),
    Remark(Comment),
}

/// A string as TOML writes it, in one line.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// `{ a = 1, b = "c" }`
pub(crate) fn inline(pairs: &[(&str, String)]) -> String {
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(key, value)| format!("{key} = {value}"))
        .collect();
    format!("{{ {} }}", pairs.join(", "))
}

impl Table {
    pub(crate) fn new(header: &str, from: Source) -> Self {
        Self {
            header: header.to_owned(),
            from,
            ..Self::default()
        }
    }

    fn find(&self, key: &str) -> Option<usize> {
        let is = |line: &Line| matches!(line, Line::Key { key: other, .. } if *other == key);
        self.lines.iter().position(is)
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// The value of a key that is written on one line.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        match self.lines.get(self.find(key)?) {
            Some(Line::Key {
                value: Value::One(value),
                ..
            }) => Some(value),
            _ => None,
        }
    }

    /// Sets a key; the place of one that was set before, which is gone.
    pub(crate) fn set(&mut self, key: &'static str, value: String, from: Source) -> Option<Place> {
        let before = self.remove(key);
        self.lines.push(Line::Key {
            key,
            value: Value::One(value),
            from,
            default: false,
        });
        before
    }

    /// Gives a key that is there another value.
    pub(crate) fn change(&mut self, key: &str, to: String) {
        let at = self.find(key);
        if let Some(Line::Key { value, .. }) = at.and_then(|at| self.lines.get_mut(at)) {
            *value = Value::One(to);
        }
    }

    /// Puts another key in a key's place.
    pub(crate) fn replace(&mut self, old: &str, new: &'static str, to: String) {
        let at = self.find(old);
        if let Some(Line::Key { key, value, .. }) = at.and_then(|at| self.lines.get_mut(at)) {
            *key = new;
            *value = Value::One(to);
        }
    }

    /// Takes a key away; its place. Its comments stay.
    pub(crate) fn remove(&mut self, key: &str) -> Option<Place> {
        let at = self.find(key)?;
        let Line::Key { from, .. } = self.lines.remove(at) else {
            return None;
        };
        let comments = from.lead.into_iter().chain(from.trail);
        let remarks: Vec<Line> = comments.map(remark).collect();
        self.lines.splice(at..at, remarks);
        from.place
    }

    /// Sets a key that was not written to what keepalived takes it as.
    pub(crate) fn otherwise(&mut self, key: &'static str, value: String) {
        if !self.has(key) {
            self.lines.push(Line::Key {
                key,
                value: Value::One(value),
                from: Source {
                    place: self.from.place,
                    ..Source::default()
                },
                default: true,
            });
        }
    }

    /// Adds to a list, which is begun if it is not there.
    pub(crate) fn extend(&mut self, key: &'static str, more: Vec<Item>, from: &Source) {
        let lists = self.lines.iter_mut().filter_map(|line| match line {
            Line::Key {
                key: other,
                value: Value::List(items),
                ..
            } if *other == key => Some(items),
            _ => None,
        });
        if let Some(items) = lists.last() {
            items.extend(more);
        } else if !more.is_empty() {
            self.lines.push(Line::Key {
                key,
                value: Value::List(more),
                from: Source {
                    place: from.place,
                    ..Source::default()
                },
                default: false,
            });
        }
    }

    pub(crate) fn remark(&mut self, comment: &Comment) {
        self.lines.push(remark(comment.clone()));
    }

    pub(crate) fn remarks(&mut self, comments: &[Comment]) {
        for comment in comments {
            self.remark(comment);
        }
    }

    /// Whether nobody has written anything beside what is in it: no comments.
    pub(crate) fn is_plain(&self) -> bool {
        let plain = |from: &Source| from.lead.is_empty() && from.trail.is_empty();
        plain(&self.from)
            && self.tables.iter().all(Self::is_plain)
            && self.lines.iter().all(|line| match line {
                Line::Key { from, .. } => plain(from),
                Line::Remark { .. } => false,
            })
    }
}

fn remark(comment: Comment) -> Line {
    Line::Remark {
        text: comment.text,
        place: Some(comment.place),
    }
}
