//! The words of the model that keys take.

use crate::reader::{Leaf, Wrong};
use crate::tree::Value;
use crate::value::{one_of, word};
use evenkeel_core::manifest::Decision;
use evenkeel_core::model::{
    DataPlaneChoice, DataPlaneKind, Forward, Offload, OnDown, OnDrain, Protocol,
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
