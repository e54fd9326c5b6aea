//! Tables, alone or in lists, that may be written as one of their keys alone.

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

/// A table or, in short, the value of its one important key.
#[derive(Debug)]
pub(super) struct Brief<T>(pub(super) T);

impl<T: Abbreviated> Read for Brief<T> {
    fn kind() -> String {
        format!("a table {} or, in short, {}", T::PLACE, T::WHAT)
    }

    fn read(_key: &str, node: Node, reader: &mut Reader) -> Option<Self> {
        let at = node.span.clone();
        let table = match node.value {
            Value::Table(table) => table,
            // Whatever it is: that key knows best what is wrong with it.
            _ => in_short::<T>(node),
        };
        Some(Self(T::read_table(table, at, reader)))
    }
}

/// As if the table had only that key.
fn in_short<T: Abbreviated>(node: Node) -> tree::Table {
    let entry = Entry {
        key: T::SHORT.to_owned(),
        at: node.span.clone(),
        node,
    };
    tree::Table {
        entries: vec![entry],
    }
}

fn element<T: Abbreviated>(key: &str, node: Node, reader: &mut Reader) -> Option<T> {
    let at = node.span.clone();
    match node.value {
        Value::Table(table) => Some(T::read_table(table, at, reader)),
        Value::Text(_) => Some(T::read_table(in_short::<T>(node), at, reader)),
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
