//! VRRP as configured: virtual routers, what they watch and what moves with them.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

/// Everything about VRRP that a configuration asks for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Vrrp {
    /// The instances, in the order of the configuration. Names are unique, and so are interface, family and router ID
    /// together.
    pub instances: Vec<VrrpInstance>,
    /// The sync groups. Names are unique; an instance is in one of them at most.
    pub groups: Vec<SyncGroup>,
    /// The scripts that instances track. Names are unique.
    pub scripts: Vec<Script>,
}

/// A virtual router that this director takes part in (keepalived `vrrp_instance`).
#[derive(Debug, Clone, PartialEq)]
pub struct VrrpInstance {
    /// The name in logs, in `status` and for notify scripts.
    pub name: String,
    /// The interface on which adverts are sent and heard.
    pub interface: String,
    /// The virtual router ID (VRID), 1 to 255 (keepalived `virtual_router_id`).
    pub router_id: u8,
    /// The protocol's version.
    pub version: VrrpVersion,
    /// The family of the adverts, and of the addresses that they list.
    pub family: Family,
    /// 1 to 255. 255 means that the addresses are this machine's own (RFC 9568 section 5.2.4).
    pub priority: u8,
    /// Between two adverts. Version 2: whole seconds, 1 to 255 s. Version 3: 10 ms to 40.95 s in steps of 10 ms.
    pub advert_interval: Duration,
    /// Whether this router takes over from a master of lower priority (keepalived `nopreempt`).
    pub preempt: bool,
    /// How long a master of lower priority is left alone before it is pre-empted. 0 to 1000 s.
    pub preempt_delay: Duration,
    /// Simple text authentication of version 2, 1 to 8 bytes (RFC 2338 section 5.3.6.1, keepalived `auth_type PASS`).
    pub password: Option<Password>,
    /// How the checksum of version 3 over IPv4 is made.
    pub checksum: Checksum,
    /// The source address of adverts; `None`: the interface's first one (IPv6: its link-local one).
    pub source: Option<IpAddr>,
    /// Where adverts go, and the only routers that are listened to; empty: the multicast group (keepalived
    /// `unicast_peer`).
    pub peers: Vec<IpAddr>,
    /// The virtual addresses, in the order of the configuration.
    pub addresses: Vec<VirtualAddress>,
    /// Routes that exist while this router is master.
    pub routes: Vec<VirtualRoute>,
    /// Routing rules that exist while this router is master.
    pub rules: Vec<VirtualRule>,
    /// When the network is told where the addresses are.
    pub announce: Announce,
    /// The name of the macvlan interface that carries the virtual MAC address; `None`: the interface's own MAC
    /// address is used (keepalived `use_vmac`).
    pub virtual_mac: Option<String>,
    /// The kernel takes the virtual addresses away by itself when the daemon has not confirmed them for so long: a
    /// director that was killed or hangs does not keep them for ever. Whole seconds, from 2 s. `None`: they stay.
    pub address_lifetime: Option<Duration>,
    /// What takes part in this router's priority, or puts it into fault. The interface of the adverts, and those that
    /// virtual addresses are on, are watched anyway.
    pub track: Vec<Track>,
    /// What is run when the state changes.
    pub notify: Notify,
}

impl VrrpInstance {
    /// Whether it is the same virtual router as another one of a configuration before or after it, so that its state
    /// stays.
    #[must_use]
    pub fn is_same_router(&self, other: &Self) -> bool {
        self.name == other.name
            && self.interface == other.interface
            && self.family == other.family
            && self.router_id == other.router_id
            && self.version == other.version
    }
}

/// The version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VrrpVersion {
    /// RFC 3768 (and RFC 2338 for authentication). IPv4 only.
    V2,
    /// RFC 5798 and RFC 9568.
    V3,
}

impl VrrpVersion {
    /// The number in the packet.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }
}

impl fmt::Display for VrrpVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number())
    }
}

/// The family of adverts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// An address's family.
    #[must_use]
    pub fn of(addr: IpAddr) -> Self {
        if addr.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// The checksum of version 3 over IPv4. Both are accepted; this is what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// Over a pseudo-header, too, as keepalived reads RFC 5798 section 5.2.8. keepalived drops adverts without it.
    PseudoHeader,
    /// Over the message alone (RFC 9568 section 5.2.8).
    MessageOnly,
}

/// The password of version 2, padded with zeros to eight bytes. Not shown by `Debug`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Password(pub [u8; 8]);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(...)")
    }
}

/// An address that the master has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VirtualAddress {
    /// The address.
    pub addr: IpAddr,
    /// Its prefix length.
    pub prefix: u8,
    /// The interface it is put on. With a virtual MAC, addresses on the adverts' interface go on the macvlan instead.
    pub interface: String,
    /// Its label (IPv4 only), such as `eth0:1`.
    pub label: Option<String>,
    /// Its scope: 0 (global) to 255, as `ip address` has it (`include/uapi/linux/rtnetlink.h`, `rt_scope_t`).
    pub scope: u8,
    /// Whether adverts list it. Never one of the other family than the adverts' (keepalived
    /// `virtual_ipaddress_excluded`).
    pub advertised: bool,
}

