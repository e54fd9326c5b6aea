//! The words of the model that keys take.

use crate::reader::{Leaf, Wrong};
use crate::tree::Value;
use crate::value::Whole;
use crate::value::{one_of, word};
use evenkeel_core::manifest::Decision;
use evenkeel_core::model::{
    ChecksRequired, DataPlaneChoice, DataPlaneKind, Forward, Offload, OnDown, OnDrain, Protocol,
    WhenAllDown,
};

impl Leaf for Protocol {
    fn kind() -> String {
        one_of(&["tcp", "udp", "sctp"])
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let words = [("tcp", Self::Tcp), ("udp", Self::Udp), ("sctp", Self::Sctp)];
        word(value, &words)
    }

    fn show(&self) -> String {
        format!("\"{self}\"")
    }
}

impl Leaf for DataPlaneChoice {
    fn kind() -> String {
        one_of(&["auto", "nftables", "ipvs"])
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let words = [
            ("auto", Self::Auto),
            ("nftables", Self::Only(DataPlaneKind::Nftables)),
            ("ipvs", Self::Only(DataPlaneKind::Ipvs)),
        ];
        word(value, &words)
    }

    fn show(&self) -> String {
        match self {
            Self::Auto => "\"auto\"".to_owned(),
            Self::Only(kind) => format!("\"{kind}\""),
        }
    }
}

impl Leaf for Offload {
    fn kind() -> String {
        one_of(&["auto", "off"])
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        word(value, &[("auto", Self::Auto), ("off", Self::Off)])
    }

    fn show(&self) -> String {
        match self {
            Self::Auto => "\"auto\"".to_owned(),
            Self::Off => "\"off\"".to_owned(),
        }
    }
}

impl Leaf for Forward {
    fn kind() -> String {
        one_of(&["nat", "dr", "tun"])
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let words = [("nat", Self::Nat), ("dr", Self::Dr), ("tun", Self::Tun)];
        word(value, &words)
    }

    fn show(&self) -> String {
        format!("\"{self}\"")
    }
}

impl Leaf for Decision {
    fn kind() -> String {
        one_of(&["plan", "per-connection"])
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let words = [
            ("plan", Self::Plan),
            ("per-connection", Self::PerConnection),
        ];
        word(value, &words)
    }
}

impl Leaf for WhenAllDown {
    fn kind() -> String {
        one_of(&["refuse", "use_all", "use_last"])
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let words = [
            ("refuse", Self::Refuse),
            ("use_all", Self::UseAll),
            ("use_last", Self::UseLast),
        ];
        word(value, &words)
    }

    fn show(&self) -> String {
        let word = match self {
            Self::Refuse => "refuse",
            Self::UseAll => "use_all",
            Self::UseLast => "use_last",
        };
        format!("\"{word}\"")
    }
}

impl Leaf for ChecksRequired {
    fn kind() -> String {
        "\"all\", \"any\" or a whole number from 1 to 1000".to_owned()
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        match value {
            Value::Text(word) if word == "all" => Ok(Self::All),
            Value::Text(word) if word == "any" => Ok(Self::Any),
            Value::Integer(_) => Whole::<1, 1_000>::leaf(value).map(|least| Self::AtLeast(least.0)),
            _ => Err(Wrong::kind(&Self::kind(), None)),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::All => "\"all\"".to_owned(),
            Self::Any => "\"any\"".to_owned(),
            Self::AtLeast(least) => least.to_string(),
        }
    }
}

impl Leaf for OnDrain {
    fn kind() -> String {
        one_of(&["keep", "move"])
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        word(value, &[("keep", Self::Keep), ("move", Self::Move)])
    }

    fn show(&self) -> String {
        match self {
            Self::Keep => "\"keep\"".to_owned(),
            Self::Move => "\"move\"".to_owned(),
        }
    }
}

impl Leaf for OnDown {
    fn kind() -> String {
        one_of(&["keep", "kill"])
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        word(value, &[("keep", Self::Keep), ("kill", Self::Kill)])
    }
}
