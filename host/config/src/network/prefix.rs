//! Addresses of hosts, addresses with prefix lengths, and networks.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::address::mapped;
use crate::reader::{Leaf, Wrong, similar};
use crate::tree::Value;
use crate::units::digits;
use crate::value::text;
use evenkeel_core::model::Family;

/// The longest prefix of an address's family.
fn longest(addr: IpAddr) -> u8 {
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
pub(crate) struct Host(pub(crate) IpAddr);

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
pub(crate) struct WithPrefix {
    pub(crate) addr: IpAddr,
    prefix: Option<u8>,
}

impl WithPrefix {
    pub(crate) fn prefix(self) -> u8 {
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
pub(crate) struct Network(pub(crate) IpNet);

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
pub(crate) enum Target {
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
