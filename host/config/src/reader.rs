//! Reads tables key by key and collects what is wrong.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::report::{Diagnostic, Severity, Source, printable};
use super::schema;
use super::tree::{self, Entry, Node, Span, Value};

/// The most characters of a value that a message repeats.
const ECHO: usize = 60;

/// What a key takes.
pub(super) trait Read: Sized {
    /// The values, for the reference page and for messages: "a duration ...".
    fn kind() -> String;

    /// Reads a value; reports to `reader` why if there is `None`. `key` is what messages call it.
    fn read(key: &str, node: Node, reader: &mut Reader) -> Option<Self>;

    /// As it is written in the file. For the reference page; empty for what is never a default.
    fn show(&self) -> String {
        String::new()
    }
}

/// A value that is no table and no list.
pub(super) trait Leaf: Sized {
    /// See [`Read::kind`].
    fn kind() -> String;

    /// Reads a value.
    fn leaf(value: &Value) -> Result<Self, Wrong>;

    /// See [`Read::show`].
    fn show(&self) -> String {
        String::new()
    }
}

/// What is wrong with a value.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) what: String,
    pub(super) help: Option<String>,
}

impl Wrong {
    pub(super) fn new(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            help: Some(help.into()),
        }
    }

    /// A value of another type.
    pub(super) fn kind(kind: &str, help: Option<String>) -> Self {
        Self {
            what: format!("expected {kind}"),
            help,
        }
    }
}

impl<T: Leaf> Read for T {
    fn kind() -> String {
        <T as Leaf>::kind()
    }

    fn read(key: &str, node: Node, reader: &mut Reader) -> Option<Self> {
        match T::leaf(&node.value) {
            Ok(value) => Some(value),
            Err(wrong) => {
                reader.wrong(key, &node, wrong);
                None
            }
        }
    }

    fn show(&self) -> String {
        <T as Leaf>::show(self)
    }
}

/// A table that the file may hold.
pub(super) trait Table: Sized {
    /// How the reference and messages call it: `[[service]]`.
    const PLACE: &'static str;
    /// Its keys.
    const KEYS: &'static [&'static str];

    /// Reads all keys.
    fn read_table(table: tree::Table, at: Span, reader: &mut Reader) -> Self;

    /// For the reference page.
    fn page() -> Page;
}

/// A table as the reference page shows it.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) place: &'static str,
    pub(super) about: String,
    pub(super) keys: Vec<Key>,
}

/// A key as the reference page shows it.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: String,
    /// What holds if it is not written.
    pub(super) otherwise: String,
    pub(super) doc: String,
    /// The equivalent keywords of keepalived.
    pub(super) keepalived: Option<&'static str>,
}

impl Key {
    /// Whether keepalived has this keyword for it.
    pub(super) fn replaces(&self, keyword: &str) -> bool {
        let words = self.keepalived.unwrap_or_default();
        words
            .split(", ")
            .any(|word| word.split(' ').next() == Some(keyword))
    }
}

/// Whether a key must be written, and what holds if it is not.
#[derive(Debug, Clone, Copy)]
pub(super) enum Presence<T> {
    Required,
    Default(fn() -> T),
    /// With what holds otherwise, in words.
    Optional(&'static str),
}

impl<T: Read> Presence<T> {
    pub(super) fn otherwise(&self) -> String {
        match self {
            Self::Required => "required".to_owned(),
            Self::Default(value) => format!("`{}`", value().show()),
            Self::Optional(words) => (*words).to_owned(),
        }
    }
}

/// A key's value as read.
#[derive(Debug)]
pub(super) struct Field<T> {
    /// The value or, if none is written, the default. `None` for one that is wrong, which has been reported, too.
    pub(super) value: Option<T>,
    /// Where the value is written; where not, the table.
    pub(super) at: Span,
    pub(super) written: bool,
}

impl<T> Field<T> {
    pub(super) fn get(&self) -> Option<&T> {
        self.value.as_ref()
    }

    pub(super) fn copied(&self) -> Option<T>
    where
        T: Copy,
    {
        self.value
    }

    /// The value, or the default in place of a wrong one.
    pub(super) fn or(&self, default: fn() -> T) -> T
    where
        T: Clone,
    {
        self.value.clone().unwrap_or_else(default)
    }

    /// Written, but of no use.
    pub(super) fn is_wrong(&self) -> bool {
        self.written && self.value.is_none()
    }
}

/// Collects what is wrong while tables are read.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) source: Arc<Source>,
    diagnostics: Vec<Diagnostic>,
    /// Lines with syntax errors: what else is wrong there only follows from those.
    broken: BTreeSet<usize>,
    /// Places of which the same is true.
    ignored: Vec<Span>,
}

impl Reader {
    pub(super) fn new(source: Arc<Source>) -> Self {
        Self {
            source,
            diagnostics: Vec::new(),
            broken: BTreeSet::new(),
            ignored: Vec::new(),
        }
    }

