//! What the VRRP protocol itself is configured with: virtual MAC addresses, passwords, checksums, families.

use crate::reader::{Leaf, Wrong};
use crate::tree::Value;
use crate::value::{Interface, one_of, text, word};
use evenkeel_core::model::{Checksum, Family, Password};

/// Whether, and in which interface, a virtual MAC address is used.
#[derive(Debug, Clone)]
pub(crate) enum VirtualMac {
    No,
    /// In an interface that is named after the virtual router.
    Yes,
    In(String),
}

impl Leaf for VirtualMac {
    fn kind() -> String {
        "true, false, or the name of the network interface to be made".to_owned()
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        match value {
            Value::Boolean(true) => Ok(Self::Yes),
            Value::Boolean(false) => Ok(Self::No),
            Value::Text(text) if text == "true" || text == "false" => {
                let help = format!("write it without quotes: {text}");
                Err(Wrong::kind(&<Self as Leaf>::kind(), Some(help)))
            }
            Value::Text(_) => Interface::leaf(value).map(|name| Self::In(name.0)),
            _ => Err(Wrong::kind(&<Self as Leaf>::kind(), None)),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::No => "false".to_owned(),
            Self::Yes => "true".to_owned(),
            Self::In(name) => format!("\"{name}\""),
        }
    }
}

impl Leaf for Password {
    fn kind() -> String {
        "1 to 8 ASCII characters".to_owned()
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let kind = <Self as Leaf>::kind();
        let written = match value {
            // What is written is not repeated: it is a password.
            Value::Integer(0..) => {
                return Err(Wrong::kind(&kind, Some("write it in quotes".to_owned())));
            }
            other => text(other, &kind)?,
        };
        let mut bytes = [0; 8];
        let right = |c: char| c == ' ' || c.is_ascii_graphic();
        match bytes.get_mut(..written.len()) {
            Some(room) if !written.is_empty() && written.chars().all(right) => {
                room.copy_from_slice(written.as_bytes());
                Ok(Self(bytes))
            }
            _ => {
                let long = written.len() > 8 && written.chars().all(right);
                let help = long.then(|| {
                    "routers that cut it, as keepalived does, have its first 8 characters"
                        .to_owned()
                });
                Err(Wrong::kind(&kind, help))
            }
        }
    }
}

impl Leaf for Checksum {
    fn kind() -> String {
        one_of(&["pseudo-header", "message-only"])
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        word(
            value,
            &[
                ("pseudo-header", Self::PseudoHeader),
                ("message-only", Self::MessageOnly),
            ],
        )
    }

    fn show(&self) -> String {
        match self {
            Self::PseudoHeader => "\"pseudo-header\"".to_owned(),
            Self::MessageOnly => "\"message-only\"".to_owned(),
        }
    }
}

impl Leaf for Family {
    fn kind() -> String {
        one_of(&["ipv4", "ipv6"])
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        word(value, &[("ipv4", Self::V4), ("ipv6", Self::V6)])
    }
}
