//! The real servers: whether they can be reached, and whether their answers come back this way.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use evenkeel_core::model::{Forward, Model, Server, Service};

use super::facts::Facts;
use super::{Finding, listed};
use evenkeel_addresses::Route;

pub(super) fn judge(model: &Model, facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen = Seen::default();
    let virtual_addresses: BTreeSet<IpAddr> = model
        .services
        .iter()
        .map(|service| service.key.addr)
        .collect();
    for service in &model.services {
        findings.extend(weights(service));
        for server in &service.servers {
            if let Some(finding) = own(service, server, &virtual_addresses, facts) {
                findings.push(finding);
            } else {
                findings.extend(source(service, server, facts));
                seen.look(service, server, facts);
            }
        }
    }
    findings.extend(seen.findings(facts));
    findings
}

fn weights(service: &Service) -> Option<Finding> {
    service
        .servers
        .iter()
        .all(|server| server.weight == 0)
        .then(|| {
            Finding::warning(
                format!(
                    "service {}: every real server has weight 0, so new connections are refused",
                    service.name
                ),
                "give at least one server a weight",
            )
        })
}

/// A server whose address is this machine's own, or that of a service.
fn own(
    service: &Service,
    server: &Server,
    virtual_addresses: &BTreeSet<IpAddr>,
    facts: &Facts,
) -> Option<Finding> {
    let Service { name, key, .. } = service;
    let address = server.address;
    let ip = address.ip();
    if virtual_addresses.contains(&ip) {
        return Some(Finding::error(
            format!("service {name}: real server {address} has the address of a virtual service"),
            "give the server's own address; a service cannot hand connections on to another service",
        ));
    }
    if ip.is_loopback() {
        return Some(Finding::error(
            format!(
                "service {name}: real server {address} is a loopback address, to which the kernel sends no outside connection"
            ),
            "give a real server on this machine one of the machine's other addresses",
        ));
    }
    let interface = facts
        .addresses
        .iter()
        .find(|own| own.addr == ip)?
        .interface
        .as_str();
    let takes = |bound: IpAddr| bound == ip || bound.is_unspecified();
    let served = facts.listening.iter().any(|(protocol, listening)| {
        *protocol == key.protocol && listening.port() == address.port() && takes(listening.ip())
    });
    Some(if served {
        Finding::ok(format!(
            "service {name}: real server {address} is a process of this machine ({interface})"
        ))
    } else {
        Finding::error(
            format!(
                "service {name}: real server {address} has this machine's own address ({interface}), and nothing listens there"
            ),
            format!(
                "give {interface} another address: two machines with the same one cannot both be reached; or start the server here, if it is meant to run on this machine"
            ),
        )
    })
}

/// A server that has the address from which this machine would reach it: it would answer itself.
fn source(service: &Service, server: &Server, facts: &Facts) -> Option<Finding> {
    let from = facts.sources.get(&server.address.ip())?;
    let addr = service.key.addr;
    if *from != addr || server.forward == Forward::Nat {
        return None;
    }
    let interface = facts
        .addresses
        .iter()
        .find(|own| own.addr == addr)
        .map_or("IFACE", |own| own.interface.as_str());
    let remedy = if addr.is_ipv6() {
        format!(
            "give {addr} the prefix length 128, with which Evenkeel does so; or ip -6 addr change {addr}/128 dev {interface} preferred_lft 0"
        )
    } else {
        format!("give {interface} another address on that network, before {addr}")
    };
    Some(Finding::error(
        format!(
            "service {}: this machine reaches real server {} from {addr}, which the server has itself: checks and tunnels fail",
            service.name, server.address
        ),
        remedy,
    ))
}

/// Servers by the way to them.
#[derive(Default)]
struct Seen {
    /// Without a way, with the kernel's word.
    unreachable: BTreeMap<String, BTreeSet<IpAddr>>,
    /// On a network of this machine.
    direct: BTreeSet<IpAddr>,
    /// Behind a router, of services that do not hide the client.
    routed: BTreeSet<IpAddr>,
    /// Behind a router, of services with `snat`.
    routed_snat: BTreeSet<IpAddr>,
    /// Behind a router, although they are to get packets as they are.
    far: BTreeSet<IpAddr>,
    /// Reached through tunnels.
    tunnelled: BTreeSet<IpAddr>,
    /// Behind bridges whose frames netfilter sees, by the bridge.
    bridged: BTreeMap<String, BTreeSet<IpAddr>>,
}

