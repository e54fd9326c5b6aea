//! A document as TOML text.

use super::table::{Item, Line, Source, Table, Value};
use crate::note::{Place, printable};
use crate::tree::Comment;

impl Table {
    /// The TOML, and where each line came from. `files` are named where there are several.
    pub(crate) fn render(&self, files: &[String]) -> (String, Vec<Option<Place>>) {
        let mut out = Output {
            files,
            ..Output::default()
        };
        out.table(self, "");
        (out.text, out.places)
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
