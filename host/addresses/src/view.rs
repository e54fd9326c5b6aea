//! What others may know of this machine's interfaces and addresses.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

/// An address of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnAddress {
    /// The interface's name.
    pub interface: String,
    /// The interface's number.
    pub index: u32,
    /// The address.
    pub addr: IpAddr,
    /// What is reached directly through it: its network, or the peer of a point-to-point link.
    pub network: IpNet,
    /// Whether an Evenkeel put it there for a service.
    pub ours: bool,
}

impl fmt::Display for OwnAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{} on {}",
            self.addr,
            self.network.prefix_len(),
            self.interface
        )
    }
}

/// An interface of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Whether it is a bridge.
    pub bridge: bool,
}

/// This machine as the address manager saw it last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkView {
    /// Every address, by interface.
    pub addresses: Vec<OwnAddress>,
    /// The interfaces that a flowtable can be given, by name, with their numbers: those of the kind of Ethernet that
    /// are up and are no port of a bridge, a bond or a VRF.
    pub offloadable: BTreeMap<String, u32>,
}
