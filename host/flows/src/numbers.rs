//! Which servers' numbers conntrack has.

use std::io;

use evenkeel_core::ids::InUse;
use evenkeel_core::mark;
use evenkeel_core::model::{Protocol, ServiceKey};
use evenkeel_netlink::conntrack::{Connection, status};

use crate::dump::Dump;

/// The numbers in the marks of all connections of this thread's network namespace, each with the service and the server
/// that such a connection names. A mark in that range may be another program's: then there is none, or one that nobody
/// has configured.
///
/// # Errors
/// The kernel's: it needs `CAP_NET_ADMIN`.
pub fn numbers_in_use() -> io::Result<InUse> {
    let mut numbers = InUse::new();
    let mut dump = Dump::begin()?;
    let mut each = |attributes: &[u8]| {
        let connection = Connection::decode(attributes);
        if let Some(id) = mark::backend(connection.mark) {
            let known = numbers.entry(id).or_default();
            if known.is_none() {
                *known = named(&connection);
            }
        }
    };
    while dump.next_attributes(&mut each)? {}
    Ok(numbers)
}

/// The service that the client reached, and the server that answers.
fn named(connection: &Connection<'_>) -> Option<(ServiceKey, std::net::SocketAddr)> {
    let (original, reply) = (connection.original()?, connection.reply()?);
    let protocol = [Protocol::Tcp, Protocol::Udp]
        .into_iter()
        .find(|it| it.number() == original.protocol)?;
    connection.has(status::DST_NAT).then(|| {
        let service = ServiceKey {
            addr: original.destination.ip(),
            port: original.destination.port(),
            protocol,
        };
        (service, reply.source)
    })
}