/// A route that exists while this router is master (keepalived `virtual_routes`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VirtualRoute {
    /// Where to. `0.0.0.0/0` and `::/0` are the default routes.
    pub to: IpNet,
    /// The gateway.
    pub via: Option<IpAddr>,
    /// The interface. At least one of `via` and `interface` is there.
    pub interface: Option<String>,
    /// The preferred source address.
    pub source: Option<IpAddr>,
    /// The metric; `None`: the kernel's default.
    pub metric: Option<u32>,
    /// The table; 254 is `main`.
    pub table: u32,
    /// The scope; `None`: link without a gateway, else global.
    pub scope: Option<u8>,
}

/// A routing rule that exists while this router is master (keepalived `virtual_rules`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VirtualRule {
    /// Its family.
    pub family: Family,
    /// Packets from here.
    pub from: Option<IpNet>,
    /// Packets to there.
    pub to: Option<IpNet>,
    /// Packets that came in by this interface.
    pub input: Option<String>,
    /// Packets that go out by this interface.
    pub output: Option<String>,
    /// Packets with this firewall mark.
    pub mark: Option<u32>,
    /// The rule's place; the kernel looks at low numbers first. `None`: the kernel chooses.
    pub priority: Option<u32>,
    /// The table that is looked up.
    pub table: u32,
}

/// When gratuitous ARP and unsolicited neighbour advertisements are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announce {
    /// Rounds at once on becoming master (keepalived `garp_master_repeat`).
    pub repeat: u32,
    /// After this, as many rounds again; zero: never (keepalived `garp_master_delay`).
    pub delay: Duration,
    /// From time to time while master (keepalived `garp_master_refresh`).
    pub refresh: Option<Duration>,
    /// Rounds each time (keepalived `garp_master_refresh_repeat`).
    pub refresh_repeat: u32,
    /// Rounds after an advert of lower priority was heard (keepalived `garp_lower_prio_repeat`).
    pub lower_priority_repeat: u32,
    /// After this, as many rounds again; zero: never (keepalived `garp_lower_prio_delay`).
    pub lower_priority_delay: Duration,
}

impl Default for Announce {
    /// keepalived's defaults.
    fn default() -> Self {
        Self {
            repeat: 5,
            delay: Duration::from_secs(5),
            refresh: None,
            refresh_repeat: 1,
            lower_priority_repeat: 5,
            lower_priority_delay: Duration::from_secs(5),
        }
    }
}

/// Something that is watched for an instance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Track {
    /// What.
    pub what: Tracked,
    /// -253 to 253. 0: the instance is in fault while it fails. Positive: added to the priority while it is well.
    /// Negative: taken from the priority while it fails. For a file: multiplied with the number in it and added; 0:
    /// fault while the number is not 0.
    pub weight: i16,
    /// keepalived's `reverse`: what fails counts as well and what is well as failing, with the opposite weight. 0: the
    /// instance is in fault while it is well. Positive: taken from the priority while it is well. Negative: added to
    /// the priority while it fails. For a file: taken from the priority; 0: fault while the number is 0.
    pub reverse: bool,
}

/// What can be watched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tracked {
    /// An interface is up and running (keepalived `track_interface`).
    Interface(String),
    /// The [`Script`] of this name succeeds (keepalived `track_script`).
    Script(String),
    /// The number in a file (keepalived `track_file`).
    File(PathBuf),
    /// A process of this name, or with this path, runs (keepalived `track_process`).
    Process(String),
    /// The virtual service of this name has its quorum of servers.
    Service(String),
}

impl fmt::Display for Tracked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interface(name) => write!(f, "interface {name}"),
            Self::Script(name) => write!(f, "script {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Process(name) => write!(f, "process {name}"),
            Self::Service(name) => write!(f, "service {name}"),
        }
    }
}

/// A script whose exit status is watched (keepalived `vrrp_script`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The name that instances track it by.
    pub name: String,
    /// The program and its arguments; never empty. Run without a shell.
    pub command: Vec<String>,
    /// From the start of one run to the start of the next.
    pub interval: Duration,
    /// A run that takes longer is ended and has failed.
    pub timeout: Duration,
    /// Successes in a row until it is well. At least 1.
    pub rise: u32,
    /// Failures in a row until it has failed. At least 1.
    pub fall: u32,
}

/// What is run when a state changes: each a program with arguments, run without a shell; empty: nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notify {
    /// On becoming master.
    pub master: Vec<String>,
    /// On becoming backup.
    pub backup: Vec<String>,
    /// On going into fault.
    pub fault: Vec<String>,
    /// When the daemon ends.
    pub stop: Vec<String>,
    /// On every change, after the one above. Four arguments are added: `INSTANCE` or `GROUP`, the name, the state
    /// (`MASTER`, `BACKUP`, `FAULT`, `STOP`) and the priority.
    pub any: Vec<String>,
}

/// Instances that are master together or not at all (keepalived `vrrp_sync_group`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncGroup {
    /// The name in logs, in `status` and for notify scripts.
    pub name: String,
    /// The names of its instances, at least two.
    pub members: Vec<String>,
    /// What is run when the state of the group changes.
    pub notify: Notify,
}
