//! Which backend a service with persistence remembers for a client: one element of `aff4` or `aff6`.

use std::net::IpAddr;
use std::time::Duration;

use evenkeel_core::model::{Persistence, ServiceKey};
use evenkeel_netlink::attribute::{nest, put, put_text};
use ipnet::IpNet;
use netlink_bindings::utils::{IterableChunks, find_attr};

use super::dump::is_absent;
use super::placed_service::backend;
use super::socket::{Netfilter, io_error};
use super::wire::{Head, flags, kind};
use crate::{Error, RememberedClient};

/// Asks the kernel for it.
pub(super) fn read(
    socket: &mut Netfilter,
    table: &str,
    service: &ServiceKey,
    persistence: Persistence,
    client: IpAddr,
) -> Result<Option<RememberedClient>, Error> {
    let Some(key) = key(service, persistence.prefix, client) else {
        return Ok(None);
    };
    let set = if client.is_ipv4() { "aff4" } else { "aff6" };
    let mut found = None;
    let asked = socket.ask(
        Head::new(kind::GET_ELEMENT, flags::ACK),
        |buf| {
            put_text(buf, 1, table);
            put_text(buf, 2, set);
            nest(buf, 3, |buf| {
                nest(buf, 1, |buf| nest(buf, 1, |buf| put(buf, 1, &key)));
            });
        },
        |answer| {
            let list = find_attr(answer.attributes(), 3).unwrap_or_default();
            for (_, element) in IterableChunks::new(list) {
                found = client_of(element).or(found);
            }
        },
    );
    match asked {
        Err(error) if is_absent(&error) => Ok(None),
        other => other
            .map(|()| found)
            .map_err(io_error("look up a client that a service remembers")),
    }
}

/// `NFTA_SET_ELEM_DATA` and `NFTA_SET_ELEM_EXPIRATION`, in milliseconds.
fn client_of(element: &[u8]) -> Option<RememberedClient> {
    let mark = find_attr(find_attr(element, 2)?, 1)?;
    let mark = u32::from_ne_bytes(mark.try_into().ok()?);
    let expires = find_attr(element, 5).and_then(|it| it.try_into().ok());
    Some(RememberedClient {
        backend: backend(mark)?,
        expires: Duration::from_millis(expires.map_or(0, u64::from_be_bytes)),
    })
}

/// Network, service, protocol, port, each in registers of four bytes. `None`: the two are of different families.
fn key(service: &ServiceKey, prefix: u8, client: IpAddr) -> Option<Vec<u8>> {
    if service.addr.is_ipv4() != client.is_ipv4() {
        return None;
    }
    let most = if client.is_ipv4() { 32 } else { 128 };
    let network = IpNet::new(client, prefix.min(most)).ok()?.network();
    let mut key = Vec::with_capacity(40);
    for address in [network, service.addr] {
        match address {
            IpAddr::V4(ip) => key.extend(ip.octets()),
            IpAddr::V6(ip) => key.extend(ip.octets()),
        }
    }
    key.extend([service.protocol.number(), 0, 0, 0]);
    key.extend(service.port.to_be_bytes());
    key.extend([0, 0]);
    Some(key)
}
