//! Virtual services.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;

use crate::attr::{
    each, find, get_address, get_be16, get_text, get_u16, get_u32, put, put_address, put_text,
};
use crate::stats::Stats;

/// `IPVS_SVC_ATTR_*`.
mod attribute {
    pub(super) const AF: u16 = 1;
    pub(super) const PROTOCOL: u16 = 2;
    pub(super) const ADDR: u16 = 3;
    pub(super) const PORT: u16 = 4;
    pub(super) const FWMARK: u16 = 5;
    pub(super) const SCHED_NAME: u16 = 6;
    pub(super) const FLAGS: u16 = 7;
    pub(super) const TIMEOUT: u16 = 8;
    pub(super) const NETMASK: u16 = 9;
    pub(super) const STATS: u16 = 10;
    pub(super) const PE_NAME: u16 = 11;
    pub(super) const STATS64: u16 = 12;
}

/// What the kernel calls the absence of a scheduler.
const NO_SCHEDULER: &str = "none";

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
}

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
            Self::Fwmark { mark, .. } => put(buf, attribute::FWMARK, &mark.get().to_ne_bytes()),
        }
    }

    pub(crate) fn decode(buf: &[u8]) -> Option<Self> {
        let family = Family::from_number(get_u16(find(buf, attribute::AF)?)?)?;
        if let Some(mark) = find(buf, attribute::FWMARK) {
            let mark = NonZeroU32::new(get_u32(mark)?)?;
            return Some(Self::Fwmark { mark, family });
        }
        let ip = get_address(find(buf, attribute::ADDR)?, family)?;
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

/// A service's flags. The kernel keeps all 32 bits as they are given, also those that mean nothing to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u32);

impl Flags {
    /// Clients keep their server (`ipvsadm -p`).
    pub const PERSISTENT: Self = Self(0x1);
    /// The kernel's own: it is in its table. Comes with every service; is never to be given.
    pub const HASHED: Self = Self(0x2);
    /// Each UDP packet is a connection of its own (`ipvsadm -o`).
    pub const ONE_PACKET: Self = Self(0x4);
    /// The scheduler's first: `sh-fallback`, `mh-fallback`.
    pub const SCHEDULER_1: Self = Self(0x8);
    /// The scheduler's second: `sh-port`, `mh-port`.
    pub const SCHEDULER_2: Self = Self(0x10);
    /// The scheduler's third.
    pub const SCHEDULER_3: Self = Self(0x20);

    /// Both's flags.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of the other's are among these.
    #[must_use]
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Which clients are taken as one by persistence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Granularity {
    /// IPv4: those whose addresses agree in these bits.
    Mask(Ipv4Addr),
    /// IPv6: those whose addresses agree in so many first bits, 1 to 128.
    Prefix(u8),
}

impl Granularity {
    /// By so many first bits of the address: 0 to 32 for IPv4, 1 to 128 for IPv6.
    #[must_use]
    pub fn new(family: Family, bits: u8) -> Self {
        match family {
            Family::V4 => {
                let below = 32_u32.saturating_sub(bits.into());
                Self::Mask(u32::MAX.checked_shl(below).unwrap_or(0).into())
            }
            Family::V6 => Self::Prefix(bits),
        }
    }

    /// Each address by itself: what services without persistence have.
    #[must_use]
    pub fn single(family: Family) -> Self {
        match family {
            Family::V4 => Self::new(family, 32),
            Family::V6 => Self::new(family, 128),
        }
    }

    /// How many first bits; `None`: a mask that is no prefix.
    #[must_use]
    pub fn bits(self) -> Option<u8> {
        match self {
            Self::Prefix(bits) => Some(bits),
            Self::Mask(mask) => {
                let ones = mask.to_bits().leading_ones();
                let bits = u8::try_from(ones).ok()?;
                (Self::new(Family::V4, bits) == self).then_some(bits)
            }
        }
    }

    fn encode(self) -> [u8; 4] {
        match self {
            Self::Mask(mask) => mask.octets(),
            Self::Prefix(bits) => u32::from(bits).to_ne_bytes(),
        }
    }

    fn decode(value: &[u8], family: Family) -> Option<Self> {
        let bytes: [u8; 4] = *value.first_chunk()?;
        Some(match family {
            Family::V4 => Self::Mask(bytes.into()),
            Family::V6 => Self::Prefix(u8::try_from(u32::from_ne_bytes(bytes)).ok()?),
        })
    }
}

/// A virtual service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// What identifies it.
    pub key: Key,
    /// The scheduler's name, such as `wrr`; `None`: it has none, and takes no new connection.
    pub scheduler: Option<String>,
    /// Its flags.
    pub flags: Flags,
    /// Seconds for which a persistent service remembers a client.
    pub timeout: u32,
    /// Which clients are one to it.
    pub granularity: Granularity,
    /// The persistence engine, such as `sip`.
    pub engine: Option<String>,
}

impl Service {
    /// Writes the attributes of the nested attribute `SERVICE`, all of them, with all bits of the flags (as a mask).
    pub(crate) fn encode(&self, buf: &mut Vec<u8>) {
        self.key.encode(buf);
        let scheduler = self.scheduler.as_deref().unwrap_or(NO_SCHEDULER);
        put_text(buf, attribute::SCHED_NAME, scheduler);
        if let Some(engine) = &self.engine {
            put_text(buf, attribute::PE_NAME, engine);
        }
        let flags = [self.flags.0.to_ne_bytes(), u32::MAX.to_ne_bytes()].concat();
        put(buf, attribute::FLAGS, &flags);
        put(buf, attribute::TIMEOUT, &self.timeout.to_ne_bytes());
        put(buf, attribute::NETMASK, &self.granularity.encode());
    }

    /// Reads them; `None`: it is no service.
    pub(crate) fn decode(buf: &[u8]) -> Option<Self> {
        let key = Key::decode(buf)?;
        let mut service = Self {
            key,
            scheduler: None,
            flags: Flags::default(),
            timeout: 0,
            granularity: Granularity::single(key.family()),
            engine: None,
        };
        for (kind, value) in each(buf) {
            match kind {
                attribute::SCHED_NAME => {
                    let name = get_text(value)?;
                    service.scheduler = (name != NO_SCHEDULER).then(|| name.to_owned());
                }
                attribute::FLAGS => service.flags = Flags(get_u32(value)?),
                attribute::TIMEOUT => service.timeout = get_u32(value)?,
                attribute::NETMASK => {
                    service.granularity = Granularity::decode(value, key.family())?;
                }
                attribute::PE_NAME => service.engine = Some(get_text(value)?.to_owned()),
                _ => {}
            }
        }
        Some(service)
    }
}

/// A service and what the kernel has counted of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceEntry {
    /// The service, with [`Flags::HASHED`].
    pub service: Service,
    /// What was counted.
    pub stats: Stats,
}

impl ServiceEntry {
    pub(crate) fn decode(buf: &[u8]) -> Option<Self> {
        Some(Self {
            service: Service::decode(buf)?,
            stats: Stats::decode(find(buf, attribute::STATS64), find(buf, attribute::STATS)),
        })
    }
}

#[cfg(test)]
mod tests;
