//! The connections of one client.

use std::io;
use std::net::{IpAddr, SocketAddr};

use evenkeel_core::mark;
use evenkeel_core::state::BackendId;
use evenkeel_netlink::conntrack::{self, status};

use crate::dump::Dump;

/// A connection from a client to one of our servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientConnection {
    /// The number of its protocol, such as `IPPROTO_TCP`.
    pub protocol: u8,
    /// Where it comes from.
    pub client: SocketAddr,
    /// What the client reached.
    pub service: SocketAddr,
    /// The number of the server in its mark.
    pub backend: BackendId,
    /// Who answers: the server's address.
    pub server: SocketAddr,
    /// Of TCP, the state (`enum tcp_conntrack`).
    pub tcp_state: Option<u8>,
}

/// The connections of a client of this thread's network namespace, from this port, or from any. At most `most`, in no
/// order; and whether there are more. Blocks for as long as the kernel takes to list all connections to our servers.
///
/// # Errors
/// The kernel's: it needs `CAP_NET_ADMIN`.
pub fn connections_of(
    client: IpAddr,
    port: Option<u16>,
    most: usize,
) -> io::Result<(Vec<ClientConnection>, bool)> {
    let (mut found, mut more) = (Vec::new(), false);
    let mut dump = Dump::begin()?;
    let mut each = |attributes: &[u8]| {
        let Some(it) = read(attributes).filter(|it| {
            it.client.ip() == client && port.is_none_or(|port| it.client.port() == port)
        }) else {
            return;
        };
        if found.len() < most {
            found.push(it);
        } else {
            more = true;
        }
    };
    while dump.next_attributes(&mut each)? {}
    Ok((found, more))
}

/// A connection of ours that has not ended.
fn read(attributes: &[u8]) -> Option<ClientConnection> {
    let it = conntrack::Connection::decode(attributes);
    let backend = mark::backend(it.mark).filter(|_| !it.has(status::DYING))?;
    let (original, reply) = (it.original()?, it.reply()?);
    Some(ClientConnection {
        protocol: original.protocol,
        client: original.source,
        service: original.destination,
        backend,
        server: reply.source,
        tcp_state: it.tcp_state(),
    })
}