    /// All that was reported, in the order of the text.
    pub(super) fn into_diagnostics(mut self) -> Vec<Diagnostic> {
        self.diagnostics.sort_by_key(|d| (d.span.start, d.span.end));
        self.diagnostics
    }

    pub(super) fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// Only the first of a line, since the others follow from it as a rule.
    pub(super) fn syntax_error(&mut self, span: &Span, message: String, help: Option<String>) {
        let error = Diagnostic::new(&self.source, Severity::Error, span, message, help);
        if self.broken.insert(error.line) {
            self.diagnostics.push(error);
        }
    }

    /// From now on, nothing but syntax errors is reported of this part of the text.
    pub(super) fn ignore(&mut self, span: Span) {
        self.ignored.push(span);
    }

    pub(super) fn error(&mut self, span: &Span, message: String, help: Option<String>) {
        self.push(Severity::Error, span, message, help);
    }

    pub(super) fn warning(&mut self, span: &Span, message: String, help: Option<String>) {
        self.push(Severity::Warning, span, message, help);
    }

    fn push(&mut self, severity: Severity, span: &Span, message: String, help: Option<String>) {
        let found = Diagnostic::new(&self.source, severity, span, message, help);
        let ignored = self
            .ignored
            .iter()
            .any(|span| span.contains(&found.span.start));
        if !ignored && !self.broken.contains(&found.line) {
            self.diagnostics.push(found);
        }
    }

    /// A value that its key does not take.
    pub(super) fn wrong(&mut self, key: &str, node: &Node, wrong: Wrong) {
        match node.value {
            Value::Broken => {}
            Value::Huge => self.wrong_at(
                key,
                &node.span,
                Wrong {
                    what: "the number is too large".to_owned(),
                    help: None,
                },
            ),
            _ => self.wrong_at(key, &node.span, wrong),
        }
    }

    /// The same for a value that is known by its place.
    pub(super) fn wrong_at(&mut self, key: &str, span: &Span, wrong: Wrong) {
        let message = format!("{key} = {}: {}", self.written(span), wrong.what);
        self.error(span, message, wrong.help);
    }

    /// The text at a place, as a message may repeat it.
    pub(super) fn written(&self, span: &Span) -> String {
        let text = self.source.slice(span);
        let line = text.lines().next().unwrap_or_default();
        let short: String = line.chars().take(ECHO).map(printable).collect();
        if short.len() < text.len() {
            format!("{short}…")
        } else {
            short
        }
    }

    /// Something required that is not there. Not reported beside syntax errors, which may be why it was not seen.
    pub(super) fn missing(&mut self, span: &Span, message: String, help: Option<String>) {
        if self.broken.is_empty() {
            self.error(span, message, help);
        }
    }

    /// Takes a key out of a table.
    pub(super) fn field<T: Read>(
        &mut self,
        table: &mut tree::Table,
        key: &'static str,
        at: &Span,
        place: &str,
        presence: Presence<T>,
    ) -> Field<T> {
        match table.take(key) {
            Some(Entry { node, .. }) => {
                let at = node.span.clone();
                let read = T::read(key, node, self);
                Field {
                    value: read,
                    at,
                    written: true,
                }
            }
            None => {
                let value = match presence {
                    Presence::Default(value) => Some(value()),
                    Presence::Optional(_) => None,
                    Presence::Required => {
                        let help = format!("add {key}, {}", T::kind());
                        self.missing(at, format!("{place} has no {key}"), Some(help));
                        None
                    }
                };
                Field {
                    value,
                    at: at.clone(),
                    written: false,
                }
            }
        }
    }

    /// Reports the keys that are left after all known ones have been taken.
    pub(super) fn unknown(&mut self, left: &tree::Table, place: &str, keys: &[&str]) {
        for entry in &left.entries {
            let help = schema::explain(&entry.key, place, keys);
            let key = self.written(&entry.at);
            self.error(
                &entry.at,
                format!("unknown key {key} in {place}"),
                Some(help),
            );
        }
    }
}

/// The word that was probably meant.
pub(super) fn similar<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Long words are no typing mistakes, and comparing them takes quadratic time.
    if word.len() > 64 {
        return None;
    }
    let word = word.to_lowercase();
    known
        .into_iter()
        .map(|known| (strsim::jaro_winkler(&word, &known.to_lowercase()), known))
        .filter(|(score, _)| *score >= 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}

/// The most names that a message lists.
const LISTED: usize = 20;

/// "did you mean", where something is similar, and what there is.
pub(super) fn suggest(word: &str, known: &[&str], what: &str) -> String {
    let list = if known.is_empty() {
        "none".to_owned()
    } else {
        let (listed, more) = known.split_at(known.len().min(LISTED));
        let more = match more.len() {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        format!("{}{more}", listed.join(", "))
    };
    match similar(word, known.iter().copied()) {
        Some(meant) => format!("did you mean {meant}? {what}: {list}"),
        None => format!("{what}: {list}"),
    }
}
