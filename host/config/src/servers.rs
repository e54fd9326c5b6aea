//! The real servers of a service.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::address::not_an_endpoint;
use super::forward;
use super::key::key;
use super::optional::optional;
use super::plugin::Many;
use super::probe::Probe;
use super::reader::{Reader, Wrong};
use super::schema::{ServerTable, ServiceTable};
use super::timing::checks;
use super::tree::Span;
use super::unique::unique;
use super::uses::Uses;
use evenkeel_core::model::{
    Check, ChecksRequired, Forward, Server, ServerNotify, ServerRole, ServiceKey,
};

/// What must be unique over the servers of a service, with the place of its first use.
#[derive(Default)]
struct Seen {
    addresses: BTreeMap<SocketAddr, Span>,
    names: BTreeMap<String, Span>,
}

/// The servers; `None` if something in one of them is wrong. `checks` are the service's own.
pub(super) fn all(
    table: &ServiceTable,
    service: Option<ServiceKey>,
    checks: Option<&[Probe]>,
    uses: &mut Uses<'_>,
    reader: &mut Reader,
) -> Option<Vec<Server>> {
    let Many { tables, others } = table.server.get()?;
    if tables.is_empty() && !others {
        let help = "add a [[service.server]]".to_owned();
        reader.missing(
            &table.server.at,
            "the service has no server".to_owned(),
            Some(help),
        );
    }
    let mut seen = Seen::default();
    let read: Vec<Option<Server>> = tables
        .iter()
        .map(|server| {
            let address = address(server, service, table.fwmark.written, &mut seen, reader);
            let how = how(server, table, address, service, reader);
            let checks = (checks, table.checks_required.copied());
            one(server, address, how, checks, &mut seen, uses, reader)
        })
        .collect();
    read.into_iter().collect()
}

/// How connections get to a server, and whether it stays in the kernel when it has failed; `None` if that is wrong.
fn how(
    table: &ServerTable,
    of: &ServiceTable,
    address: Option<SocketAddr>,
    service: Option<ServiceKey>,
    reader: &mut Reader,
) -> Option<(Forward, bool)> {
    let forward = forward::of(table, of);
    if let (Some(address), Some(forward), Some(service)) = (address, forward, service) {
        forward::check_port(table, address, forward, service, reader);
    }
    Some((forward?, forward::inhibits(table, of)?))
}

fn one(
    table: &ServerTable,
    address: Option<SocketAddr>,
    how: Option<(Forward, bool)>,
    (service_checks, service_required): (Option<&[Probe]>, Option<ChecksRequired>),
    seen: &mut Seen,
    uses: &mut Uses<'_>,
    reader: &mut Reader,
) -> Option<Server> {
    if let Some(name) = table.name.get() {
        let what = "another server of the service has this name";
        unique(
            &mut seen.names,
            name.0.clone(),
            "name",
            &table.name.at,
            what,
            reader,
        );
    }
    let own = if table.check.written {
        Some(checks(&table.check, uses, reader)?)
    } else {
        None
    };
    let probes = own.as_deref().or(service_checks);
    let required = match optional(&table.checks_required, |it| *it) {
        Some(Some(own)) => Some(own),
        Some(None) => service_required,
        None => None,
    };
    let thresholds = thresholds(table, reader);
    let address = address?;
    let name = match table.name.get() {
        Some(name) => name.0.clone(),
        None if table.name.is_wrong() => return None,
        None if address.port() == 0 => address.ip().to_string(),
        None => address.to_string(),
    };
    let checks = targets(probes?, table, address, reader)?;
    let (forward, inhibit_on_failure) = how?;
    let (upper_threshold, lower_threshold) = thresholds?;
    Some(Server {
        name,
        address,
        forward,
        inhibit_on_failure,
        role: if table.backup.copied()? {
            ServerRole::Backup
        } else {
            ServerRole::Regular
        },
        weight: table.weight.get()?.0,
        upper_threshold,
        lower_threshold,
        labels: table.labels.get()?.values(),
        notify: notify(table, uses)?,
        required: required?,
        checks,
    })
}

/// What is run of a server; `None` if that is wrong.
fn notify(table: &ServerTable, uses: &Uses<'_>) -> Option<Option<Box<ServerNotify>>> {
    let notify = ServerNotify {
        up: uses.command(&table.notify_up)?,
        down: uses.command(&table.notify_down)?,
    };
    Some((notify != ServerNotify::default()).then(|| Box::new(notify)))
}

/// The checks of a server; `None` if there is no port to check.
fn targets(
    probes: &[Probe],
    table: &ServerTable,
    address: SocketAddr,
    reader: &mut Reader,
) -> Option<Vec<Check>> {
    let checks: Vec<Check> = probes.iter().map(|probe| probe.of(address)).collect();
    if checks.iter().all(|check| check.target.port() != 0) {
        return Some(checks);
    }
    let what = "without a port, the checks need one of their own";
    let help = "write it in the check: check = { plugin = \"...\", port = 80 }; or in the address: then all connections go to that port";
    reader.wrong_at("address", &table.address.at, Wrong::new(what, help));
    None
}

