//! Addresses of services and servers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::reader::{Leaf, Wrong};
use super::tree::Value;
use super::value::text;

const ENDPOINT: &str = "\"IP:PORT\" or \"[IPV6]:PORT\"";

/// An address that one host can have, with a port from 1 to 65535.
#[derive(Debug, Clone, Copy)]
pub(super) struct Endpoint(pub(super) SocketAddr);

impl Leaf for Endpoint {
    fn kind() -> String {
        ENDPOINT.to_owned()
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let written = text(value, ENDPOINT)?;
        let Ok(endpoint) = written.parse::<SocketAddr>() else {
            return Err(not_an_endpoint(written));
        };
        if let SocketAddr::V6(v6) = endpoint
            && v6.scope_id() != 0
        {
            return Err(Wrong {
                what: "an address with a zone cannot be balanced".to_owned(),
                help: None,
            });
        }
        if endpoint.port() == 0 {
            return Err(Wrong::new(
                "the port is from 1 to 65535",
                format!("write {ENDPOINT}"),
            ));
        }
        of_one_host(endpoint.ip()).map_err(|what| Wrong { what, help: None })?;
        if let Some(v4) = mapped(endpoint.ip()) {
            let help = format!("write \"{v4}:{}\"", endpoint.port());
            return Err(Wrong::new(
                "an IPv4 address is not written as an IPv6 one",
                help,
            ));
        }
        Ok(Self(endpoint))
    }
}

/// The address of a real server. Without a port, which only some services may leave out, that is 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct ServerAddress(pub(super) SocketAddr);

impl Leaf for ServerAddress {
    fn kind() -> String {
        ENDPOINT.to_owned()
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        if let Value::Text(written) = value
            && let Some(ip) = bare(written)
            && of_one_host(ip).is_ok()
            && mapped(ip).is_none()
        {
            return Ok(Self(SocketAddr::new(ip, 0)));
        }
        Endpoint::leaf(value).map(|endpoint| Self(endpoint.0))
    }
}

/// An address without a port, with or without brackets.
fn bare(written: &str) -> Option<IpAddr> {
    let inside = written
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match inside {
        Some(inside) => inside.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => written.parse().ok(),
    }
}

/// A multicast group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group(pub(super) IpAddr);

impl Leaf for Group {
    fn kind() -> String {
        "a multicast address".to_owned()
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let kind = <Self as Leaf>::kind();
        let written = text(value, &kind)?;
        match written.parse::<IpAddr>() {
            Ok(ip) if ip.is_multicast() => Ok(Self(ip)),
            _ => Err(Wrong::kind(
                &kind,
                Some("such as \"224.0.0.81\" or \"ff02::81\"".to_owned()),
            )),
        }
    }
}

/// Why a string is no address with a port.
pub(super) fn not_an_endpoint(written: &str) -> Wrong {
    let bare = written.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = bare.parse::<IpAddr>() {
        let mut help = format!("write \"{}\" if it is 80", SocketAddr::new(ip, 80));
        // The port may be there, but look like the address's last group.
        if bare == written
            && let Some((ip, port)) = written.rsplit_once(':')
            && let (Ok(ip), Ok(port)) = (ip.parse::<Ipv6Addr>(), port.parse())
        {
            let endpoint = SocketAddr::new(ip.into(), port);
            help = format!("write \"{endpoint}\" if it is {port}");
        }
        return Wrong::new("the port is missing", help);
    }
    if let Some((host, port)) = written.rsplit_once(':') {
        let ip = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>();
        let number = port.parse::<u16>();
        match (ip, number) {
            (Ok(ip), Ok(port)) => {
                let help = format!("write \"{}\"", SocketAddr::new(ip, port));
                return Wrong::new(format!("not {ENDPOINT}"), help);
            }
            (Ok(_), Err(_)) => {
                let what = format!("\"{}\" is no port", port.escape_debug());
                return Wrong::new(what, "a port is a number from 1 to 65535");
            }
            (Err(_), Ok(_)) if is_host_name(host) => {
                let what = format!("\"{host}\" is not an IP address");
                return Wrong::new(what, "names are not looked up: write the address");
            }
            _ => {}
        }
    }
    Wrong {
        what: format!("expected {ENDPOINT}"),
        help: None,
    }
}

fn is_host_name(host: &str) -> bool {
    host.contains(|c: char| c.is_ascii_alphabetic())
        && host
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-')
}

/// An address that one host can have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Address(pub(super) IpAddr);

impl Leaf for Address {
    fn kind() -> String {
        "an IP address".to_owned()
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let written = text(value, "an IP address")?;
        if let Ok(endpoint) = written.parse::<SocketAddr>() {
            let (ip, port) = (endpoint.ip(), endpoint.port());
            let help = format!("write address = \"{ip}\", port = {port}");
            return Err(Wrong::new("the port is a key of its own", help));
        }
        let bare = written.trim_start_matches('[').trim_end_matches(']');
        let Ok(ip) = bare.parse::<IpAddr>() else {
            return Err(Wrong::kind("an IP address", None));
        };
        of_one_host(ip).map_err(|what| Wrong { what, help: None })?;
        Ok(Self(ip))
    }
}

/// Says why no connection can be made to an address.
fn of_one_host(ip: IpAddr) -> Result<(), String> {
    let what = match ip {
        _ if ip.is_unspecified() => "the unspecified address",
        _ if ip.is_multicast() => "a multicast address",
        IpAddr::V4(Ipv4Addr::BROADCAST) => "the broadcast address",
        IpAddr::V4(v4) if v4.octets()[0] == 0 || v4.octets()[0] >= 240 => "a reserved address",
        IpAddr::V6(v6) if v6.is_unicast_link_local() => {
            "a link-local address, which means nothing without an interface"
        }
        _ => return Ok(()),
    };
    Err(format!("{what}: expected the address of one host"))
}

/// The IPv4 address that an IPv6 one stands for.
pub(super) fn mapped(ip: IpAddr) -> Option<Ipv4Addr> {
    match ip {
        IpAddr::V6(v6) => Ipv6Addr::to_ipv4_mapped(&v6),
        IpAddr::V4(_) => None,
    }
}
