//! What the kernel has of a client.

use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_core::model::{DataPlaneKind, Protocol, ServiceKey};
use evenkeel_core::state::BackendId;
use ipnet::IpNet;

use super::question::Client;

/// Connections that are listed.
const MOST: usize = 200;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct ClientEntries {
    pub(super) connections: Vec<Entry>,
    /// Of IPVS: what services remember of the client.
    pub(super) remembered: Vec<(Entry, Duration)>,
    pub(super) more: bool,
    /// Why nothing can be told.
    pub(super) problem: Option<String>,
}

/// A connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) client: SocketAddr,
    pub(super) service: ServiceKey,
    pub(super) server: SocketAddr,
    pub(super) backend: Option<BackendId>,
    pub(super) state: Option<String>,
}

/// Looks it up in this thread's network namespace. Blocks for as long as the kernel takes to list its connections. With
/// IPVS, `prefixes` are the lengths of the networks whose clients services take for one.
pub(crate) fn look_up(kind: DataPlaneKind, client: Client, prefixes: &[u8]) -> ClientEntries {
    let found = match kind {
        DataPlaneKind::Nftables => in_conntrack(client),
        DataPlaneKind::Ipvs => in_ipvs(client, prefixes),
    };
    found.unwrap_or_else(|error| ClientEntries {
        problem: Some(format!("the client's connections cannot be told: {error}")),
        ..ClientEntries::default()
    })
}

fn in_conntrack(client: Client) -> std::io::Result<ClientEntries> {
    let (connections, more) = evenkeel_flows::connections_of(client.address, client.port, MOST)?;
    let entries = connections.into_iter().filter_map(|it| {
        Some(Entry {
            client: it.client,
            service: key(protocol(it.protocol)?, it.service),
            server: it.server,
            backend: Some(it.backend),
            state: it.tcp_state.map(|state| state_name(state).to_owned()),
        })
    });
    Ok(ClientEntries {
        connections: entries.collect(),
        more,
        ..ClientEntries::default()
    })
}

fn in_ipvs(client: Client, prefixes: &[u8]) -> std::io::Result<ClientEntries> {
    let networks: Vec<_> = prefixes
        .iter()
        .map(|prefix| (*prefix).min(if client.address.is_ipv4() { 32 } else { 128 }))
        .filter_map(|prefix| IpNet::new(client.address, prefix).ok())
        .map(|net| net.network())
        .collect();
    let mut left = MOST;
    let mut more = false;
    let listed = evenkeel_ipvs::connections(|it| {
        let wanted = if it.is_remembered() {
            networks.contains(&it.client.ip())
        } else {
            it.client.ip() == client.address
                && client.port.is_none_or(|port| it.client.port() == port)
        };
        more |= wanted && left == 0;
        let taken = wanted && left > 0;
        left -= usize::from(taken);
        taken
    })?;
    let mut found = ClientEntries {
        more,
        ..ClientEntries::default()
    };
    for it in listed {
        let protocol = match it.protocol.as_str() {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            "sctp" => Protocol::Sctp,
            _ => continue,
        };
        let remembered = it.is_remembered();
        let entry = Entry {
            client: it.client,
            service: key(protocol, it.service),
            server: it.server,
            backend: None,
            state: Some(it.state.to_ascii_lowercase().replace('_', "-")),
        };
        if remembered {
            found.remembered.push((entry, it.expires));
        } else {
            found.connections.push(entry);
        }
    }
    Ok(found)
}

fn key(protocol: Protocol, service: SocketAddr) -> ServiceKey {
    ServiceKey {
        addr: service.ip(),
        port: service.port(),
        protocol,
    }
}

fn protocol(number: u8) -> Option<Protocol> {
    let all = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
    all.into_iter().find(|it| it.number() == number)
}

/// `enum tcp_conntrack`, as `conntrack -L` calls them.
fn state_name(state: u8) -> &'static str {
    const NAMES: [&str; 10] = [
        "none",
        "syn-sent",
        "syn-recv",
        "established",
        "fin-wait",
        "close-wait",
        "last-ack",
        "time-wait",
        "close",
        "syn-sent2",
    ];
    NAMES.get(usize::from(state)).copied().unwrap_or("unknown")
}
