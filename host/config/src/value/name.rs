//! Names: of services, tables, interfaces, labels and programs.

use super::text::{any_text, quote, text};
use crate::reader::{Leaf, Wrong};
use crate::tree::Value;

/// A name in logs and in `status`: of a service, a server.
#[derive(Debug, Clone)]
pub(crate) struct Name(pub(crate) String);

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

/// The name of the nftables table.
#[derive(Debug, Clone)]
pub(crate) struct TableName(pub(crate) String);

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
pub(crate) struct Interface(pub(crate) String);

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
pub(crate) struct Label(pub(crate) String);

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
pub(crate) struct Process(pub(crate) String);

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
