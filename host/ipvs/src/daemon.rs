//! The sync daemon: the kernel's own copying of connections to another director.

use std::fmt;
use std::net::IpAddr;

use evenkeel_netlink::attribute::{
    find, get_text, get_u8, get_u16, get_u32, put, put_address, put_text, put_u32,
};

use crate::family::Family;

/// `IPVS_DAEMON_ATTR_*`.
mod attribute {
    pub(super) const STATE: u16 = 1;
    pub(super) const MCAST_IFN: u16 = 2;
    pub(super) const SYNC_ID: u16 = 3;
    pub(super) const SYNC_MAXLEN: u16 = 4;
    pub(super) const MCAST_GROUP: u16 = 5;
    pub(super) const MCAST_GROUP6: u16 = 6;
    pub(super) const MCAST_PORT: u16 = 7;
    pub(super) const MCAST_TTL: u16 = 8;
}

/// What a sync daemon does. One of each may run in a network namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Sends this director's connections.
    Master,
    /// Takes in the other's.
    Backup,
}

impl Role {
    /// `IP_VS_STATE_MASTER`, `IP_VS_STATE_BACKUP`.
    fn number(self) -> u32 {
        match self {
            Self::Master => 1,
            Self::Backup => 2,
        }
    }

    fn from_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Master),
            2 => Some(Self::Backup),
            _ => None,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Master => "master",
            Self::Backup => "backup",
        })
    }
}

/// A sync daemon. What is `None` is the kernel's choice when it is started, and told when it is read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SyncDaemon {
    /// What it does.
    pub role: Role,
    /// The interface on which the directors see each other: up, with an address.
    pub interface: String,
    /// Tells pairs on one network apart. A backup of 0 takes in everyone's.
    pub id: u8,
    /// Bytes of a message at most; by default what the interface takes, up to 1472 (Linux 4.3).
    pub max_len: Option<u16>,
    /// The multicast group; by default 224.0.0.81 (Linux 4.3).
    pub group: Option<IpAddr>,
    /// The UDP port; by default 8848 (Linux 4.3).
    pub port: Option<u16>,
    /// Hops that messages may take; by default 1 (Linux 4.3).
    pub ttl: Option<u8>,
}

/// Writes the attribute that says which daemon is to be ended.
pub(crate) fn encode_role(role: Role, buf: &mut Vec<u8>) {
    put_u32(buf, attribute::STATE, role.number());
}

impl SyncDaemon {
    /// Writes the attributes of the nested attribute `DAEMON`.
    pub(crate) fn encode(&self, buf: &mut Vec<u8>) {
        encode_role(self.role, buf);
        put_text(buf, attribute::MCAST_IFN, &self.interface);
        put_u32(buf, attribute::SYNC_ID, self.id.into());
        if let Some(max_len) = self.max_len {
            put(buf, attribute::SYNC_MAXLEN, &max_len.to_ne_bytes());
        }
        match self.group {
            Some(IpAddr::V4(group)) => put(buf, attribute::MCAST_GROUP, &group.octets()),
            Some(group @ IpAddr::V6(_)) => put_address(buf, attribute::MCAST_GROUP6, group),
            None => {}
        }
        if let Some(port) = self.port {
            // In the kernel's own byte order, unlike other ports.
            put(buf, attribute::MCAST_PORT, &port.to_ne_bytes());
        }
        if let Some(ttl) = self.ttl {
            put(buf, attribute::MCAST_TTL, &[ttl]);
        }
    }

    /// Reads them; `None`: it is no daemon.
    pub(crate) fn decode(buf: &[u8]) -> Option<Self> {
        let group = |kind, family: Family| find(buf, kind).and_then(|value| family.address(value));
        Some(Self {
            role: Role::from_number(get_u32(find(buf, attribute::STATE)?)?)?,
            interface: get_text(find(buf, attribute::MCAST_IFN)?)?.to_owned(),
            // The kernel keeps 8 bits of it.
            id: u8::try_from(get_u32(find(buf, attribute::SYNC_ID)?)? & 0xff).ok()?,
            max_len: find(buf, attribute::SYNC_MAXLEN).and_then(get_u16),
            group: group(attribute::MCAST_GROUP6, Family::V6)
                .or_else(|| group(attribute::MCAST_GROUP, Family::V4)),
            port: find(buf, attribute::MCAST_PORT).and_then(get_u16),
            ttl: find(buf, attribute::MCAST_TTL).and_then(get_u8),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_daemon_is_said_in_the_kernel_s_words() {
        let daemon = SyncDaemon {
            role: Role::Backup,
            interface: "eth0".into(),
            id: 51,
            max_len: Some(1400),
            group: Some([224, 0, 0, 81].into()),
            port: Some(8848),
            ttl: Some(3),
        };
        let mut bytes = Vec::new();
        daemon.encode(&mut bytes);
        #[rustfmt::skip]
        let expected = [
            8, 0, 1, 0, 2, 0, 0, 0,
            9, 0, 2, 0, b'e', b't', b'h', b'0', 0, 0, 0, 0,
            8, 0, 3, 0, 51, 0, 0, 0,
            6, 0, 4, 0, 0x78, 0x05, 0, 0,
            8, 0, 5, 0, 224, 0, 0, 81,
            6, 0, 7, 0, 0x90, 0x22, 0, 0,
            5, 0, 8, 0, 3, 0, 0, 0,
        ];
        assert_eq!(bytes, expected);
    }

    prop_compose! {
        fn daemons()(
            master in any::<bool>(),
            interface in "[a-z][a-z0-9.]{0,14}",
            id in any::<u8>(),
            max_len in any::<Option<u16>>(),
            group in any::<Option<IpAddr>>(),
            port in any::<Option<u16>>(),
            ttl in any::<Option<u8>>(),
        ) -> SyncDaemon {
            let role = if master { Role::Master } else { Role::Backup };
            SyncDaemon { role, interface, id, max_len, group, port, ttl }
        }
    }

    proptest! {
        #[test]
        fn a_daemon_is_read_back_as_it_was_written(daemon in daemons()) {
            let mut bytes = Vec::new();
            daemon.encode(&mut bytes);
            prop_assert_eq!(SyncDaemon::decode(&bytes), Some(daemon));
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = SyncDaemon::decode(&bytes);
        }
    }
}
