//! Scopes and routing tables, by their numbers or by the names that `ip` has for them.

use crate::reader::{Leaf, Wrong};
use crate::tree::Value;
use crate::value::{one_of, word};

/// `include/uapi/linux/rtnetlink.h`, `rt_scope_t`.
const SCOPES: [(&str, u8); 5] = [
    ("global", 0),
    ("site", 200),
    ("link", 253),
    ("host", 254),
    ("nowhere", 255),
];

/// The scope of an address or a route.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope(pub(crate) u8);

impl Leaf for Scope {
    fn kind() -> String {
        format!(
            "{}, or a number up to 255",
            one_of(&SCOPES.map(|(name, _)| name))
        )
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let kind = <Self as Leaf>::kind();
        match value {
            Value::Integer(n) => u8::try_from(*n)
                .map(Self)
                .map_err(|_| Wrong::kind(&kind, None)),
            Value::Text(_) => word(value, &SCOPES).map(Self).map_err(|wrong| Wrong {
                what: format!("expected {kind}"),
                ..wrong
            }),
            _ => Err(Wrong::kind(&kind, None)),
        }
    }

    fn show(&self) -> String {
        match SCOPES.iter().find(|(_, scope)| *scope == self.0) {
            Some((name, _)) => format!("\"{name}\""),
            None => self.0.to_string(),
        }
    }
}

/// `include/uapi/linux/rtnetlink.h`, `rt_class_t`.
const TABLES: [(&str, u32); 3] = [("default", 253), ("main", 254), ("local", 255)];

/// A routing table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RoutingTable(pub(crate) u32);

impl RoutingTable {
    pub(crate) const MAIN: Self = Self(254);
}

impl Leaf for RoutingTable {
    fn kind() -> String {
        format!(
            "the number of a routing table from 1, or {}",
            one_of(&TABLES.map(|(name, _)| name))
        )
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let kind = <Self as Leaf>::kind();
        match value {
            Value::Integer(n) => match u32::try_from(*n) {
                Ok(n @ 1..) => Ok(Self(n)),
                _ => Err(Wrong::kind(&kind, None)),
            },
            Value::Text(_) => word(value, &TABLES).map(Self).map_err(|wrong| Wrong {
                what: format!("expected {kind}"),
                help: wrong.help.or(Some(
                    "names of other tables are not looked up: write the number".to_owned(),
                )),
            }),
            _ => Err(Wrong::kind(&kind, None)),
        }
    }

    fn show(&self) -> String {
        match TABLES.iter().find(|(_, table)| *table == self.0) {
            Some((name, _)) => format!("\"{name}\""),
            None => self.0.to_string(),
        }
    }
}
