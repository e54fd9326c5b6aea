//! The configuration, understood: always valid, with every default filled in.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use crate::manifest::{Decision, Setting};

mod vrrp;

pub use vrrp::{
    Announce, Checksum, Family, Notify, Password, Script, SyncGroup, Track, Tracked,
    VirtualAddress, VirtualRoute, VirtualRule, Vrrp, VrrpInstance, VrrpVersion,
};

/// Layer-4 protocol of a virtual service, or what stands in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// Protocol number 6.
    Tcp,
    /// Protocol number 17.
    Udp,
    /// Protocol number 132.
    Sctp,
    /// Any packet that the operator's own rules have given this firewall mark, whatever its address, port and protocol (`ipvsadm`'s FWM).
    /// The service's address is then the unspecified one of its IP version, and its port 0.
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

/// Whether established flows may take the short way through the kernel (nftables' flowtable).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Offload {
    /// Where the kernel has it.
    #[default]
    Auto,
    /// Never.
    Off,
}

/// How packets reach a real server (IPVS's forwarding methods, keepalived `lvs_method`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Forward {
    /// The destination is rewritten; replies come back through the director (`ipvsadm -m`, Masq).
    #[default]
    Nat,
    /// Direct routing: the packet goes to the server's MAC address as it is; the server has the virtual address itself and answers the
    /// client directly (`ipvsadm -g`, Route).
    Dr,
    /// Tunnelling: the packet goes to the server inside another one (IP in IP), and is answered directly (`ipvsadm -i`, Tunnel).
    Tun,
}

impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nat => "nat",
            Self::Dr => "dr",
            Self::Tun => "tun",
        })
    }
}

/// All that a configuration asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Settings of the daemon itself.
    pub daemon: Daemon,
    /// The data plane that is used.
    pub dataplane: Chosen,
    /// The virtual services, in the order of the configuration. Names and keys are unique.
    pub services: Vec<Service>,
    /// The virtual routers.
    pub vrrp: Vrrp,
    /// Copying of connections to the other director; only with IPVS.
    pub connection_sync: Option<ConnectionSync>,
    /// When IPVS forgets connections; means nothing on nftables.
    pub ipvs_timeouts: IpvsTimeouts,
}

/// After how long without a packet IPVS forgets a connection (`ipvsadm --set`, keepalived `lvs_timeouts`): one setting for all services of a
/// network namespace, others' too. Whole seconds, from 1 s to [`IpvsTimeouts::MAX`]. `None`: as it is in the kernel, at first in brackets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IpvsTimeouts {
    /// Established TCP connections (15 min).
    pub tcp: Option<Duration>,
    /// TCP connections of which one side has closed (2 min).
    pub tcp_fin: Option<Duration>,
    /// UDP (5 min).
    pub udp: Option<Duration>,
}

impl IpvsTimeouts {
    /// The longest: the kernel counts them in ticks, of which there may be 1,000 a second, in 31 bits (`ip_vs_ctl.c`,
    /// `ip_vs_set_timeout`).
    pub const MAX: Duration = Duration::from_secs(24 * 24 * 60 * 60);

    /// Each that is wanted here, and is not so in `actual`.
    #[must_use]
    pub fn missing(self, actual: Self) -> Self {
        self.pairs(actual, |wanted, actual| wanted.filter(|_| wanted != actual))
    }

    /// Each from here; what is not said here, as in `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.pairs(other, Option::or)
    }

    /// Those of `actual` that are said here.
    #[must_use]
    pub fn of(self, actual: Self) -> Self {
        self.pairs(actual, |said, actual| actual.filter(|_| said.is_some()))
    }

    fn pairs(
        self,
        other: Self,
        both: impl Fn(Option<Duration>, Option<Duration>) -> Option<Duration>,
    ) -> Self {
        Self {
            tcp: both(self.tcp, other.tcp),
            tcp_fin: both(self.tcp_fin, other.tcp_fin),
            udp: both(self.udp, other.udp),
        }
    }
}

/// IPVS's own copying of connections to the other director (keepalived `lvs_sync_daemon`): the master of a VRRP instance sends, the
/// backup takes in, so that established connections survive a failover.
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

/// Settings of the daemon itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Daemon {
    /// Where plugins are looked for, in this order.
    pub plugin_dirs: Vec<PathBuf>,
    /// Where compiled plugins are kept. Owned by the daemon, mode 0700.
    pub cache_dir: PathBuf,
    /// The control socket.
    pub socket: PathBuf,
    /// Name of the nftables table that is ours (`inet` family).
    pub table: String,
    /// What is to carry the connections.
    pub dataplane: DataPlaneChoice,
    /// Whether established flows may take the short way.
    pub offload: Offload,
    /// How often the kernel's rules are read and compared, whatever was noticed meanwhile.
    pub resync: Duration,
    /// What a plugin may use.
    pub sandbox: Sandbox,
    /// Native plugins (shared objects) that the operator trusts with the whole daemon. Absolute.
    pub native_plugins: Vec<PathBuf>,
}

