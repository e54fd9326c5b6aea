//! The ports of real servers that were written without one.

use std::net::{IpAddr, SocketAddr};

use crate::document::{Table, quote};

/// The header of a real server.
const SERVER: &str = "[[service.server]]";

/// Gives servers without a port that of their service, and those too whose port cannot be another one.
pub(super) fn complete_ports(service: &mut Table, port: u16) {
    let mut servers = std::mem::take(&mut service.tables);
    for server in servers.iter_mut().filter(|it| it.header == SERVER) {
        let written = server.get("address").unwrap_or_default().trim_matches('"');
        let ip = match (written.parse::<IpAddr>(), written.parse::<SocketAddr>()) {
            (Ok(ip), _) => Some(ip),
            (_, Ok(at)) if !is_nat(service, server) => Some(at.ip()),
            _ => None,
        };
        if let Some(ip) = ip {
            let address = SocketAddr::new(ip, port).to_string();
            server.change("address", quote(&address));
        }
    }
    service.tables = servers;
}

/// Whether a server is reached by NAT.
pub(super) fn is_nat(service: &Table, server: &Table) -> bool {
    let forward = server.get("forward").or(service.get("forward"));
    forward.is_none_or(|forward| forward == "\"nat\"")
}
