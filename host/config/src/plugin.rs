//! How plugins are named, with their settings, in the short and the long form.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::reader::{Field, Leaf, Read, Reader, Table, Wrong};
use super::tree::{self, Entry, Node, Span, Value};
use super::value::{FilePath, any_text, text};
use evenkeel_core::model::PluginRef;

/// A plugin's name, or its file: what contains `/` or ends in `.wasm` or `.so`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PluginName(pub(super) String);

/// A path of the configuration, which starts from the configuration's directory.
pub(super) fn joined(dir: &Path, path: &Path) -> PathBuf {
    // Without "./", which only makes messages longer.
    dir.join(path).components().collect()
}

/// Whether a file is a native plugin.
pub(super) fn is_native(file: &Path) -> bool {
    file.extension().is_some_and(|e| e == "so")
}

impl PluginName {
    fn is_file(name: &str) -> bool {
        let file = Path::new(name);
        name.contains('/') || is_native(file) || file.extension().is_some_and(|e| e == "wasm")
    }

    /// What the daemon is to look for. Files start from the configuration's directory.
    pub(super) fn reference(&self, dir: &Path) -> PluginRef {
        if Self::is_file(&self.0) {
            PluginRef::File(joined(dir, Path::new(&self.0)))
        } else {
            PluginRef::Name(self.0.clone())
        }
    }
}

impl Leaf for PluginName {
    fn kind() -> String {
        "a plugin's name, or its file (with `/`, `.wasm` or `.so`)".to_owned()
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let name = text(value, "the name or the file of a plugin")?;
        let right = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let is_name = name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(right);
        if (Self::is_file(name) && !name.contains(char::is_control)) || is_name {
            return Ok(Self(name.to_owned()));
        }
        let lower = name.to_lowercase();
        let help =
            if lower.starts_with(|c: char| c.is_ascii_lowercase()) && lower.chars().all(right) {
                format!("write \"{lower}\"")
            } else {
                "a name has a-z, 0-9 and -; a file has a / or ends in .wasm or .so".to_owned()
            };
        Err(Wrong::new(
            "neither the name nor the file of a plugin",
            help,
        ))
    }

    fn show(&self) -> String {
        format!("\"{}\"", self.0)
    }
}

/// The name that a plugin gives itself, and no file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ManifestName(pub(super) String);

impl Leaf for ManifestName {
    fn kind() -> String {
        "a plugin's name".to_owned()
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let PluginName(name) = PluginName::leaf(value)?;
        if PluginName::is_file(&name) {
            return Err(Wrong::new(
                "the file of a plugin, where its name is wanted",
                "`evenkeel plugin inspect FILE` shows its name",
            ));
        }
        Ok(Self(name))
    }
}

/// The name of a check that services refer to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CheckName(pub(super) String);

impl Leaf for CheckName {
    fn kind() -> String {
        "a name of a-z, 0-9 and -, a letter first".to_owned()
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let name = text(value, "the name of a check")?;
        let right = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(right) {
            return Ok(Self(name.to_owned()));
        }
        Err(Wrong::new(
            "no name of a check",
            "a name has a-z, 0-9 and -, a letter first",
        ))
    }
}

/// What a plugin's file must contain: its SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Digest(pub(super) String);

impl Leaf for Digest {
    fn kind() -> String {
        "64 digits 0-9 and a-f, as `sha256sum` prints them".to_owned()
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let digits = text(value, "the SHA-256 of a file")?;
        if digits.len() == 64 && digits.bytes().all(|it| it.is_ascii_hexdigit()) {
            return Ok(Self(digits.to_ascii_lowercase()));
        }
        Err(Wrong::new(
            "no SHA-256, which has 64 digits 0-9 and a-f",
            "take what `sha256sum FILE` prints",
        ))
    }
}

/// The file of a native plugin.
#[derive(Debug, Clone)]
pub(super) struct SharedObject(pub(super) PathBuf);

impl Leaf for SharedObject {
    fn kind() -> String {
        "a path that ends in `.so`".to_owned()
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let kind = "the path of a shared object, which ends in .so";
        let FilePath(path) = FilePath::leaf(value).map_err(|wrong| Wrong {
            what: format!("expected {kind}"),
            ..wrong
        })?;
        if is_native(&path) {
            return Ok(Self(path));
        }
        let help = path.extension().is_some_and(|e| e == "wasm").then(|| {
            "WebAssembly needs no trust: put it in one of plugin_dirs, or name the file where it is used"
                .to_owned()
        });
        Err(Wrong::kind(kind, help))
    }
}

/// Settings of a plugin, not looked at yet: its manifest says what is right.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings(pub(super) tree::Table);

impl Read for Settings {
    fn kind() -> String {
        "a table".to_owned()
    }

    fn read(key: &str, node: Node, reader: &mut Reader) -> Option<Self> {
        if let Value::Table(table) = node.value {
            return Some(Self(table));
        }
        reader.wrong(
            key,
            &node,
            Wrong::kind("a table such as { key = \"value\" }", None),
        );
        None
    }

    fn show(&self) -> String {
        "{}".to_owned()
    }
}

/// A table with a `plugin`, or the plugin's name alone.
#[derive(Debug)]
pub(super) struct Short<T>(pub(super) T);

impl<T: Table> Short<T> {
    /// As if the table had only this plugin.
    pub(super) fn of(node: Node, reader: &mut Reader) -> T {
        let at = node.span.clone();
        let plugin = Entry {
            key: "plugin".to_owned(),
            at: at.clone(),
            node,
        };
        T::read_table(
            tree::Table {
                entries: vec![plugin],
            },
            at,
            reader,
        )
    }
}

impl<T: Table> Read for Short<T> {
    fn kind() -> String {
        format!("a table {} or, in short, a plugin", T::PLACE)
    }

