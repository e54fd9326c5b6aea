//! What carries connections, and its settings.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// What carries connections in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum DataPlaneKind {
    /// nf_tables and connection tracking: NAT.
    #[default]
    Nftables,
    /// IP Virtual Server: NAT, direct routing, tunnelling.
    Ipvs,
}

impl fmt::Display for DataPlaneKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nftables => "nftables",
            Self::Ipvs => "ipvs",
        })
    }
}

/// Which data plane a configuration wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DataPlaneChoice {
    /// nftables where the kernel has what it takes and nothing is configured that only IPVS can do; otherwise IPVS.
    #[default]
    Auto,
    /// This one, or none.
    Only(DataPlaneKind),
}

/// The data plane that a configuration gets ([`crate::dataplane::choose`]).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chosen {
    /// Which one.
    pub kind: DataPlaneKind,
    /// Why, for people: half a sentence.
    pub why: String,
}

/// Whether established flows may be offloaded to the kernel's flowtable (nftables).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Offload {
    /// Where the kernel has it.
    #[default]
    Auto,
    /// Never.
    Off,
}

/// After how long without a packet IPVS forgets a connection (`ipvsadm --set`, keepalived `lvs_timeouts`): one
/// setting for all services of a network namespace, others' too. Whole seconds, from 1 s to [`IpvsTimeouts::MAX`].
/// `None`: as it is in the kernel, at first in brackets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IpvsTimeouts {
    /// Established TCP connections (15 min).
    pub tcp: Option<Duration>,
    /// TCP connections of which one side has closed (2 min).
    pub tcp_fin: Option<Duration>,
    /// UDP (5 min).
    pub udp: Option<Duration>,
    /// Whether a remembered client is forgotten when the weight of its server is 0 ([`super::OnDrain::Move`], off):
    /// `net.ipv4.vs.expire_quiescent_template`.
    pub expire_quiescent: Option<bool>,
}

impl IpvsTimeouts {
    /// The longest: the kernel counts them in ticks, of which there may be 1,000 a second, in 31 bits (`ip_vs_ctl.c`,
    /// `ip_vs_set_timeout`).
    pub const MAX: Duration = Duration::from_secs(24 * 24 * 60 * 60);

    /// Each that is wanted here, and is not so in `actual`.
    #[must_use]
    pub fn missing(self, actual: Self) -> Self {
        fn missing<T: PartialEq>(wanted: Option<T>, actual: Option<T>) -> Option<T> {
            if wanted == actual { None } else { wanted }
        }
        Self {
            tcp: missing(self.tcp, actual.tcp),
            tcp_fin: missing(self.tcp_fin, actual.tcp_fin),
            udp: missing(self.udp, actual.udp),
            expire_quiescent: missing(self.expire_quiescent, actual.expire_quiescent),
        }
    }

    /// Each from here; what is not said here, as in `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            tcp: self.tcp.or(other.tcp),
            tcp_fin: self.tcp_fin.or(other.tcp_fin),
            udp: self.udp.or(other.udp),
            expire_quiescent: self.expire_quiescent.or(other.expire_quiescent),
        }
    }

    /// Those of `actual` that are said here.
    #[must_use]
    pub fn of(self, actual: Self) -> Self {
        Self {
            tcp: self.tcp.and(actual.tcp),
            tcp_fin: self.tcp_fin.and(actual.tcp_fin),
            udp: self.udp.and(actual.udp),
            expire_quiescent: self.expire_quiescent.and(actual.expire_quiescent),
        }
    }
}

/// IPVS's own copying of connections to the other director (keepalived `lvs_sync_daemon`): the master of a VRRP
/// instance sends, the backup takes in, so that established connections survive a failover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionSync {
    /// The interface on which the directors see each other.
    pub interface: String,
    /// The VRRP instance whose role is followed.
    pub vrrp: String,
    /// Tells several pairs on one network apart (`syncid`): 1 to 255; the kernel takes 0 for any.
    pub id: u8,
    /// Where the messages go; `None`: the kernel's 224.0.0.81.
    pub group: Option<IpAddr>,
    /// The UDP port; `None`: the kernel's 8848.
    pub port: Option<u16>,
    /// Hops that the messages may take; `None`: the kernel's 1.
    pub ttl: Option<u8>,
    /// Bytes of a message at most; `None`: what the interface takes.
    pub max_len: Option<u16>,
}
