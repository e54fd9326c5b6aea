//! Lists of values.

use crate::reader::{Read, Reader, Wrong};
use crate::tree::{Node, Value};

/// A list whose elements are read, and reported, one by one. `None` if one of them is wrong.
#[derive(Debug, Clone)]
pub(crate) struct List<T>(pub(crate) Vec<T>);

impl<T: Read> Read for List<T> {
    fn kind() -> String {
        format!("a list; each element: {}", T::kind())
    }

    fn read(key: &str, node: Node, reader: &mut Reader) -> Option<Self> {
        let Value::List(nodes) = node.value else {
            let help = matches!(node.value, Value::Text(_))
                .then(|| format!("write it in brackets: [{}]", reader.written(&node.span)));
            reader.wrong(key, &node, Wrong::kind("a list", help));
            return None;
        };
        let read: Vec<Option<T>> = nodes
            .into_iter()
            .enumerate()
            .map(|(i, node)| T::read(&format!("{key}[{i}]"), node, reader))
            .collect();
        read.into_iter().collect::<Option<_>>().map(Self)
    }

    fn show(&self) -> String {
        format!(
            "[{}]",
            self.0.iter().map(Read::show).collect::<Vec<_>>().join(", ")
        )
    }
}
