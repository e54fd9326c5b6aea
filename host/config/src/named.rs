//! Tables by name: `[plugins.grants]`, with a table for each plugin.

use std::collections::BTreeMap;

use super::plugin::ManifestName;
use super::reader::{Leaf as _, Read, Reader, Table, Wrong};
use super::tree::{Entry, Node, Value};

/// Tables by the names of plugins.
#[derive(Debug)]
pub(super) struct ByPlugin<T>(pub(super) BTreeMap<String, T>);

impl<T: Table> Read for ByPlugin<T> {
    fn kind() -> String {
        format!("a table with the name of each plugin and its {}", T::PLACE)
    }

    fn read(key: &str, node: Node, reader: &mut Reader) -> Option<Self> {
        let Value::Table(table) = node.value else {
            let help = format!("write {}", T::PLACE);
            reader.wrong(key, &node, Wrong::kind("a table", Some(help)));
            return None;
        };
        let mut tables = BTreeMap::new();
        let mut right = true;
        for Entry {
            key: name,
            at,
            node,
        } in table.entries
        {
            let plugin = ManifestName::leaf(&Value::Text(name.clone()));
            match (plugin, node.value) {
                (Err(wrong), _) => {
                    right = false;
                    reader.wrong_at(key, &at, wrong);
                }
                (Ok(_), Value::Table(table)) => {
                    tables.insert(name, T::read_table(table, node.span, reader));
                }
                (Ok(_), value) => {
                    right = false;
                    let node = Node { value, ..node };
                    let keys = T::KEYS.join(", ");
                    let help = format!("write {name} = {{ ... }} with some of {keys}");
                    reader.wrong(&name, &node, Wrong::kind("a table", Some(help)));
                }
            }
        }
        right.then_some(Self(tables))
    }
}
