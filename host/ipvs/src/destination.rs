//! Destinations: the real servers of a service.

use std::fmt;
use std::net::SocketAddr;

use evenkeel_netlink::attribute::{
    Attributes, find, get_be16, get_u8, get_u16, get_u32, put, put_address, put_u32,
};

use crate::family::Family;
use crate::stats::Stats;

/// `IPVS_DEST_ATTR_*`.
mod attribute {
    pub(super) const ADDR: u16 = 1;
    pub(super) const PORT: u16 = 2;
    pub(super) const FWD_METHOD: u16 = 3;
    pub(super) const WEIGHT: u16 = 4;
    pub(super) const U_THRESH: u16 = 5;
    pub(super) const L_THRESH: u16 = 6;
    pub(super) const ACTIVE_CONNS: u16 = 7;
    pub(super) const INACT_CONNS: u16 = 8;
    pub(super) const PERSIST_CONNS: u16 = 9;
    pub(super) const STATS: u16 = 10;
    pub(super) const ADDR_FAMILY: u16 = 11;
    pub(super) const STATS64: u16 = 12;
    pub(super) const TUN_TYPE: u16 = 13;
    pub(super) const TUN_PORT: u16 = 14;
    pub(super) const TUN_FLAGS: u16 = 15;
}

/// `IP_VS_CONN_F_FWD_MASK`.
const FORWARD_BITS: u32 = 0x7;

/// How packets reach a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Forward {
    /// Destination NAT (`ipvsadm -m`).
    Masq,
    /// To this machine itself.
    Local,
    /// IP in IP and the like (`ipvsadm -i`).
    Tunnel,
    /// Direct routing (`ipvsadm -g`).
    Route,
    /// Past IPVS (the kernel's `cache_bypass`).
    Bypass,
    /// What no kernel has yet: 5 to 7.
    Other(u8),
}

impl Forward {
    fn number(self) -> u32 {
        match self {
            Self::Masq => 0,
            Self::Local => 1,
            Self::Tunnel => 2,
            Self::Route => 3,
            Self::Bypass => 4,
            Self::Other(number) => u32::from(number) & FORWARD_BITS,
        }
    }

    fn from_number(number: u32) -> Self {
        match number & FORWARD_BITS {
            0 => Self::Masq,
            1 => Self::Local,
            2 => Self::Tunnel,
            3 => Self::Route,
            4 => Self::Bypass,
            other => Self::Other(u8::try_from(other).unwrap_or(u8::MAX)),
        }
    }
}

impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Masq => f.write_str("Masq"),
            Self::Local => f.write_str("Local"),
            Self::Tunnel => f.write_str("Tunnel"),
            Self::Route => f.write_str("Route"),
            Self::Bypass => f.write_str("Bypass"),
            Self::Other(number) => write!(f, "method {number}"),
        }
    }
}

/// Into what packets are wrapped on their way to a server of [`Forward::Tunnel`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum TunnelKind {
    /// IP in IP.
    #[default]
    Ipip,
    /// Generic UDP encapsulation.
    Gue,
    /// Generic routing encapsulation.
    Gre,
    /// What no kernel has yet.
    Other(u8),
}

impl TunnelKind {
    fn number(self) -> u8 {
        match self {
            Self::Ipip => 0,
            Self::Gue => 1,
            Self::Gre => 2,
            Self::Other(number) => number,
        }
    }

    fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Ipip,
            1 => Self::Gue,
            2 => Self::Gre,
            other => Self::Other(other),
        }
    }
}

/// The tunnel to a server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Tunnel {
    /// Its kind.
    pub kind: TunnelKind,
    /// The UDP port of [`TunnelKind::Gue`], which needs one. The kernel keeps it for the others, too, and does not use
    /// it.
    pub port: u16,
    /// Checksums of [`TunnelKind::Gue`] and [`TunnelKind::Gre`] (1: none, 2: yes, 4: remote). The kernel keeps them for
    /// the others, too.
    pub flags: u16,
}

