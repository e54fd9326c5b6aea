//! The values that keys take, each with its own idea of what is wrong.

use std::fmt::Display;
use std::path::PathBuf;

use super::reader::{Leaf, Read, Reader, Wrong, similar};
use super::tree::{Node, Value};

/// A value of TOML's string type.
pub(super) fn text<'a>(value: &'a Value, kind: &str) -> Result<&'a str, Wrong> {
    match value {
        Value::Text(text) => Ok(text),
        _ => Err(Wrong::kind(kind, None)),
    }
}

/// The same where any string will do: what lacks its quotes is told so.
pub(super) fn any_text<'a>(value: &'a Value, kind: &str) -> Result<&'a str, Wrong> {
    let bare = match value {
        Value::Integer(n) => Some(n.to_string()),
        Value::Number(n) => Some(n.to_string()),
        Value::Boolean(b) => Some(b.to_string()),
        _ => None,
    };
    text(value, kind).map_err(|wrong| Wrong {
        help: bare.map(|text| format!("write it in quotes: \"{text}\"")),
        ..wrong
    })
}

/// A value as TOML writes it: JSON's escapes are among TOML's.
fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

impl Leaf for bool {
    fn kind() -> String {
        "true or false".to_owned()
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        match value {
            Value::Boolean(boolean) => Ok(*boolean),
            Value::Text(text) => {
                let help = match text.to_lowercase().as_str() {
                    "true" | "yes" | "on" => Some("write it without quotes: true".to_owned()),
                    "false" | "no" | "off" => Some("write it without quotes: false".to_owned()),
                    _ => None,
                };
                Err(Wrong::kind(&<Self as Leaf>::kind(), help))
            }
            _ => Err(Wrong::kind(&<Self as Leaf>::kind(), None)),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// A whole number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whole<const MIN: u32, const MAX: u32>(pub(super) u32);

impl<const MIN: u32, const MAX: u32> Leaf for Whole<MIN, MAX> {
    fn kind() -> String {
        if MAX - MIN == 1 {
            return format!("{MIN} or {MAX}");
        }
        format!("a whole number from {MIN} to {MAX}")
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let kind = <Self as Leaf>::kind();
        match value {
            Value::Integer(n) => match u32::try_from(*n) {
                Ok(n) if (MIN..=MAX).contains(&n) => Ok(Self(n)),
                _ => Err(Wrong {
                    what: format!("not {kind}"),
                    help: None,
                }),
            },
            Value::Huge => Err(Wrong {
                what: format!("not {kind}"),
                help: None,
            }),
            Value::Text(text) if text.parse::<u32>().is_ok() => Err(Wrong::kind(
                &kind,
                Some(format!("write it without quotes: {text}")),
            )),
            _ => Err(Wrong::kind(&kind, None)),
        }
    }

    fn show(&self) -> String {
        self.0.to_string()
    }
}

/// A whole number from `-MOST` to `MOST`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signed<const MOST: i16>(pub(super) i16);

impl<const MOST: i16> Leaf for Signed<MOST> {
    fn kind() -> String {
        format!("a whole number from -{MOST} to {MOST}")
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let kind = <Self as Leaf>::kind();
        match value {
            Value::Integer(n) => match i16::try_from(*n) {
                Ok(n) if (-MOST..=MOST).contains(&n) => Ok(Self(n)),
                _ => Err(Wrong {
                    what: format!("not {kind}"),
                    help: None,
                }),
            },
            Value::Text(text) if text.parse::<i16>().is_ok() => Err(Wrong::kind(
                &kind,
                Some(format!("write it without quotes: {text}")),
            )),
            _ => Err(Wrong::kind(&kind, None)),
        }
    }

    fn show(&self) -> String {
        self.0.to_string()
    }
}

/// A name in logs and in `status`: of a service, a server.
#[derive(Debug, Clone)]
pub(super) struct Name(pub(super) String);

impl Leaf for Name {
    fn kind() -> String {
        "a name: 1 to 64 of A-Z a-z 0-9 . _ -".to_owned()
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let name = any_text(value, &<Self as Leaf>::kind())?;
        let right = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if let Some(c) = name.chars().find(|c| !right(*c)) {
            let fixed: String = name
                .chars()
                .map(|c| if right(c) { c } else { '-' })
                .collect();
            let what = format!("{c:?} may not be in a name");
            return Err(Wrong::new(what, format!("write {}", quote(&cut(&fixed)))));
        }
        if name.is_empty() || name.len() > 64 {
            let what = format!("a name has 1 to 64 characters, not {}", name.len());
            return Err(Wrong { what, help: None });
        }
        Ok(Self(name.to_owned()))
    }

    fn show(&self) -> String {
        quote(&self.0)
    }
}

fn cut(name: &str) -> String {
    name.chars().take(64).collect()
}

/// A path of a file or a directory.
#[derive(Debug, Clone)]
pub(super) struct FilePath(pub(super) PathBuf);

impl Leaf for FilePath {
    fn kind() -> String {
        "a path".to_owned()
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let path = any_text(value, "a path")?;
        if path.is_empty() || path.contains(char::is_control) {
            return Err(Wrong {
                what: "not a path".to_owned(),
                help: None,
            });
        }
        Ok(Self(PathBuf::from(path)))
    }

    fn show(&self) -> String {
        quote(&self.0.to_string_lossy())
    }
}

/// A path of a socket, which the kernel limits to 107 bytes (unix(7)).
#[derive(Debug, Clone)]
pub(super) struct SocketPath(pub(super) PathBuf);

impl Leaf for SocketPath {
    fn kind() -> String {
        "a path of at most 107 bytes".to_owned()
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let FilePath(path) = FilePath::leaf(value)?;
        let len = path.as_os_str().len();
        if len > 107 {
            let what = format!("the path of a socket has at most 107 bytes, not {len}");
            return Err(Wrong { what, help: None });
        }
        Ok(Self(path))
    }

    fn show(&self) -> String {
        quote(&self.0.to_string_lossy())
    }
}

/// The name of the nftables table.
#[derive(Debug, Clone)]
pub(super) struct TableName(pub(super) String);

impl Leaf for TableName {
    fn kind() -> String {
        "a name that nft takes: a letter, then up to 63 of A-Z a-z 0-9 _ -".to_owned()
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let kind = <Self as Leaf>::kind();
        let name = text(value, &kind)?;
        let right = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let first = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
        if !first || name.len() > 64 || !name.chars().all(right) {
            return Err(Wrong {
                what: format!("not {kind}"),
                help: None,
            });
        }
        Ok(Self(name.to_owned()))
    }

    fn show(&self) -> String {
        quote(&self.0)
    }
}

/// The name of a network interface, as the kernel's `dev_valid_name` has it.
#[derive(Debug, Clone)]
pub(super) struct Interface(pub(super) String);

impl Leaf for Interface {
    fn kind() -> String {
        "the name of a network interface".to_owned()
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let name = text(value, &<Self as Leaf>::kind())?;
        let wrong = |c: char| c == '/' || c == ':' || c.is_control() || c.is_whitespace();
        if name.is_empty() || name.len() > 15 || name == "." || name == ".." || name.contains(wrong)
        {
            let what = "an interface's name has 1 to 15 bytes, without /, : and spaces";
            return Err(Wrong {
                what: what.to_owned(),
                help: None,
            });
        }
        Ok(Self(name.to_owned()))
    }
}

/// The label of an address.
#[derive(Debug, Clone)]
pub(super) struct Label(pub(super) String);

impl Leaf for Label {
    fn kind() -> String {
        "a label of 1 to 15 bytes, such as \"eth0:1\"".to_owned()
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let kind = <Self as Leaf>::kind();
        let label = any_text(value, &kind)?;
        let wrong = |c: char| c == '/' || c.is_control() || c.is_whitespace();
        if label.is_empty() || label.len() > 15 || label.contains(wrong) {
            return Err(Wrong::kind(&kind, None));
        }
        Ok(Self(label.to_owned()))
    }
}

/// What a process is known by.
#[derive(Debug, Clone)]
pub(super) struct Process(pub(super) String);

impl Leaf for Process {
    fn kind() -> String {
        "the name or the absolute path of a program".to_owned()
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let kind = <Self as Leaf>::kind();
        let name = any_text(value, &kind)?;
        let relative = name.contains('/') && !name.starts_with('/');
        if name.is_empty() || relative || name.contains(char::is_control) {
            return Err(Wrong::kind(&kind, None));
        }
        Ok(Self(name.to_owned()))
    }
}

/// Reads one of several words.
pub(super) fn word<T: Copy>(value: &Value, words: &[(&'static str, T)]) -> Result<T, Wrong> {
    let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
    let kind = one_of(&names);
    let written = text(value, &kind)?;
    words
        .iter()
        .find(|(name, _)| *name == written)
        .map(|(_, value)| *value)
        .ok_or_else(|| Wrong {
            what: format!("expected {kind}"),
            help: similar(written, names).map(|meant| format!("did you mean \"{meant}\"?")),
        })
}

/// "a", "b" or "c"
pub(super) fn one_of(words: &[impl Display]) -> String {
    let mut out = String::new();
    for (i, word) in words.iter().enumerate() {
        let joint = if i == 0 {
            ""
        } else if i + 1 == words.len() {
            " or "
        } else {
            ", "
        };
        out.push_str(&format!("{joint}\"{word}\""));
    }
    out
}

/// A list whose elements are read, and reported, one by one. `None` if one of them is wrong.
#[derive(Debug, Clone)]
pub(super) struct List<T>(pub(super) Vec<T>);

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
