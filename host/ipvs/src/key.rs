//! What names a virtual service.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;

use evenkeel_netlink::attribute::{find, get_be16, get_u16, get_u32, put, put_address, put_u32};

use crate::family::Family;

/// The number of a protocol in the IP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Protocol(pub u16);

impl Protocol {
    /// TCP.
    pub const TCP: Self = Self(6);
    /// UDP.
    pub const UDP: Self = Self(17);
    /// SCTP.
    pub const SCTP: Self = Self(132);
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TCP => f.write_str("tcp"),
            Self::UDP => f.write_str("udp"),
            Self::SCTP => f.write_str("sctp"),
            Self(other) => write!(f, "protocol {other}"),
        }
    }
}

/// What identifies a service to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// Packets to this address and port; port 0: to any, for persistent services.
    Address {
        /// TCP, UDP or SCTP (or AH, ESP, which belong to another service of the same client).
        protocol: Protocol,
        /// Without scope and flow label.
        address: SocketAddr,
    },
    /// Packets with this firewall mark.
    Fwmark {
        /// The mark.
        mark: NonZeroU32,
        /// Of this IP version.
        family: Family,
    },
}

/// `IPVS_SVC_ATTR_*`, as far as they name a service.
mod attribute {
    pub(super) const AF: u16 = 1;
    pub(super) const PROTOCOL: u16 = 2;
    pub(super) const ADDR: u16 = 3;
    pub(super) const PORT: u16 = 4;
    pub(super) const FWMARK: u16 = 5;
}

impl Key {
    /// Its IP version.
    #[must_use]
    pub fn family(&self) -> Family {
        match self {
            Self::Address { address, .. } => Family::of(address.ip()),
            Self::Fwmark { family, .. } => *family,
        }
    }

    pub(crate) fn encode(&self, buf: &mut Vec<u8>) {
        put(buf, attribute::AF, &self.family().number().to_ne_bytes());
        match self {
            Self::Address { protocol, address } => {
                put(buf, attribute::PROTOCOL, &protocol.0.to_ne_bytes());
                put_address(buf, attribute::ADDR, address.ip());
                put(buf, attribute::PORT, &address.port().to_be_bytes());
            }
            Self::Fwmark { mark, .. } => put_u32(buf, attribute::FWMARK, mark.get()),
        }
    }

    pub(crate) fn decode(buf: &[u8]) -> Option<Self> {
        let family = Family::from_number(get_u16(find(buf, attribute::AF)?)?)?;
        if let Some(mark) = find(buf, attribute::FWMARK) {
            let mark = NonZeroU32::new(get_u32(mark)?)?;
            return Some(Self::Fwmark { mark, family });
        }
        let ip = family.address(find(buf, attribute::ADDR)?)?;
        let port = get_be16(find(buf, attribute::PORT)?)?;
        Some(Self::Address {
            protocol: Protocol(get_u16(find(buf, attribute::PROTOCOL)?)?),
            address: SocketAddr::new(ip, port),
        })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { protocol, address } => write!(f, "{protocol} {address}"),
            Self::Fwmark { mark, family } => {
                let family = match family {
                    Family::V4 => "IPv4",
                    Family::V6 => "IPv6",
                };
                write!(f, "fwmark {mark} ({family})")
            }
        }
    }
}
