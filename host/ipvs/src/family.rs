//! IP versions, and addresses of them.

use std::net::IpAddr;

use evenkeel_netlink::attribute::{get_v4, get_v6};

/// An IP version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// That of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() {
            Self::V4
        } else {
            Self::V6
        }
    }

    /// `AF_INET` or `AF_INET6`.
    pub(crate) fn number(self) -> u16 {
        match self {
            Self::V4 => 2,
            Self::V6 => 10,
        }
    }

    pub(crate) fn from_number(number: u16) -> Option<Self> {
        match number {
            2 => Some(Self::V4),
            10 => Some(Self::V6),
            _ => None,
        }
    }

    /// An address of this version.
    pub(crate) fn address(self, value: &[u8]) -> Option<IpAddr> {
        match self {
            Self::V4 => get_v4(value).map(IpAddr::from),
            Self::V6 => get_v6(value).map(IpAddr::from),
        }
    }
}