    fn read(key: &str, node: Node, reader: &mut Reader) -> Option<Self> {
        match node.value {
            Value::Table(table) => Some(Self(T::read_table(table, node.span, reader))),
            Value::Text(_) => Some(Self(Self::of(node, reader))),
            _ => {
                let help = format!("write {key} = {{ plugin = \"...\" }}");
                reader.wrong(
                    key,
                    &node,
                    Wrong::kind("a table or a plugin's name", Some(help)),
                );
                None
            }
        }
    }
}

/// Checks in any of their forms: one table or several, one plugin's name or several, or `"none"`.
#[derive(Debug)]
pub(super) struct Several<T>(pub(super) Vec<T>);

impl<T: Table> Several<T> {
    fn one(key: &str, node: Node, reader: &mut Reader) -> Option<T> {
        Short::<T>::read(key, node, reader).map(|short| short.0)
    }
}

impl<T: Table> Read for Several<T> {
    fn kind() -> String {
        format!(
            "a table {} or, in short, a plugin; or a list of them; or `\"none\"`",
            T::PLACE
        )
    }

    fn read(key: &str, node: Node, reader: &mut Reader) -> Option<Self> {
        match node.value {
            Value::Text(text) if text == "none" => Some(Self(Vec::new())),
            Value::List(nodes) => {
                let read: Vec<Option<T>> = nodes
                    .into_iter()
                    .map(|node| Self::one(key, node, reader))
                    .collect();
                read.into_iter().collect::<Option<_>>().map(Self)
            }
            _ => Self::one(key, node, reader).map(|check| Self(vec![check])),
        }
    }

    fn show(&self) -> String {
        "[]".to_owned()
    }
}

/// Free key/value pairs.
#[derive(Debug, Clone, Default)]
pub(super) struct Labels(pub(super) BTreeMap<String, Label>);

/// The value of a label, and where both are written.
#[derive(Debug, Clone)]
pub(super) struct Label {
    pub(super) text: String,
    /// The key.
    pub(super) at: Span,
    /// The value.
    pub(super) span: Span,
}

impl Labels {
    /// Each with its value.
    pub(super) fn values(&self) -> BTreeMap<String, String> {
        let labels = self.0.iter();
        labels
            .map(|(key, label)| (key.clone(), label.text.clone()))
            .collect()
    }
}

impl Read for Labels {
    fn kind() -> String {
        "a table of strings".to_owned()
    }

    fn read(key: &str, node: Node, reader: &mut Reader) -> Option<Self> {
        let Value::Table(table) = node.value else {
            let kind = "a table of strings such as { zone = \"a\" }";
            reader.wrong(key, &node, Wrong::kind(kind, None));
            return None;
        };
        let mut labels = Self::default();
        let mut right = true;
        for Entry {
            key: label,
            at,
            node,
        } in table.entries
        {
            match any_text(&node.value, "a string") {
                Ok(text) => {
                    let text = text.to_owned();
                    let span = node.span;
                    labels.0.insert(label, Label { text, at, span });
                }
                Err(wrong) => {
                    right = false;
                    reader.wrong(&format!("{key}.{label}"), &node, wrong);
                }
            }
        }
        right.then_some(labels)
    }

    fn show(&self) -> String {
        "{}".to_owned()
    }
}

/// Tables of one kind: `[[service]]`.
#[derive(Debug)]
pub(super) struct Many<T> {
    pub(super) tables: Vec<T>,
    /// Whether there is something else than tables, too; it has been reported.
    pub(super) others: bool,
}

impl<T> Field<Many<T>> {
    /// Those that could be read.
    pub(super) fn tables(&self) -> &[T] {
        self.get()
            .map(|many| many.tables.as_slice())
            .unwrap_or_default()
    }
}

impl<T: Table> Read for Many<T> {
    fn kind() -> String {
        format!("one or more tables {}", T::PLACE)
    }

    fn read(key: &str, node: Node, reader: &mut Reader) -> Option<Self> {
        let nodes = match node.value {
            Value::List(nodes) => nodes,
            Value::Table(_) => {
                let message = format!("{key} is a list of tables");
                reader.error(&node.span, message, Some(format!("write {}", T::PLACE)));
                return None;
            }
            _ => {
                reader.wrong(
                    key,
                    &node,
                    Wrong::kind("a list of tables", Some(format!("write {}", T::PLACE))),
                );
                return None;
            }
        };
        let count = nodes.len();
        let mut tables = Vec::with_capacity(count);
        for (i, node) in nodes.into_iter().enumerate() {
            match node.value {
                Value::Table(table) => tables.push(T::read_table(table, node.span, reader)),
                _ => reader.wrong(&format!("{key}[{i}]"), &node, Wrong::kind("a table", None)),
            }
        }
        let others = tables.len() < count;
        Some(Self { tables, others })
    }
}

/// One table: `[sandbox]`.
#[derive(Debug)]
pub(super) struct Single<T>(pub(super) T);

impl<T: Table> Read for Single<T> {
    fn kind() -> String {
        format!("a table {}", T::PLACE)
    }

    fn read(key: &str, node: Node, reader: &mut Reader) -> Option<Self> {
        if let Value::Table(table) = node.value {
            return Some(Self(T::read_table(table, node.span, reader)));
        }
        let help = match T::KEYS.first().filter(|_| !T::PLACE.starts_with('[')) {
            Some(first) => format!("write {key} = {{ {first} = ... }}"),
            None => format!("write {}", T::PLACE),
        };
        let help = Some(help);
        if let Value::List(_) = node.value {
            reader.error(&node.span, format!("{key} is one table"), help);
        } else {
            reader.wrong(key, &node, Wrong::kind("a table", help));
        }
        None
    }
}
