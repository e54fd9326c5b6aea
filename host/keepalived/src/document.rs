//! The TOML as it is put together: tables whose keys remember where they came from.

use super::note::{Place, printable};
use super::tree::{Comment, Statement};

/// A whole file, or a table in it.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    /// `[[vrrp]]`; empty for the top level.
    pub(super) header: String,
    pub(super) from: Source,
    pub(super) lines: Vec<Line>,
    pub(super) tables: Vec<Self>,
}

/// Where something came from, with the comments there.
#[derive(Debug, Clone, Default)]
pub(super) struct Source {
    pub(super) place: Option<Place>,
    /// On lines of their own before it.
    pub(super) lead: Vec<Comment>,
    /// On its line.
    pub(super) trail: Vec<Comment>,
}

impl Source {
    /// A statement, with the comments before it and on its line.
    pub(super) fn statement(statement: &Statement) -> Self {
        Self {
            place: Some(statement.place()),
            lead: statement.lead.clone(),
            trail: statement.trail.clone(),
        }
    }

    /// A place, without comments.
    pub(super) fn place(place: Place) -> Self {
        Self {
            place: Some(place),
            ..Self::default()
        }
    }
}

/// What stands on a line of a table.
#[derive(Debug, Clone)]
pub(super) enum Line {
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
pub(super) enum Value {
    One(String),
    /// A list with a line for each element.
    List(Vec<Item>),
}

/// A line of a list.
#[derive(Debug, Clone)]
pub(super) enum Item {
    Element(String, Source),
    Remark(Comment),
}

/// A string as TOML writes it, in one line.
pub(super) fn quote(text: &str) -> String {
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
pub(super) fn inline(pairs: &[(&str, String)]) -> String {
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(key, value)| format!("{key} = {value}"))
        .collect();
    format!("{{ {} }}", pairs.join(", "))
}

impl Line {
    pub(super) fn is_remark(&self) -> bool {
        matches!(self, Self::Remark { .. })
    }

    pub(super) fn forget_comments(&mut self) {
        if let Self::Key { from, .. } = self {
            from.lead.clear();
            from.trail.clear();
        }
    }
}

impl Table {
    pub(super) fn new(header: &str, from: Source) -> Self {
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

    pub(super) fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// The value of a key that is written on one line.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        match self.lines.get(self.find(key)?) {
            Some(Line::Key {
                value: Value::One(value),
                ..
            }) => Some(value),
            _ => None,
        }
    }

    /// Sets a key; the place of one that was set before, which is gone.
    pub(super) fn set(&mut self, key: &'static str, value: String, from: Source) -> Option<Place> {
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
    pub(super) fn change(&mut self, key: &str, to: String) {
        let at = self.find(key);
        if let Some(Line::Key { value, .. }) = at.and_then(|at| self.lines.get_mut(at)) {
            *value = Value::One(to);
        }
    }

    /// Puts another key in a key's place.
    pub(super) fn replace(&mut self, old: &str, new: &'static str, to: String) {
        let at = self.find(old);
        if let Some(Line::Key { key, value, .. }) = at.and_then(|at| self.lines.get_mut(at)) {
            *key = new;
            *value = Value::One(to);
        }
    }

    /// Takes a key away; its place. Its comments stay.
    pub(super) fn remove(&mut self, key: &str) -> Option<Place> {
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
    pub(super) fn otherwise(&mut self, key: &'static str, value: String) {
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
    pub(super) fn extend(&mut self, key: &'static str, more: Vec<Item>, from: &Source) {
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

    pub(super) fn remark(&mut self, comment: &Comment) {
        self.lines.push(remark(comment.clone()));
    }

    pub(super) fn remarks(&mut self, comments: &[Comment]) {
        for comment in comments {
            self.remark(comment);
        }
    }

    /// Whether nobody has written anything beside what is in it: no comments.
    pub(super) fn is_plain(&self) -> bool {
        let plain = |from: &Source| from.lead.is_empty() && from.trail.is_empty();
        plain(&self.from)
            && self.tables.iter().all(Self::is_plain)
            && self.lines.iter().all(|line| match line {
                Line::Key { from, .. } => plain(from),
                Line::Remark { .. } => false,
            })
    }

    /// The TOML, and where each line came from. `files` are named where there are several.
    pub(super) fn render(&self, files: &[String]) -> (String, Vec<Option<Place>>) {
        let mut out = Output {
            files,
            ..Output::default()
        };
        out.table(self, "");
        (out.text, out.places)
    }
}

fn remark(comment: Comment) -> Line {
    Line::Remark {
        text: comment.text,
        place: Some(comment.place),
    }
}

#[derive(Default)]
struct Output<'a> {
    files: &'a [String],
    text: String,
    places: Vec<Option<Place>>,
}

impl Output<'_> {
    fn line(&mut self, line: &str, place: Option<Place>) {
        self.text.push_str(line);
        self.text.push('\n');
        self.places.push(place);
    }

    fn comment(&mut self, indent: &str, comment: &Comment) {
        self.words(indent, &comment.text, Some(comment.place));
    }

    fn words(&mut self, indent: &str, text: &str, place: Option<Place>) {
        let line = format!("{indent}# {}", printable(text));
        self.line(line.trim_end(), place);
    }

    fn table(&mut self, table: &Table, before: &str) {
        for comment in &table.from.lead {
            self.comment("", comment);
        }
        if !table.header.is_empty() {
            let line = format!("{}{}", table.header, trailing(&table.from.trail));
            self.line(&line, table.from.place);
        }
        for line in &table.lines {
            match line {
                Line::Remark { text, place } => self.words("", text, *place),
                Line::Key {
                    key,
                    value,
                    from,
                    default,
                } => self.key(key, value, from, *default),
            }
        }
        let mut last = before.to_owned();
        for inner in &table.tables {
            if !self.text.is_empty() {
                self.line("", None);
            }
            self.file(inner, &mut last);
            self.table(inner, &last);
        }
    }

    /// Says which file a table at the top comes from when that changes.
    fn file(&mut self, table: &Table, last: &mut String) {
        let place = table.from.place.filter(|_| self.files.len() > 1);
        let name = place.and_then(|place| self.files.get(place.file));
        if let Some(name) = name
            && name != last
        {
            name.clone_into(last);
            let text = format!("From {name}:");
            self.words("", &text, place);
        }
    }

    fn key(&mut self, key: &str, value: &Value, from: &Source, default: bool) {
        for comment in &from.lead {
            self.comment("", comment);
        }
        match value {
            Value::One(value) => {
                let remark = if default {
                    " # keepalived's default"
                } else {
                    ""
                };
                let line = format!("{key} = {value}{}{remark}", trailing(&from.trail));
                self.line(&line, from.place);
            }
            Value::List(items) => {
                let line = format!("{key} = [{}", trailing(&from.trail));
                self.line(&line, from.place);
                for item in items {
                    self.item(item);
                }
                self.line("]", None);
            }
        }
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Remark(comment) => self.comment("    ", comment),
            Item::Element(value, from) => {
                for comment in &from.lead {
                    self.comment("    ", comment);
                }
                let line = format!("    {value},{}", trailing(&from.trail));
                self.line(&line, from.place);
            }
        }
    }
}

/// Comments behind something on its line.
fn trailing(comments: &[Comment]) -> String {
    let texts: Vec<String> = comments
        .iter()
        .map(|comment| printable(&comment.text))
        .filter(|text| !text.is_empty())
        .collect();
    if texts.is_empty() {
        String::new()
    } else {
        format!(" # {}", texts.join("; "))
    }
}
