//! A TOML document as owned values that know where they were written.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Bytes of the configuration's text.
pub(super) type Span = Range<usize>;

/// A value and where it was written.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) value: Value,
}

/// A TOML value.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Number(f64),
    Boolean(bool),
    List(Vec<Node>),
    Table(Table),
    /// A date or a time, which no key takes.
    Time,
    /// A whole number that does not fit 64 bits.
    Huge,
    /// Left over from a syntax error, which has been reported.
    Broken,
}

/// A TOML table, in no particular order. Keys are unique.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    pub(super) entries: Vec<Entry>,
}

/// A key of a table with its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) at: Span,
    pub(super) node: Node,
}

impl Table {
    pub(super) fn of(table: &DeTable<'_>) -> Self {
        let entries = table
            .iter()
            .map(|(key, value)| Entry {
                key: key.get_ref().to_string(),
                at: key.span(),
                node: Node::of(value),
            })
            .collect();
        Self { entries }
    }

    /// Removes a key.
    pub(super) fn take(&mut self, key: &str) -> Option<Entry> {
        let at = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.swap_remove(at))
    }

    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The nearest place before `offset` at which the table that `offset` lies in, or another, has this key.
    pub(super) fn before(&self, key: &str, offset: usize) -> Option<Span> {
        let mut nearest: Option<Span> = None;
        for entry in &self.entries {
            let own = (entry.key == key && entry.at.start < offset).then(|| entry.at.clone());
            let inner = entry.node.before(key, offset);
            for found in own.into_iter().chain(inner) {
                if nearest.as_ref().is_none_or(|old| old.start < found.start) {
                    nearest = Some(found);
                }
            }
        }
        nearest
    }
}

impl Node {
    fn of(value: &Spanned<DeValue<'_>>) -> Self {
        Self {
            span: value.span(),
            value: Value::of(value.get_ref(), &value.span()),
        }
    }

    fn before(&self, key: &str, offset: usize) -> Option<Span> {
        match &self.value {
            Value::Table(table) => {
                let inline = table
                    .entries
                    .iter()
                    .any(|e| self.span.contains(&e.at.start));
                if inline && !self.span.contains(&offset) {
                    None
                } else {
                    table.before(key, offset)
                }
            }
            Value::List(nodes) => nodes
                .iter()
                .filter_map(|node| node.before(key, offset))
                .max_by_key(|span| span.start),
            _ => None,
        }
    }
}

impl Value {
    fn of(value: &DeValue<'_>, span: &Span) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Boolean(boolean) => Self::Boolean(*boolean),
            DeValue::Float(float) => float.as_str().parse().map_or(Self::Broken, Self::Number),
            DeValue::Datetime(_) => Self::Time,
            DeValue::Array(array) => Self::List(array.iter().map(Node::of).collect()),
            DeValue::Table(table) => Self::Table(Table::of(table)),
            // What stands for a value that could not be read is a zero at no place.
            DeValue::Integer(_) if span.is_empty() => Self::Broken,
            DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
                .map_or(Self::Huge, Self::Integer),
        }
    }
}
