//! A network interface as VRRP sees it.

use std::net::{Ipv4Addr, Ipv6Addr};

use evenkeel_addresses::announce::Mac;

/// An interface that an instance has to do with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    /// Its name.
    pub(crate) name: String,
    /// Its number; another one after it was deleted and made again.
    pub(crate) index: u32,
    /// Whether it is up and has a carrier (`IFF_UP` and `IFF_RUNNING`).
    pub(crate) up: bool,
    /// Its Ethernet address; `None`: it is no Ethernet.
    pub(crate) mac: Option<Mac>,
    /// Its first IPv4 address that is not a virtual one.
    pub(crate) ipv4: Option<Ipv4Addr>,
    /// Its first link-local address that is not a virtual one and can be used.
    pub(crate) ipv6: Option<Ipv6Addr>,
}