impl Seen {
    fn look(&mut self, service: &Service, server: &Server, facts: &Facts) {
        let ip = server.address.ip();
        match facts.routes.get(&ip) {
            Some(Route::Direct(_) | Route::Gateway(_)) if server.forward == Forward::Tun => {
                self.tunnelled.insert(ip);
            }
            Some(Route::Gateway(_)) if server.forward == Forward::Dr => {
                self.far.insert(ip);
            }
            Some(Route::Direct(index)) => {
                self.direct.insert(ip);
                let filtered = if ip.is_ipv4() {
                    facts.bridge_filter_v4
                } else {
                    facts.bridge_filter_v6
                };
                if let Some(bridge) = facts
                    .interfaces
                    .get(index)
                    .filter(|there| there.bridge && filtered && server.forward == Forward::Nat)
                {
                    self.bridged
                        .entry(bridge.name.clone())
                        .or_default()
                        .insert(ip);
                }
            }
            Some(Route::Gateway(_)) if service.snat => {
                self.routed_snat.insert(ip);
            }
            Some(Route::Gateway(_)) => {
                self.routed.insert(ip);
            }
            Some(Route::None(why)) => {
                self.unreachable.entry(why.clone()).or_default().insert(ip);
            }
            Some(Route::Local) | None => {}
        }
    }

    fn findings(self, facts: &Facts) -> Vec<Finding> {
        let mut findings = Vec::new();
        if !self.direct.is_empty() {
            let names = servers(&self.direct);
            findings.push(Finding::ok(format!(
                "{names}: on a network of this machine"
            )));
        }
        if !self.far.is_empty() {
            findings.push(Finding::error(
                format!("{}: behind a router, which direct routing does not pass: packets keep the service's address", servers(&self.far)),
                "put an interface of this machine on the servers' network, or write forward = \"tun\" or \"nat\"",
            ));
        }
        if !self.tunnelled.is_empty() {
            let names = servers(&self.tunnelled);
            findings.push(Finding::ok(format!(
                "{names}: reached through tunnels (IP in IP)"
            )));
        }
        if !self.routed_snat.is_empty() {
            let names = servers(&self.routed_snat);
            findings.push(Finding::ok(format!(
                "{names}: behind a router, reached with this machine's address (snat)"
            )));
        }
        if !self.routed.is_empty() {
            findings.push(Finding::warning(
                format!("{}: behind a router, so answers come back through this machine only if that router sends them here", servers(&self.routed)),
                "make this machine the way back from the servers to the clients, or set `snat = true` in the service",
            ));
        }
        for (why, addresses) in &self.unreachable {
            findings.push(Finding::error(
                format!("{}: no way there from this machine ({why})", servers(addresses)),
                format!("put an address of the servers' network on an interface, or add a route; networks here: {}", networks(facts)),
            ));
        }
        for (bridge, addresses) in &self.bridged {
            let v4 = addresses.iter().any(IpAddr::is_ipv4);
            let key = if v4 {
                "net.bridge.bridge-nf-call-iptables"
            } else {
                "net.bridge.bridge-nf-call-ip6tables"
            };
            findings.push(Finding::warning(
                format!("{}: behind the bridge {bridge}, and {key} is 1: connections from the servers' own network to a service silently fail", servers(addresses)),
                format!("sysctl -w {key}=0, unless something else here needs it (Docker and Kubernetes do)"),
            ));
        }
        findings
    }
}

fn servers(addresses: &BTreeSet<IpAddr>) -> String {
    let addresses: Vec<&IpAddr> = addresses.iter().collect();
    let noun = if addresses.len() == 1 {
        "real server"
    } else {
        "real servers"
    };
    format!("{noun} {}", listed(&addresses))
}

fn networks(facts: &Facts) -> String {
    let networks: BTreeSet<_> = facts
        .addresses
        .iter()
        .map(|own| own.network)
        .filter(|network| !network.network().is_loopback())
        .collect();
    if networks.is_empty() {
        return "none".to_owned();
    }
    networks
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
