//! How connections get to the servers: what goes together with what.

use std::net::SocketAddr;

use super::reader::{Reader, Wrong};
use super::schema::{ServerTable, ServiceTable};
use super::uses::Uses;
use evenkeel_core::model::{Forward, Server, ServiceKey};

/// How connections get to a server; `None` if that is wrong.
pub(super) fn of(server: &ServerTable, service: &ServiceTable) -> Option<Forward> {
    match server.forward.copied() {
        Some(own) => Some(own),
        None if server.forward.is_wrong() => None,
        None => service.forward.copied(),
    }
}

/// Whether a server stays in the kernel when it has failed; `None` if that is wrong.
pub(super) fn inhibits(server: &ServerTable, service: &ServiceTable) -> Option<bool> {
    match server.inhibit_on_failure.copied() {
        Some(own) => Some(own),
        None if server.inhibit_on_failure.is_wrong() => None,
        None => service.inhibit_on_failure.copied(),
    }
}

/// Packets that go to a server as they are arrive at the port that clients chose.
pub(super) fn check_port(
    table: &ServerTable,
    address: SocketAddr,
    forward: Forward,
    service: ServiceKey,
    reader: &mut Reader,
) {
    if let Some(wrong) = fits_port(address, forward, service) {
        reader.wrong_at("address", &table.address.at, wrong);
    }
}

/// What is wrong with the port of a server that is reached in this way; `None`: nothing.
pub(super) fn fits_port(
    address: SocketAddr,
    forward: Forward,
    service: ServiceKey,
) -> Option<Wrong> {
    let marked = service.protocol.fwmark().is_some();
    if forward == Forward::Nat || marked || address.port() == service.port {
        return None;
    }
    let what = format!(
        "with forward = \"{forward}\" the port is not changed on the way, and the service's is {}",
        service.port
    );
    let right = SocketAddr::new(address.ip(), service.port);
    let help = format!("write \"{right}\", and let the server listen there; or forward = \"nat\"");
    Some(Wrong::new(what, help))
}

/// Servers that answer clients directly see them; and not every data plane can hide clients everywhere.
pub(super) fn check_snat(
    table: &ServiceTable,
    servers: &[Server],
    uses: &Uses<'_>,
    reader: &mut Reader,
) {
    if table.snat.copied() != Some(true) {
        return;
    }
    if let Err(why) = uses.snat() {
        let chosen = uses.dataplane();
        let what = format!("impossible on {} here: {why}", chosen.kind);
        let help = format!(
            "remove it, and make the director the servers' gateway (`evenkeel explain` says how)\n{} is used, since {}",
            chosen.kind, chosen.why
        );
        reader.wrong_at("snat", &table.snat.at, Wrong::new(what, help));
        return;
    }
    let Some(server) = servers.iter().find(|it| it.forward != Forward::Nat) else {
        return;
    };
    let what = format!(
        "server {} has forward = \"{}\": it answers clients directly, so it must see them",
        server.name, server.forward
    );
    let help = "remove snat, or write forward = \"nat\"";
    reader.wrong_at("snat", &table.snat.at, Wrong::new(what, help));
}
