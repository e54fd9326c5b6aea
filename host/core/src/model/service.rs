//! Virtual services and their real servers.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::check::{Check, ChecksRequired};
use super::key::{Protocol, ServiceKey};
use super::plugin::PluginUse;
use super::pool::{PoolRules, ServerRole};
use super::second::Second;
use super::share::Share;
use crate::manifest::Decision;

/// A virtual service: what clients reach, and who answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// The name in logs and `status`.
    pub name: String,
    /// Address, port and protocol.
    pub key: ServiceKey,
    /// Who spreads the connections.
    pub scheduler: PluginUse,
    /// A second scheduler that is tried beside it.
    pub second: Option<Second>,
    /// How the scheduler's decisions are followed: one of those that it offers.
    pub decision: Decision,
    /// A client's connections go to the server that its last one went to (keepalived `persistence_timeout`).
    pub persistence: Option<Persistence>,
    /// What becomes of remembered clients of a server that takes no new connections.
    pub on_drain: OnDrain,
    /// Full NAT: the source address becomes the director's, so that real servers need no route through it.
    pub snat: bool,
    /// What becomes of established flows of a server that has failed.
    pub on_down: OnDown,
    /// Where Evenkeel puts the virtual address, if it is to do so.
    pub assign: Option<Assign>,
    /// The sum of the weights of its servers that are up, from which on it has its quorum (keepalived `quorum`). At
    /// least 1.
    pub quorum: u32,
    /// The quorum is reached at `quorum` + this, and lost below `quorum` - this (keepalived `hysteresis`). Less than
    /// `quorum`.
    pub hysteresis: u32,
    /// Its servers are checked only while its address is on this director (keepalived `ha_suspend`).
    pub ha_suspend: bool,
    /// The most clients that one plan of a hashing scheduler may send to another server without a reason
    /// ([`crate::movement::moved`]); `None`: there is no limit.
    pub max_moves: Option<Share>,
    /// Which of the servers are used when.
    pub pool: PoolRules,
    /// What is run when the quorum is reached or lost.
    pub notify: ServiceNotify,
    /// The real servers, in the order of the configuration, with the sorry server last. Never empty; addresses are
    /// unique.
    pub servers: Vec<Server>,
}

/// How long, and how coarsely, a service remembers its clients (IPVS persistence).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Persistence {
    /// How long after a client's last new connection. Whole seconds, at least 1.
    pub timeout: Duration,
    /// Clients whose addresses begin with the same so many bits are taken as one (keepalived
    /// `persistence_granularity`): 1 to 32 or 128.
    pub prefix: u8,
}

/// What becomes of the clients that a service remembers, when the weight of their server is 0: it drains, is at its
/// upper threshold, or has failed and stays for its connections (`inhibit_on_failure`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnDrain {
    /// Their new connections go there all the same, as with IPVS by itself.
    #[default]
    Keep,
    /// Their next connection goes to another server (IPVS's `expire_quiescent_template`).
    Move,
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

impl OnDown {
    /// What holds for a service that does not say it, and keeps no failed servers.
    #[must_use]
    pub fn default_of(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Udp => Self::Kill,
            Protocol::Tcp | Protocol::Sctp | Protocol::Fwmark(_) => Self::Keep,
        }
    }
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
    /// Where connections are sent. Of the same family as the service. For a firewall mark the port may be 0:
    /// connections keep theirs.
    pub address: SocketAddr,
    /// How they get there. Other ways than NAT only with IPVS, and then the port is the service's (unless that is a
    /// firewall mark), since it is not changed on the way.
    pub forward: Forward,
    /// What it is in its service.
    pub role: ServerRole,
    /// 0 to 65535. 0: takes no new connections (draining).
    pub weight: u32,
    /// While it has failed it stays in the kernel with weight 0, so that its established connections can go on
    /// (keepalived `inhibit_on_failure`).
    pub inhibit_on_failure: bool,
    /// With so many connections it gets no new ones (keepalived `uthreshold`); `None`: there is no limit.
    pub upper_threshold: Option<u32>,
    /// Below so many it gets new ones again (keepalived `lthreshold`). `None`: below three quarters of the upper
    /// threshold, as IPVS has it. At most the upper threshold.
    pub lower_threshold: Option<u32>,
    /// Free key/value pairs for schedulers.
    pub labels: BTreeMap<String, String>,
    /// What is run when it comes up or goes down; `None`: nothing.
    pub notify: Option<Box<ServerNotify>>,
    /// How many of the checks must pass.
    pub required: ChecksRequired,
    /// The checks. Empty: always taken as up.
    pub checks: Vec<Check>,
}

/// What is run of a service's quorum: each a program with arguments, run without a shell; empty: nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceNotify {
    /// When it is reached (keepalived `quorum_up`); also at the start.
    pub quorum_up: Vec<String>,
    /// When it is lost (keepalived `quorum_down`).
    pub quorum_down: Vec<String>,
    /// Whether what is run when servers and the quorum go down is also run when the daemon ends (keepalived `omega`).
    pub omega: bool,
}

/// What is run of a real server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerNotify {
    /// When its checks find it well again (keepalived `notify_up`).
    pub up: Vec<String>,
    /// When they take it out (keepalived `notify_down`).
    pub down: Vec<String>,
}

/// How packets reach a real server (IPVS's forwarding methods, keepalived `lvs_method`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Forward {
    /// The destination is rewritten; replies come back through the director (`ipvsadm -m`, Masq).
    #[default]
    Nat,
    /// Direct routing: the packet goes to the server's MAC address as it is; the server has the virtual address
    /// itself and answers the client directly (`ipvsadm -g`, Route).
    Dr,
    /// Tunnelling: the packet goes to the server inside another one (IP in IP), and is answered directly (`ipvsadm
    /// -i`, Tunnel).
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
