//! What concerns IPVS as a whole.

use std::fmt;

use evenkeel_netlink::attribute::{find, get_u32, put_u32};

/// `IPVS_CMD_ATTR_TIMEOUT_*`.
mod attribute {
    pub(super) const TIMEOUT_TCP: u16 = 4;
    pub(super) const TIMEOUT_TCP_FIN: u16 = 5;
    pub(super) const TIMEOUT_UDP: u16 = 6;
    /// `IPVS_INFO_ATTR_VERSION`.
    pub(super) const VERSION: u16 = 1;
    /// `IPVS_INFO_ATTR_CONN_TAB_SIZE`.
    pub(super) const CONN_TAB_SIZE: u16 = 2;
}

/// Seconds after which a connection without packets is forgotten (`ipvsadm --set`). `None`, or 0 when they are set: as
/// it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// Established TCP connections.
    pub tcp: Option<u32>,
    /// TCP connections of which one side has closed.
    pub tcp_fin: Option<u32>,
    /// UDP.
    pub udp: Option<u32>,
}

impl Timeouts {
    pub(crate) fn encode(&self, buf: &mut Vec<u8>) {
        let all = [
            (attribute::TIMEOUT_TCP, self.tcp),
            (attribute::TIMEOUT_TCP_FIN, self.tcp_fin),
            (attribute::TIMEOUT_UDP, self.udp),
        ];
        for (kind, value) in all {
            if let Some(secs) = value {
                put_u32(buf, kind, secs);
            }
        }
    }

    pub(crate) fn decode(buf: &[u8]) -> Self {
        let number = |kind| find(buf, kind).and_then(get_u32);
        Self {
            tcp: number(attribute::TIMEOUT_TCP),
            tcp_fin: number(attribute::TIMEOUT_TCP_FIN),
            udp: number(attribute::TIMEOUT_UDP),
        }
    }
}

/// IPVS's own version, such as 1.2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [_, major, minor, patch] = self.0.to_be_bytes();
        write!(f, "{major}.{minor}.{patch}")
    }
}

/// What the kernel tells about IPVS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Info {
    /// Its version.
    pub version: Version,
    /// Rows of the table of connections.
    pub table_size: u32,
}

impl Info {
    pub(crate) fn decode(buf: &[u8]) -> Option<Self> {
        Some(Self {
            version: Version(get_u32(find(buf, attribute::VERSION)?)?),
            table_size: get_u32(find(buf, attribute::CONN_TAB_SIZE)?)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_version_is_three_numbers() {
        let mut bytes = Vec::new();
        put_u32(&mut bytes, attribute::VERSION, 0x0001_0201);
        put_u32(&mut bytes, attribute::CONN_TAB_SIZE, 4096);
        let info = Info::decode(&bytes).unwrap();
        assert_eq!(
            (info.version.to_string().as_str(), info.table_size),
            ("1.2.1", 4096)
        );
    }

    proptest! {
        #[test]
        fn timeouts_are_read_back_as_they_were_written(numbers in any::<[Option<u32>; 3]>()) {
            let [tcp, tcp_fin, udp] = numbers;
            let timeouts = Timeouts { tcp, tcp_fin, udp };
            let mut bytes = Vec::new();
            timeouts.encode(&mut bytes);
            prop_assert_eq!(Timeouts::decode(&bytes), timeouts);
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = (Timeouts::decode(&bytes), Info::decode(&bytes));
        }
    }
}
