//! The configuration, understood: always valid, with every default filled in.

mod check;
mod daemon;
mod dataplane;
mod grant;
mod key;
mod plugin;
mod pool;
mod second;
mod service;
mod share;
mod vrrp;

pub use check::{Check, CheckTiming, ChecksRequired};
pub use daemon::{Daemon, PluginTrust, Sandbox, TrustedKey};
pub use dataplane::{
    Chosen, ConnectionSync, DataPlaneChoice, DataPlaneKind, IpvsTimeouts, Offload,
};
pub use grant::{COMMAND, Grant, Needs, PATH, PINGS};
pub use key::{Protocol, ServiceKey};
pub use plugin::{PluginRef, PluginUse};
pub use pool::{PoolRules, ServerRole, WhenAllDown};
pub use second::{Canary, Second, SecondRole};
pub use service::{
    Assign, Forward, OnDown, OnDrain, Persistence, Server, ServerNotify, Service, ServiceNotify,
};
pub use share::Share;
pub use vrrp::{
    Announce, Checksum, Family, Notify, Password, Script, SyncGroup, Track, Tracked,
    VirtualAddress, VirtualRoute, VirtualRule, Vrrp, VrrpInstance, VrrpVersion,
};

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
