//! Virtual services.

use evenkeel_netlink::attribute::{Attributes, find, get_text, get_u32, put, put_text, put_u32};

use crate::granularity::Granularity;
use crate::key::Key;
use crate::stats::Stats;

/// `IPVS_SVC_ATTR_*`, but for those of the [`Key`].
mod attribute {
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
        put_u32(buf, attribute::TIMEOUT, self.timeout);
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
        for (kind, value) in Attributes::new(buf) {
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