/// The upper and the lower threshold, as far as there are any; `None` if they are wrong.
fn thresholds(table: &ServerTable, reader: &mut Reader) -> Option<(Option<u32>, Option<u32>)> {
    let (upper, lower) = (
        table.upper_threshold.get()?.0,
        table.lower_threshold.get()?.0,
    );
    let at = &table.lower_threshold.at;
    if lower > 0 && upper == 0 {
        let message = "lower_threshold without upper_threshold".to_owned();
        let help = "add the upper_threshold from which on the server gets no new connections, or remove lower_threshold";
        reader.error(at, message, Some(help.to_owned()));
        return None;
    }
    if lower > upper {
        let what = format!("more than the upper_threshold of {upper}");
        let help = "below it, a server that was full gets new connections again";
        reader.wrong_at("lower_threshold", at, Wrong::new(what, help));
        return None;
    }
    let limit = |n: u32| (n > 0).then_some(n);
    Some((limit(upper), limit(lower)))
}

/// Where connections are sent, if they can be.
fn address(
    table: &ServerTable,
    service: Option<ServiceKey>,
    marked: bool,
    seen: &mut Seen,
    reader: &mut Reader,
) -> Option<SocketAddr> {
    let address = table.address.get()?.0;
    let at = &table.address.at;
    if address.port() == 0 && !marked {
        let wrong = not_an_endpoint(reader.source.slice(at).trim_matches(['"', '\'']));
        reader.wrong_at("address", at, wrong);
        return None;
    }
    let what = "another server of the service has this address";
    unique(&mut seen.addresses, address, "address", at, what, reader);
    if let Some(service) = service {
        if address == service.socket_addr() {
            let what = "the service's own address: connections would go round in a circle";
            let help = "write the address of the server itself";
            reader.wrong_at("address", at, Wrong::new(what, help));
        } else if address.is_ipv4() != service.addr.is_ipv4() {
            let family = |v4| if v4 { "IPv4" } else { "IPv6" };
            let (own, other) = (family(address.is_ipv4()), family(service.addr.is_ipv4()));
            let what = format!("an {own} server of an {other} service");
            let help = match service.protocol.fwmark() {
                Some(_) => "both must be of one family; the service's is that of its key family, ipv4 if it has none".to_owned(),
                None => format!(
                    "both must be of one family; the service's address is {}",
                    service.addr
                ),
            };
            reader.wrong_at("address", at, Wrong::new(what, help));
        }
    }
    Some(address)
}

/// A quorum that the servers cannot reach, or not again.
pub(super) fn check_quorum(table: &ServiceTable, servers: &[Server], reader: &mut Reader) {
    let (Some(quorum), Some(hysteresis)) = (table.quorum.get(), table.hysteresis.get()) else {
        return;
    };
    let (quorum, hysteresis) = (u64::from(quorum.0), u64::from(hysteresis.0));
    let counting = servers.iter().filter(|it| it.role != ServerRole::Sorry);
    let sum: u64 = counting.map(|server| u64::from(server.weight)).sum();
    if hysteresis >= quorum {
        let what = format!("not less than the quorum of {quorum}");
        let help = "once reached, the quorum would never be lost";
        reader.wrong_at("hysteresis", &table.hysteresis.at, Wrong::new(what, help));
    } else if quorum > sum.max(1) {
        // That a service with all servers draining has no quorum of 1 is what one may want.
        let what = format!("the servers' weights are {sum} in all");
        let help = "the quorum is a sum of weights; write one that the servers can reach";
        reader.wrong_at("quorum", &table.quorum.at, Wrong::new(what, help));
    } else if hysteresis > 0 && quorum + hysteresis > sum {
        let at = &table.hysteresis.at;
        let message = format!(
            "hysteresis = {}: once lost, the quorum is reached again at {}, but the servers' weights are {sum} in all",
            reader.written(at),
            quorum + hysteresis
        );
        reader.warning(at, message, None);
    }
}

/// A server that is itself a virtual service: the director does not balance a connection twice.
pub(super) fn warn_of_chains(
    services: &[ServiceTable],
    keys: &BTreeMap<ServiceKey, Span>,
    reader: &mut Reader,
) {
    for service in services {
        let Some(own) = key(service) else { continue };
        for server in service
            .server
            .get()
            .into_iter()
            .flat_map(|servers| &servers.tables)
        {
            let Some(address) = server.address.get().map(|address| address.0) else {
                continue;
            };
            let as_key = ServiceKey {
                addr: address.ip(),
                port: address.port(),
                ..own
            };
            if as_key == own {
                continue;
            }
            if let Some(first) = keys.get(&as_key) {
                let at = &server.address.at;
                let message = format!(
                    "address = {}: a virtual service's address",
                    reader.written(at)
                );
                let place = reader.source.place(first.start);
                let help = format!(
                    "a connection is balanced once only: name that service's servers instead (it is at {place})"
                );
                reader.warning(at, message, Some(help));
            }
        }
    }
}