/// What a plugin's instance may use. Shared by every plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sandbox {
    /// Processor time of one call, before it is ended. 10 ms to 10 s.
    pub call_time: Duration,
    /// Processor time of one decision about one connection, before it is ended. 1 ms to 1 s.
    pub pick_time: Duration,
    /// Linear memory of one instance, in bytes.
    pub memory: usize,
    /// Elements of one instance's tables.
    pub table_elements: usize,
    /// Core instances inside one component (a component of another language has many).
    pub instances: usize,
    /// Connections that one check may open.
    pub check_connections: u32,
    /// Bytes that one check may read and write, in all.
    pub check_bytes: u64,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self {
            call_time: Duration::from_millis(50),
            pick_time: Duration::from_millis(20),
            memory: 64 << 20,
            table_elements: 40_000,
            instances: 100,
            check_connections: 16,
            check_bytes: 4 << 20,
        }
    }
}

/// A virtual service: what clients reach, and who answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// The name in logs and `status`.
    pub name: String,
    /// Address, port and protocol.
    pub key: ServiceKey,
    /// Who spreads the connections.
    pub scheduler: PluginUse,
    /// How the scheduler's decisions are followed: one of those that it offers.
    pub decision: Decision,
    /// A client's connections go to the server that its last one went to (keepalived `persistence_timeout`).
    pub persistence: Option<Persistence>,
    /// Full NAT: the source address becomes the director's, so that real servers need no route through it.
    pub snat: bool,
    /// What becomes of established flows of a server that has failed.
    pub on_down: OnDown,
    /// Where Evenkeel puts the virtual address, if it is to do so.
    pub assign: Option<Assign>,
    /// The sum of the weights of its servers that are up, from which on it has its quorum (keepalived `quorum`). At least 1.
    pub quorum: u32,
    /// The quorum is reached at `quorum` + this, and lost below `quorum` - this (keepalived `hysteresis`). Less than `quorum`.
    pub hysteresis: u32,
    /// Its servers are checked only while its address is on this director (keepalived `ha_suspend`).
    pub ha_suspend: bool,
    /// The real servers, in the order of the configuration. Never empty; addresses are unique.
    pub servers: Vec<Server>,
}

/// How long, and how coarsely, a service remembers its clients (IPVS persistence).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Persistence {
    /// How long after a client's last new connection. Whole seconds, at least 1.
    pub timeout: Duration,
    /// Clients whose addresses begin with the same so many bits are taken as one (keepalived `persistence_granularity`): 1 to 32 or
    /// 128.
    pub prefix: u8,
}

/// What becomes of the established flows of a server that has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDown {
    /// They go on (they may survive a short failure). The default for TCP.
    Keep,
    /// They are forgotten, so that a client's next packet is spread anew. The default for UDP, where a client that
    /// keeps its port would be sent to the failed server for ever.
    Kill,
}

/// An address that Evenkeel puts on an interface.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Assign {
    /// The interface's name.
    pub interface: String,
    /// The address.
    pub addr: IpAddr,
    /// Its prefix length.
    pub prefix: u8,
}

/// A real server of one virtual service.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// The name in logs, `status` and for plugins; by default the address.
    pub name: String,
    /// Where connections are sent. Of the same family as the service. For a firewall mark the port may be 0: connections keep theirs.
    pub address: SocketAddr,
    /// How they get there. Other ways than NAT only with IPVS, and then the port is the service's (unless that is a firewall mark), since it
    /// is not changed on the way.
    pub forward: Forward,
    /// 0 to 65535. 0: takes no new connections (draining).
    pub weight: u32,
    /// While it has failed it stays in the kernel with weight 0, so that its established connections can go on (keepalived
    /// `inhibit_on_failure`).
    pub inhibit_on_failure: bool,
    /// With so many connections it gets no new ones (keepalived `uthreshold`); `None`: there is no limit.
    pub upper_threshold: Option<u32>,
    /// Below so many it gets new ones again (keepalived `lthreshold`). `None`: below three quarters of the upper threshold, as IPVS
    /// has it. At most the upper threshold.
    pub lower_threshold: Option<u32>,
    /// Free key/value pairs for schedulers.
    pub labels: BTreeMap<String, String>,
    /// The checks, which must all pass. Empty: always taken as up.
    pub checks: Vec<Check>,
}

/// One health check of one real server.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Who judges.
    pub plugin: PluginUse,
    /// What is checked: the server's address, or what `check.address` / `check.port` put in its place.
    pub target: SocketAddr,
    /// When and how often.
    pub timing: CheckTiming,
}

/// When a check runs and what a failure needs to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckTiming {
    /// From the start of one check to the start of the next (keepalived `delay_loop`).
    pub interval: Duration,
    /// How long one check may take (keepalived `connect_timeout`).
    pub timeout: Duration,
    /// How many times a failed check is repeated before the server is down (keepalived `retry`).
    pub retries: u32,
    /// From the start of a failed check to the start of its repetition (keepalived `delay_before_retry`).
    pub retry_delay: Duration,
    /// How many checks in a row a failed server must pass to be used again. At least 1.
    pub rise: u32,
    /// keepalived `alpha`: servers start down until a check passes. Otherwise they start in the pool, and the first
    /// check, if it fails, removes one without retries.
    pub alpha: bool,
}

/// A plugin with its settings, as one service or check uses it.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginUse {
    /// Which plugin; names exactly one entry of the catalogue.
    pub plugin: PluginRef,
    /// Every setting of the manifest that has a value, checked, defaults included.
    pub settings: Vec<Setting>,
}

/// How a configuration refers to a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PluginRef {
    /// By the name in its manifest, found in a plugin directory.
    Name(String),
    /// By file.
    File(PathBuf),
}

impl fmt::Display for PluginRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}
