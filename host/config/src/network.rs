//! The values of virtual routers: addresses with prefixes, networks, scopes, routing tables.

use std::net::IpAddr;

use ipnet::IpNet;

use super::address::mapped;
use super::reader::{Leaf, Wrong, similar};
use super::tree::Value;
use super::units::digits;
use super::value::{Interface, one_of, text, word};
use evenkeel_core::model::{Checksum, Family, Password};

/// The longest prefix of an address's family.
pub(super) fn longest(addr: IpAddr) -> u8 {
    if addr.is_ipv4() { 32 } else { 128 }
}

/// Says why a host cannot have an address. Unlike that of a service, it may be link-local.
fn of_a_host(ip: IpAddr) -> Result<(), Wrong> {
    let what = match ip {
        _ if ip.is_unspecified() => "the unspecified address",
        _ if ip.is_multicast() => "a multicast address",
        _ if ip.is_loopback() => "a loopback address",
        IpAddr::V4(v4) if v4.octets()[0] == 0 || v4.octets()[0] >= 240 => "a reserved address",
        IpAddr::V4(_) | IpAddr::V6(_) => "",
    };
    if let Some(v4) = mapped(ip) {
        let help = format!("write \"{v4}\"");
        return Err(Wrong::new(
            "an IPv4 address is not written as an IPv6 one",
            help,
        ));
    }
    if what.is_empty() {
        return Ok(());
    }
    Err(Wrong {
        what: format!("{what}: expected the address of one host"),
        help: None,
    })
}

/// An address of a host, which may be link-local.
#[derive(Debug, Clone, Copy)]
pub(super) struct Host(pub(super) IpAddr);

impl Leaf for Host {
    fn kind() -> String {
        "an IP address".to_owned()
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let kind = <Self as Leaf>::kind();
        let written = text(value, &kind)?;
        let Ok(ip) = written.parse::<IpAddr>() else {
            let bare = written.split('/').next().unwrap_or_default();
            let help = (bare != written && bare.parse::<IpAddr>().is_ok())
                .then(|| format!("write it without a prefix: \"{bare}\""));
            return Err(Wrong::kind(&kind, help));
        };
        of_a_host(ip)?;
        Ok(Self(ip))
    }
}

/// A virtual address with its prefix length, if that is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct WithPrefix {
    pub(super) addr: IpAddr,
    prefix: Option<u8>,
}

impl WithPrefix {
    pub(super) fn prefix(self) -> u8 {
        self.prefix.unwrap_or(longest(self.addr))
    }
}

impl Leaf for WithPrefix {
    fn kind() -> String {
        "an IP address with its prefix length, such as \"192.0.2.1/24\"".to_owned()
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let kind = <Self as Leaf>::kind();
        let written = text(value, &kind)?;
        let (addr, prefix) = match written.split_once('/') {
            Some((addr, prefix)) => (addr, Some(prefix)),
            None => (written, None),
        };
        let Ok(addr) = addr.parse::<IpAddr>() else {
            return Err(Wrong::kind(&kind, None));
        };
        of_a_host(addr)?;
        let prefix = match prefix {
            None => None,
            Some(prefix) => Some(prefix_of(addr, prefix, 1)?),
        };
        Ok(Self { addr, prefix })
    }
}

fn prefix_of(addr: IpAddr, written: &str, least: u8) -> Result<u8, Wrong> {
    let longest = longest(addr);
    digits(written)
        .filter(|prefix| (least..=longest).contains(prefix))
        .ok_or_else(|| {
            let family = Family::of(addr);
            let what = format!("\"{}\" is no prefix length", written.escape_debug());
            let help = format!("a prefix length of {family} is a number from {least} to {longest}");
            Wrong::new(what, help)
        })
}

/// A network, or an address alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Network(pub(super) IpNet);

impl Leaf for Network {
    fn kind() -> String {
        "a network such as \"192.0.2.0/24\", or an IP address".to_owned()
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let kind = <Self as Leaf>::kind();
        let written = text(value, &kind)?;
        network(written)?
            .map(Self)
            .ok_or_else(|| Wrong::kind(&kind, None))
    }
}

/// `None` for what does not look like an address.
fn network(written: &str) -> Result<Option<IpNet>, Wrong> {
    let (addr, prefix) = match written.split_once('/') {
        Some((addr, prefix)) => (addr, Some(prefix)),
        None => (written, None),
    };
    let Ok(addr) = addr.parse::<IpAddr>() else {
        return Ok(None);
    };
    let prefix = match prefix {
        None => longest(addr),
        Some(prefix) => prefix_of(addr, prefix, 0)?,
    };
    let net = IpNet::new(addr, prefix).map_err(|_| Wrong::kind("a network", None))?;
    if net.trunc() == net {
        return Ok(Some(net));
    }
    let what = format!("{addr} has bits behind the prefix of {prefix}");
    let help = format!(
        "write \"{}\", or \"{addr}\" for the one address",
        net.trunc()
    );
    Err(Wrong::new(what, help))
}

/// Where a route leads.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target {
    /// Of the family that the route's other addresses have.
    Default,
    Net(IpNet),
}

impl Leaf for Target {
    fn kind() -> String {
        "\"default\", or a network such as \"192.0.2.0/24\", or an IP address".to_owned()
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let kind = <Self as Leaf>::kind();
        let written = text(value, &kind)?;
        if written == "default" {
            return Ok(Self::Default);
        }
        network(written)?.map(Self::Net).ok_or_else(|| {
            let help = similar(written, ["default"]).map(|_| "write \"default\"".to_owned());
            Wrong::kind(&kind, help)
        })
    }
}

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
pub(super) struct Scope(pub(super) u8);

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
pub(super) struct RoutingTable(pub(super) u32);

impl RoutingTable {
    pub(super) const MAIN: Self = Self(254);
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

/// Whether, and in which interface, a virtual MAC address is used.
#[derive(Debug, Clone)]
pub(super) enum VirtualMac {
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
            Value::Integer(n @ 0..) => {
                let help = format!("write it in quotes: \"{n}\"");
                return Err(Wrong::kind(&kind, Some(help)));
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
                let first: String = written.chars().take(8).collect();
                let long = written.len() > 8 && written.chars().all(right);
                let help = long
                    .then(|| format!("routers that cut it, as keepalived does, have \"{first}\""));
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