/// A real server of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destination {
    /// Where it is. Of another IP version than the service only with tunnels, and without sync daemon. Without scope
    /// and flow label.
    pub address: SocketAddr,
    /// How packets get there.
    pub forward: Forward,
    /// Its weight, up to 2147483647 for the kernel and 65535 for `ipvsadm`; 0: no new connections.
    pub weight: u32,
    /// With so many connections it gets no new ones; 0: there is no limit.
    pub upper_threshold: u32,
    /// Below so many it gets new ones again; at most the upper one. 0: below three quarters of that.
    pub lower_threshold: u32,
    /// The tunnel; `None`: a kernel before 5.3, which has no kinds.
    pub tunnel: Option<Tunnel>,
}

/// Writes what names a destination within its service.
pub(crate) fn encode_address(address: SocketAddr, buf: &mut Vec<u8>) {
    let family = Family::of(address.ip()).number();
    put(buf, attribute::ADDR_FAMILY, &family.to_ne_bytes());
    put_address(buf, attribute::ADDR, address.ip());
    put(buf, attribute::PORT, &address.port().to_be_bytes());
}

impl Destination {
    /// Writes the attributes of the nested attribute `DEST`.
    pub(crate) fn encode(&self, buf: &mut Vec<u8>) {
        encode_address(self.address, buf);
        let mut number = |kind, value: u32| put_u32(buf, kind, value);
        number(attribute::FWD_METHOD, self.forward.number());
        number(attribute::WEIGHT, self.weight);
        number(attribute::U_THRESH, self.upper_threshold);
        number(attribute::L_THRESH, self.lower_threshold);
        if let Some(tunnel) = self.tunnel {
            put(buf, attribute::TUN_TYPE, &[tunnel.kind.number()]);
            put(buf, attribute::TUN_PORT, &tunnel.port.to_be_bytes());
            put(buf, attribute::TUN_FLAGS, &tunnel.flags.to_ne_bytes());
        }
    }

    /// Reads them; `None`: it is no destination. `family` is the service's, which counts where the kernel (before 3.18)
    /// says none.
    pub(crate) fn decode(buf: &[u8], family: Family) -> Option<Self> {
        let family = match find(buf, attribute::ADDR_FAMILY) {
            Some(value) => Family::from_number(get_u16(value)?)?,
            None => family,
        };
        let ip = family.address(find(buf, attribute::ADDR)?)?;
        let port = get_be16(find(buf, attribute::PORT)?)?;
        let mut destination = Self {
            address: SocketAddr::new(ip, port),
            forward: Forward::Masq,
            weight: 0,
            upper_threshold: 0,
            lower_threshold: 0,
            tunnel: None,
        };
        for (kind, value) in Attributes::new(buf) {
            let tunnel = &mut destination.tunnel;
            match kind {
                attribute::FWD_METHOD => {
                    destination.forward = Forward::from_number(get_u32(value)?)
                }
                attribute::WEIGHT => destination.weight = get_u32(value)?,
                attribute::U_THRESH => destination.upper_threshold = get_u32(value)?,
                attribute::L_THRESH => destination.lower_threshold = get_u32(value)?,
                attribute::TUN_TYPE => {
                    tunnel.get_or_insert_default().kind = TunnelKind::from_number(get_u8(value)?);
                }
                attribute::TUN_PORT => tunnel.get_or_insert_default().port = get_be16(value)?,
                attribute::TUN_FLAGS => tunnel.get_or_insert_default().flags = get_u16(value)?,
                _ => {}
            }
        }
        Some(destination)
    }
}

/// A destination and what the kernel has counted of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationEntry {
    /// The destination.
    pub destination: Destination,
    /// Connections that are established (`ActiveConn`).
    pub active: u32,
    /// Connections that are not, or no longer (`InActConn`).
    pub inactive: u32,
    /// Clients that are remembered (`PersistConn`).
    pub persistent: u32,
    /// What was counted. A destination that is removed and added again while it has connections goes on counting.
    pub stats: Stats,
}

impl DestinationEntry {
    pub(crate) fn decode(buf: &[u8], family: Family) -> Option<Self> {
        let number = |kind| find(buf, kind).and_then(get_u32).unwrap_or(0);
        Some(Self {
            destination: Destination::decode(buf, family)?,
            active: number(attribute::ACTIVE_CONNS),
            inactive: number(attribute::INACT_CONNS),
            persistent: number(attribute::PERSIST_CONNS),
            stats: Stats::decode(find(buf, attribute::STATS64), find(buf, attribute::STATS)),
        })
    }
}

#[cfg(test)]
mod tests;
