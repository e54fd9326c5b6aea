//! The addresses that clients reach: who has them here, and who else wants their connections.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use evenkeel_core::approximate;
use evenkeel_core::model::{
    Assign, DataPlaneKind, Family, Forward, Model, Protocol, Service, VrrpInstance,
};

use super::facts::Facts;
use super::{Finding, listed};
use evenkeel_addresses::Route;

pub(super) fn judge(model: &Model, facts: &Facts) -> Vec<Finding> {
    let mut by_address: BTreeMap<IpAddr, Vec<&Service>> = BTreeMap::new();
    let kind = model.dataplane.kind;
    let (marked, addressed): (Vec<&Service>, Vec<&Service>) = model
        .services
        .iter()
        .partition(|service| service.key.protocol.fwmark().is_some());
    for service in addressed {
        by_address
            .entry(service.key.addr)
            .or_default()
            .push(service);
    }
    let mut findings: Vec<Finding> = by_address
        .iter()
        .map(
            |(addr, services)| match services.iter().find_map(|service| service.assign.as_ref()) {
                Some(assign) => assigned(assign, &named(services), facts),
                None => match holder(*addr, model) {
                    Some(instance) => Finding::ok(format!(
                        "{}: {addr} comes and goes with VRRP instance {instance}",
                        named(services)
                    )),
                    None => left_to_others(*addr, &named(services), model, facts),
                },
            },
        )
        .collect();
    for service in &model.services {
        findings.extend(local_process(service, facts));
        findings.extend(may_be_source(service, model));
        // Where IPVS is ours, what it balances is ours or becomes it.
        if kind == DataPlaneKind::Nftables {
            findings.extend(ipvs(service, facts));
        }
    }
    findings.extend(marked.into_iter().filter_map(|it| by_mark(it, facts)));
    findings.extend(synchronised(model, facts));
    findings.extend(timeouts(model));
    findings
}

/// An IPv6 address with a network, which the kernel may choose as the source of this machine's own connections.
fn may_be_source(service: &Service, model: &Model) -> Option<Finding> {
    let addr = service.key.addr;
    let direct = service.servers.iter().any(|it| it.forward != Forward::Nat);
    let ours = service.assign.as_ref().map(|assign| assign.prefix);
    let mut virtuals = model.vrrp.instances.iter().flat_map(|it| &it.addresses);
    let prefix = ours.or_else(|| virtuals.find(|it| it.addr == addr).map(|it| it.prefix));
    let prefix = prefix.filter(|prefix| *prefix < 128 && addr.is_ipv6() && direct)?;
    Some(Finding::warning(
        format!(
            "service {}: {addr} has the prefix length {prefix}, so that this machine's own connections may come from it; its real servers, which have it themselves, would not answer these",
            service.name
        ),
        format!("write {addr}/128: such an address is never a source"),
    ))
}

/// Packets that only a firewall mark tells: IPVS sees them if they are routed to this machine.
fn by_mark(service: &Service, facts: &Facts) -> Option<Finding> {
    let mark = service.key.protocol.fwmark()?.get();
    let v4 = service.key.addr.is_ipv4();
    let Service { name, key, .. } = service;
    let ip = if v4 { "ip" } else { "ip -6" };
    Some(match facts.marked.get(&(mark, v4))? {
        Route::Local => Finding::ok(format!(
            "service {name}: packets with {key} are routed to this machine, whatever their address"
        )),
        _ => Finding::warning(
            format!(
                "service {name}: of packets with {key} only those come to IPVS whose address this machine has"
            ),
            format!(
                "if there are others: {ip} rule add fwmark {mark} lookup 100; {ip} route add local default dev lo table 100"
            ),
        ),
    })
}

/// The interface on which connections are copied to the other director.
fn synchronised(model: &Model, facts: &Facts) -> Option<Finding> {
    let interface = &model.connection_sync.as_ref()?.interface;
    let mut there = facts.interfaces.values();
    if there.any(|it| it.name == *interface) {
        return Some(Finding::ok(format!(
            "connections are copied to the other director over {interface}"
        )));
    }
    let names: Vec<&str> = facts
        .interfaces
        .values()
        .map(|it| it.name.as_str())
        .collect();
    Some(Finding::error(
        format!("[connection_sync]: there is no interface {interface:?}"),
        format!("set `interface` to one of these: {}", names.join(", ")),
    ))
}

fn named(services: &[&Service]) -> String {
    let names: Vec<&str> = services
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    let noun = if names.len() == 1 {
        "service"
    } else {
        "services"
    };
    format!("{noun} {}", listed(&names))
}

