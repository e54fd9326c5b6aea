//! Lists whose elements are tables or, in short, one of their keys alone.

use super::reader::{Leaf, Read, Reader, Table, Wrong};
use super::tree::{self, Entry, Node, Span, Value};

/// A table that may be written as the value of one key.
pub(super) trait Abbreviated: Table {
    /// That key.
    const SHORT: &'static str;
    /// What it is, in words: "an address".
    const WHAT: &'static str;
}

/// `["10.0.0.1/24", { address = "10.0.0.2/24", label = "eth0:1" }]`, or one of them alone.
#[derive(Debug)]
pub(super) struct Mixed<T> {
    pub(super) tables: Vec<T>,
    /// Whether there is something else, too; it has been reported.
    pub(super) others: bool,
}

impl<T: Abbreviated> Read for Mixed<T> {
    fn kind() -> String {
        format!("a list; each element: {} or a table {}", T::WHAT, T::PLACE)
    }

    fn read(key: &str, node: Node, reader: &mut Reader) -> Option<Self> {
        let nodes = match node.value {
            Value::List(nodes) => nodes,
            Value::Table(_) | Value::Text(_) => vec![node],
            _ => {
                let kind = <Self as Read>::kind();
                reader.wrong(key, &node, Wrong::kind(&kind, None));
                return None;
            }
        };
        let count = nodes.len();
        let tables: Vec<T> = nodes
            .into_iter()
            .enumerate()
            .filter_map(|(i, node)| element(&format!("{key}[{i}]"), node, reader))
            .collect();
        let others = tables.len() < count;
        Some(Self { tables, others })
    }
}

fn element<T: Abbreviated>(key: &str, node: Node, reader: &mut Reader) -> Option<T> {
    let at = node.span.clone();
    match node.value {
        Value::Table(table) => Some(T::read_table(table, at, reader)),
        Value::Text(_) => {
            let entry = Entry {
                key: T::SHORT.to_owned(),
                at: at.clone(),
                node,
            };
            let table = tree::Table {
                entries: vec![entry],
            };
            Some(T::read_table(table, at, reader))
        }
        _ => {
            let kind = format!("{} or a table", T::WHAT);
            reader.wrong(key, &node, Wrong::kind(&kind, None));
            None
        }
    }
}

/// A value that knows where it was written, in a list of such.
#[derive(Debug, Clone)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) at: Span,
}

impl<T: Leaf> Read for Placed<T> {
    fn kind() -> String {
        <T as Leaf>::kind()
    }

    fn read(key: &str, node: Node, reader: &mut Reader) -> Option<Self> {
        let at = node.span.clone();
        let value = T::read(key, node, reader)?;
        Some(Self { value, at })
    }
}
