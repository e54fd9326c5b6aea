//! Which servers of a service are used when: backup servers, the sorry server, what is done when all are down.

use std::net::SocketAddr;

use super::address::not_an_endpoint;
use super::forward;
use super::optional::optional;
use super::reader::{Reader, Wrong};
use super::schema::ServiceTable;
use evenkeel_core::model::{
    ChecksRequired, Forward, PoolRules, Server, ServerRole, ServiceKey, WhenAllDown,
};

/// What the service does while servers are missing; `None` if something in that is wrong.
pub(super) fn rules(table: &ServiceTable) -> Option<PoolRules> {
    Some(PoolRules {
        min_servers: optional(&table.min_servers, |it| it.0)?,
        when_all_down: table.when_all_down.copied()?,
        slow_start: optional(&table.slow_start, |it| it.0)?,
    })
}

/// The servers with the sorry server; `None` if that is wrong.
pub(super) fn with_sorry(
    table: &ServiceTable,
    service: Option<ServiceKey>,
    mut servers: Vec<Server>,
    reader: &mut Reader,
) -> Option<Vec<Server>> {
    let Some(address) = optional(&table.sorry_server, |it| it.0)? else {
        return Some(servers);
    };
    let service = service?;
    let forward = table.forward.copied()?;
    if let Err(wrong) = usable(table, service, address, forward, &servers, reader) {
        reader.wrong_at("sorry_server", &table.sorry_server.at, wrong);
        return None;
    }
    servers.push(Server {
        name: if address.port() == 0 {
            address.ip().to_string()
        } else {
            address.to_string()
        },
        address,
        forward,
        role: ServerRole::Sorry,
        weight: 1,
        inhibit_on_failure: false,
        upper_threshold: None,
        lower_threshold: None,
        labels: std::collections::BTreeMap::new(),
        notify: None,
        required: ChecksRequired::All,
        checks: Vec::new(),
    });
    Some(servers)
}

fn usable(
    table: &ServiceTable,
    service: ServiceKey,
    address: SocketAddr,
    forward: Forward,
    servers: &[Server],
    reader: &Reader,
) -> Result<(), Wrong> {
    if address.port() == 0 && service.protocol.fwmark().is_none() {
        let written = reader.source.slice(&table.sorry_server.at);
        return Err(not_an_endpoint(written.trim_matches(['"', '\''])));
    }
    if address == service.socket_addr() {
        return Err(Wrong::new(
            "the service's own address: connections would go round in a circle",
            "write the address of a server",
        ));
    }
    if address.is_ipv4() != service.addr.is_ipv4() {
        return Err(Wrong::new(
            "of another family than the service's address",
            format!("the service's address is {}", service.addr),
        ));
    }
    if let Some(same) = servers.iter().find(|it| it.address == address) {
        return Err(Wrong::new(
            format!("server {} has this address", same.name),
            "a sorry server is used when the others are down: name another one, or let the service \
             use all its servers then (when_all_down = \"use_all\")",
        ));
    }
    forward::fits_port(address, forward, service).map_or(Ok(()), Err)
}

/// What goes together with what.
pub(super) fn check(table: &ServiceTable, servers: &[Server], reader: &mut Reader) {
    let of = |role| servers.iter().filter(|it| it.role == role).count();
    let (regular, backups, sorry) = (
        of(ServerRole::Regular),
        of(ServerRole::Backup),
        of(ServerRole::Sorry),
    );
    if regular == 0 && backups > 0 {
        let at = &table.server.at;
        let message = "all servers of the service are backup servers".to_owned();
        let help =
            "backup servers are used while too few of the others are up: let at least one be none";
        reader.error(at, message, Some(help.to_owned()));
    }
    if let Some(least) = table.min_servers.get() {
        let at = &table.min_servers.at;
        let least = usize::try_from(least.0).unwrap_or(usize::MAX);
        if backups == 0 {
            let what = "the service has no backup server";
            let help = "write backup = true in a [[service.server]], or remove min_servers";
            reader.wrong_at("min_servers", at, Wrong::new(what, help));
        } else if least > regular {
            let what = match regular {
                1 => "the service has one server that is no backup server".to_owned(),
                n => format!("the service has {n} servers that are no backup servers"),
            };
            let help =
                "backup servers would always be used: write a number that the others can reach";
            reader.wrong_at("min_servers", at, Wrong::new(what, help));
        }
    }
    if sorry > 0 && table.when_all_down.copied() != Some(WhenAllDown::Refuse) {
        let what = "means nothing beside sorry_server, which is used then";
        let help = "remove one of them";
        reader.wrong_at(
            "when_all_down",
            &table.when_all_down.at,
            Wrong::new(what, help),
        );
    }
    for server in servers {
        let (ChecksRequired::AtLeast(least), checks) = (server.required, server.checks.len())
        else {
            continue;
        };
        let least = usize::try_from(least).unwrap_or(usize::MAX);
        if checks > 0 && least > checks {
            let own = table
                .server
                .get()
                .into_iter()
                .flat_map(|it| &it.tables)
                .find(|it| it.address.get().is_some_and(|it| it.0 == server.address))
                .map(|it| &it.checks_required)
                .filter(|it| it.written);
            let at = own.map_or(&table.checks_required.at, |it| &it.at);
            let what = format!("server {} has {checks} checks", server.name);
            let help = "it could never be up: write a number that its checks can reach, \"all\" or \"any\"";
            reader.wrong_at("checks_required", at, Wrong::new(what, help));
            if own.is_none() {
                // It is the service's: one of its servers tells enough.
                return;
            }
        }
    }
}