/// An address that Evenkeel is to put on an interface.
fn assigned(assign: &Assign, services: &str, facts: &Facts) -> Finding {
    let Assign {
        interface,
        addr,
        prefix,
    } = assign;
    if !facts
        .interfaces
        .values()
        .any(|there| there.name == *interface)
    {
        let names: Vec<&str> = facts
            .interfaces
            .values()
            .map(|there| there.name.as_str())
            .collect();
        return Finding::error(
            format!("{services}: there is no interface {interface:?} to put {addr}/{prefix} on"),
            format!("set `interface` to one of these: {}", names.join(", ")),
        );
    }
    match facts.addresses.iter().find(|own| own.addr == *addr) {
        None => Finding::ok(format!(
            "{services}: {addr}/{prefix} will be put on {interface}"
        )),
        Some(own) if own.ours => Finding::ok(format!("{services}: {own}, put there by Evenkeel")),
        Some(own) => Finding::warning(
            format!(
                "{services}: {own} already, and Evenkeel did not put it there: it will be left alone"
            ),
            "take it out of what sets it (the system's network configuration, keepalived), or remove `interface` from the service",
        ),
    }
}

/// The VRRP instance that an address belongs to.
fn holder(addr: IpAddr, model: &Model) -> Option<&str> {
    let mut instances = model.vrrp.instances.iter();
    instances
        .find(|instance| instance.addresses.iter().any(|it| it.addr == addr))
        .map(|instance| instance.name.as_str())
}

/// An address that others are to bring here.
fn left_to_others(addr: IpAddr, services: &str, model: &Model, facts: &Facts) -> Finding {
    let ipvs = model.dataplane.kind == DataPlaneKind::Ipvs;
    if let Some(own) = facts.addresses.iter().find(|own| own.addr == addr) {
        return Finding::ok(format!("{services}: {own}"));
    }
    let missing = format!("{services}: this machine does not have {addr}");
    let remedy = in_a_virtual_router(addr, model).unwrap_or_else(|| {
        let set = "set `interface` in the service, and Evenkeel puts the address there";
        match ipvs {
            true => format!("{set}; or name it in a [[vrrp]]"),
            false => format!("{set}; or see that a router sends it here"),
        }
    });
    match ipvs {
        true => Finding::error(
            format!("{missing}, and IPVS takes only what is for this machine itself"),
            remedy,
        ),
        false => Finding::warning(
            format!("{missing}, so clients on its network find nobody there"),
            remedy,
        ),
    }
}

/// Where there are several directors, an address belongs to whichever is master: `interface` would put it on all of
/// them.
fn in_a_virtual_router(addr: IpAddr, model: &Model) -> Option<String> {
    let instances = &model.vrrp.instances;
    if instances.is_empty() {
        return None;
    }
    let same = |it: &&VrrpInstance| it.family == Family::of(addr);
    let mut names: Vec<&str> = instances
        .iter()
        .filter(same)
        .map(|it| it.name.as_str())
        .collect();
    if names.is_empty() {
        names = instances.iter().map(|it| it.name.as_str()).collect();
    }
    Some(format!(
        "add it to `address` of the [[vrrp]] {}, on all directors: then the master has it (`interface` in the service would put it on each of them at once)",
        names.join(" or ")
    ))
}

/// A process of this machine that waits on the same address and port.
fn local_process(service: &Service, facts: &Facts) -> Option<Finding> {
    let wanted = service.key.socket_addr();
    let same = |listening: &SocketAddr| {
        listening.port() == wanted.port() && takes(listening.ip(), wanted.ip())
    };
    let (protocol, listening) = facts
        .listening
        .iter()
        .find(|(protocol, listening)| *protocol == service.key.protocol && same(listening))?;
    Some(Finding::warning(
        format!(
            "service {}: a process of this machine listens on {protocol} {listening}; connections to {wanted} go to the real servers and not to it",
            service.name
        ),
        "stop that process, or let it listen on another address or port, if clients are not to expect it there",
    ))
}

/// Whether a socket bound to `bound` gets what is sent to `addr`. IPv6 sockets as a rule take IPv4 too.
fn takes(bound: IpAddr, addr: IpAddr) -> bool {
    bound == addr || (bound.is_unspecified() && (bound.is_ipv6() || addr.is_ipv4()))
}

fn ipvs(service: &Service, facts: &Facts) -> Option<Finding> {
    let wanted = service.key.socket_addr();
    facts
        .ipvs
        .contains(&(service.key.protocol, wanted))
        .then(|| {
            let which = match service.key.protocol {
                Protocol::Tcp => format!("-t {wanted}"),
                Protocol::Udp => format!("-u {wanted}"),
                Protocol::Sctp => format!("--sctp-service {wanted}"),
                Protocol::Fwmark(mark) => format!("-f {mark}"),
            };
            Finding::warning(
                format!(
                    "service {}: IPVS balances {} too; it gets no more new connections",
                    service.name, service.key
                ),
                format!(
                    "stop keepalived, or take the virtual_server out of it; then ipvsadm -D {which}"
                ),
            )
        })
}

/// Times that nothing will take.
fn timeouts(model: &Model) -> Option<Finding> {
    let taken = approximate::timeouts(model.dataplane.kind, model.ipvs_timeouts);
    (taken != model.ipvs_timeouts).then(|| {
        Finding::warning(
            "[ipvs_timeouts] means nothing on nftables, where connections are conntrack's",
            "set net.netfilter.nf_conntrack_tcp_timeout_established and the like",
        )
    })
}
