//! Networks on which clients and real servers may meet.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::view::OwnAddress;

/// The networks that this machine is directly on and that hold at least one of the servers. A client there would be
/// answered by the server directly and not through the director (`State::hairpin`). Loopback, link-local and single
/// addresses are no such networks; one inside another is left out.
#[must_use]
pub fn hairpin_networks(own: &[OwnAddress], servers: &BTreeSet<IpAddr>) -> BTreeSet<IpNet> {
    let networks: BTreeSet<IpNet> = own
        .iter()
        .map(|address| address.network)
        .filter(|network| {
            is_shared(network) && servers.iter().any(|server| network.contains(server))
        })
        .collect();
    let inside_another = |network: &IpNet| {
        networks
            .iter()
            .any(|other| other != network && other.contains(network))
    };
    networks
        .iter()
        .filter(|network| !inside_another(network))
        .copied()
        .collect()
}

/// Whether more than this machine may be on it.
fn is_shared(network: &IpNet) -> bool {
    let addr = network.network();
    let link_local = match addr {
        IpAddr::V4(addr) => addr.is_link_local(),
        IpAddr::V6(addr) => addr.is_unicast_link_local(),
    };
    network.prefix_len() < network.max_prefix_len() && !addr.is_loopback() && !link_local
}
