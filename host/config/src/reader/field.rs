//! What keys and tables take: the traits that values implement, and a key's value as read.

use super::collect::{Reader, Wrong};
use super::page::Page;
use crate::tree::{self, Entry, Node, Span, Value};

/// What a key takes.
pub(crate) trait Read: Sized {
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
pub(crate) trait Leaf: Sized {
    /// The values, in words: what [`Read::kind`] says.
    fn kind() -> String;

    /// Reads a value.
    fn leaf(value: &Value) -> Result<Self, Wrong>;

    /// As it is written in the file: what [`Read::show`] gives.
    fn show(&self) -> String {
        String::new()
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
pub(crate) trait Table: Sized {
    /// How the reference and messages call it: `[[service]]`.
    const PLACE: &'static str;
    /// Its keys.
    const KEYS: &'static [&'static str];

    /// Reads all keys.
    fn read_table(table: tree::Table, at: Span, reader: &mut Reader) -> Self;

    /// For the reference page.
    fn page() -> Page;
}

/// Whether a key must be written, and what holds if it is not.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Presence<T> {
    Required,
    Default(fn() -> T),
    /// With what holds otherwise, in words.
    Optional(&'static str),
}

impl<T: Read> Presence<T> {
    pub(crate) fn otherwise(&self) -> String {
        match self {
            Self::Required => "required".to_owned(),
            Self::Default(value) => format!("`{}`", value().show()),
            Self::Optional(words) => (*words).to_owned(),
        }
    }
}

/// A key's value as read.
#[derive(Debug)]
pub(crate) struct Field<T> {
    /// The value or, if none is written, the default. `None` for one that is wrong, which has been reported, too.
    pub(crate) value: Option<T>,
    /// Where the value is written; where not, the table.
    pub(crate) at: Span,
    pub(crate) written: bool,
}

impl<T> Field<T> {
    /// Of a table that is not in the file, and has no default here.
    pub(crate) fn unwritten() -> Self {
        Self {
            value: None,
            at: 0..0,
            written: false,
        }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        self.value.as_ref()
    }

    pub(crate) fn copied(&self) -> Option<T>
    where
        T: Copy,
    {
        self.value
    }

    /// The value, or the default in place of a wrong one.
    pub(crate) fn or(&self, default: fn() -> T) -> T
    where
        T: Clone,
    {
        self.value.clone().unwrap_or_else(default)
    }

    /// Written, but of no use.
    pub(crate) fn is_wrong(&self) -> bool {
        self.written && self.value.is_none()
    }
}

impl Reader {
    /// Takes a key out of a table.
    pub(crate) fn field<T: Read>(
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
    pub(crate) fn unknown(&mut self, left: &tree::Table, place: &str, keys: &[&str]) {
        for entry in &left.entries {
            let help = self.explain_key(&entry.key, place, keys);
            let key = self.written(&entry.at);
            self.error(
                &entry.at,
                format!("unknown key {key} in {place}"),
                Some(help),
            );
        }
    }
}
