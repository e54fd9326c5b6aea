//! Who is where, and what is run.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use evenkeel_core::manifest::PluginKind;

/// The network in which everybody has an address: the virtual service, the servers, the clients.
pub(super) const NETWORK: (Ipv4Addr, u8) = (Ipv4Addr::new(10, 77, 0, 0), 16);
/// Where clients connect to.
pub(super) const SERVICE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1)), 80);

/// The address of a server, from 0 on.
pub(super) fn server(number: u8) -> SocketAddr {
    (Ipv4Addr::new(10, 77, 1, number.saturating_add(1)), 80).into()
}

/// What is run: a plugin's file, and its source if that is known.
pub(super) struct Subject {
    pub(super) file: PathBuf,
    pub(super) source: Option<PathBuf>,
    pub(super) kind: PluginKind,
    pub(super) name: String,
}
