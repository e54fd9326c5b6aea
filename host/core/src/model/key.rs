//! What identifies a virtual service.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;

/// Layer-4 protocol of a virtual service, or what stands in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// Protocol number 6.
    Tcp,
    /// Protocol number 17.
    Udp,
    /// Protocol number 132.
    Sctp,
    /// Any packet that the operator's own rules have given this firewall mark, whatever its address, port and
    /// protocol (`ipvsadm`'s FWM). The service's address is then the unspecified one of its IP version, and its port
    /// 0.
    Fwmark(NonZeroU32),
}

impl Protocol {
    /// The number in the IP header (IANA protocol numbers); 0 for a firewall mark, which is of any protocol.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
            Self::Fwmark(_) => 0,
        }
    }

    /// The firewall mark, if that is what stands for a protocol.
    #[must_use]
    pub fn fwmark(self) -> Option<NonZeroU32> {
        match self {
            Self::Fwmark(mark) => Some(mark),
            Self::Tcp | Self::Udp | Self::Sctp => None,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => f.write_str("tcp"),
            Self::Udp => f.write_str("udp"),
            Self::Sctp => f.write_str("sctp"),
            Self::Fwmark(mark) => write!(f, "fwmark {mark}"),
        }
    }
}

/// What identifies a virtual service to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceKey {
    /// The virtual address that clients reach; unspecified for a firewall mark.
    pub addr: IpAddr,
    /// The port that clients reach; 0 for a firewall mark.
    pub port: u16,
    /// The protocol, or the firewall mark.
    pub protocol: Protocol,
}

impl ServiceKey {
    /// Address and port.
    #[must_use]
    pub fn socket_addr(&self) -> SocketAddr {
        SocketAddr::new(self.addr, self.port)
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol {
            Protocol::Fwmark(_) if self.addr.is_ipv4() => write!(f, "{} (IPv4)", self.protocol),
            Protocol::Fwmark(_) => write!(f, "{} (IPv6)", self.protocol),
            _ => write!(f, "{} {}", self.protocol, self.socket_addr()),
        }
    }
}
