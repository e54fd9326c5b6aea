//! The machine as a whole: privileges, the data plane, forwarding, connection tracking.

use std::collections::BTreeSet;

use evenkeel_core::model::{Chosen, DataPlaneKind, Forward, Model, Server, Service};
use evenkeel_dataplane::nftables::machine::{ForeignEffect, ForeignRule};
use evenkeel_dataplane::{Error, Probe, Problem};

use super::Finding;
use super::facts::{Conntrack, Facts};
use evenkeel_addresses::Route;

/// Less room for connections than this is soon used up.
const FEW_CONNECTIONS: u64 = 65_536;

/// In percent of the room for connections.
const NEARLY_FULL: u64 = 80;

pub(super) fn judge(model: &Model, probe: &Probe, facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![privileges(facts)];
    findings.extend(data_plane(probe));
    findings.extend(forwarding(model, facts));
    findings.extend(foreign_rules(model, facts));
    findings.extend(legacy_drop(model, facts));
    findings.extend(reverse_path(model, facts));
    // IPVS has a table of its own, and conntrack's entries only for what it rewrites.
    let tracks =
        model.dataplane.kind == DataPlaneKind::Nftables || servers_by_nat(model).any(|_| true);
    if tracks {
        findings.extend(facts.conntrack.map(conntrack));
    }
    findings
}

/// Those whose answers this machine forwards.
fn servers_by_nat(model: &Model) -> impl Iterator<Item = &Server> {
    let servers = model.services.iter().flat_map(|service| &service.servers);
    servers.filter(|server| server.forward == Forward::Nat)
}

fn privileges(facts: &Facts) -> Finding {
    if facts.net_admin {
        Finding::ok("may change the network (CAP_NET_ADMIN)")
    } else {
        Finding::error(
            "may not change the network (no CAP_NET_ADMIN)",
            "run it as root, or from systemd with AmbientCapabilities=CAP_NET_ADMIN",
        )
    }
}

/// Which data plane it is, and why; where it cannot work, what was found of it.
pub(super) fn chosen(chosen: &Chosen, probe: &Probe) -> Finding {
    let Chosen { kind, why } = chosen;
    if works(probe) {
        return Finding::ok(format!("data plane {kind}: {why}"));
    }
    Finding::error(
        format!(
            "data plane {kind} does not work here: {why} ({})",
            probe.summary
        ),
        "see to the errors that follow; `evenkeel run` would not start",
    )
}

fn works(probe: &Probe) -> bool {
    probe.problems.iter().all(|problem| !problem.fatal)
}

pub(super) fn data_plane(probe: &Probe) -> Vec<Finding> {
    let problems = probe.problems.iter().map(|problem| match problem.fatal {
        true => Finding::error(&problem.what, &problem.remedy),
        false => Finding::warning(&problem.what, &problem.remedy),
    });
    works(probe)
        .then(|| Finding::ok(&probe.summary))
        .into_iter()
        .chain(problems)
        .collect()
}

/// For a data plane that could not even be asked.
pub(super) fn not_probed(error: &Error) -> Probe {
    Probe {
        summary: "it could not be asked".to_owned(),
        problems: vec![Problem {
            fatal: true,
            what: error.to_string(),
            remedy: "run as root or with CAP_NET_ADMIN, on a kernel that has it".to_owned(),
        }],
    }
}

pub(super) fn forwarding(model: &Model, facts: &Facts) -> Vec<Finding> {
    let families = [
        (true, "IPv4", "net.ipv4.ip_forward", facts.forwards_v4),
        (
            false,
            "IPv6",
            "net.ipv6.conf.all.forwarding",
            facts.forwards_v6,
        ),
    ];
    let mut findings = Vec::new();
    for (is_v4, family, key, forwards) in families {
        if !is_forwarded(model, facts, is_v4) {
            continue;
        }
        findings.push(match forwards {
            Some(true) => Finding::ok(format!("forwards {family} ({key} = 1)")),
            Some(false) => Finding::error(
                format!("does not forward {family}: real servers get no connections"),
                format!(
                    "sysctl -w {key}=1, and put {key} = 1 in a file in /etc/sysctl.d to keep it"
                ),
            ),
            None => Finding::error(
                format!("there is no {key}: this kernel has no {family}, or /proc/sys is hidden"),
                format!(
                    "use a kernel with {family} switched on, or take the {family} services out"
                ),
            ),
        });
    }
    findings
}

/// Whether this machine forwards packets of an IP version to servers and back. Servers on this machine are reached
/// without that.
fn is_forwarded(model: &Model, facts: &Facts, is_v4: bool) -> bool {
    servers_by_nat(model)
        .map(|server| server.address.ip())
        .any(|ip| ip.is_ipv4() == is_v4 && facts.routes.get(&ip) != Some(&Route::Local))
}

/// Rules of other programs that get in the way.
fn foreign_rules(model: &Model, facts: &Facts) -> Vec<Finding> {
    let nftables = model.dataplane.kind == DataPlaneKind::Nftables;
    let forwarded = |rule: &ForeignRule| {
        [true, false]
            .into_iter()
            .any(|is_v4| rule.sees(is_v4) && is_forwarded(model, facts, is_v4))
    };
    let accept = |rule: &ForeignRule| {
        let what = match nftables {
            true => "balanced connections (ct status dnat accept)",
            false => "what goes to real servers and comes from them",
        };
        format!("accept {what} there, in {rule}, before what is dropped")
    };
    let judge = |rule: &ForeignRule| match rule.effect {
        ForeignEffect::ForwardPolicy if forwarded(rule) => Some(Finding::warning(
            format!(
                "{rule}: what it does not accept is not forwarded (policy drop), packets to and from real servers among it"
            ),
            accept(rule),
        )),
        ForeignEffect::ForwardDrop if forwarded(rule) => Some(Finding::warning(
            format!(
                "{rule}: drops what was not accepted before, packets to and from real servers among it"
            ),
            accept(rule),
        )),
        ForeignEffect::ConnectionMark if nftables => Some(Finding::warning(
            format!("{rule}: sets the connection mark, by which Evenkeel knows its connections"),
            "let that rule leave balanced connections alone: their mark is not 0",
        )),
        ForeignEffect::TableName if nftables => Some(Finding::warning(
            format!("{rule} is not Evenkeel's, and will be replaced"),
            "give that table another name, or set `table` to another one in the configuration",
        )),
        _ => None,
    };
    facts.foreign_rules.iter().filter_map(judge).collect()
}

/// Tables of iptables that nf_tables does not show.
fn legacy_drop(model: &Model, facts: &Facts) -> Vec<Finding> {
    let concerns = |program: &&&str| is_forwarded(model, facts, !program.starts_with("ip6"));
    let accept = match model.dataplane.kind {
        DataPlaneKind::Nftables => "-m conntrack --ctstate DNAT",
        DataPlaneKind::Ipvs => "-m ipvs --ipvs",
    };
    let warn = |program: &&str| {
        Finding::warning(
            format!(
                "{program}, chain FORWARD: what it does not accept is not forwarded (policy DROP), packets to and from real servers among it"
            ),
            format!(
                "{program} -I FORWARD {accept} -j ACCEPT, and keep it where that firewall is set up"
            ),
        )
    };
    facts
        .legacy_drop
        .iter()
        .filter(concerns)
        .map(warn)
        .collect()
}

/// Interfaces that drop packets of clients whose way back is another interface.
fn reverse_path(model: &Model, facts: &Facts) -> Vec<Finding> {
    let Some(Route::Gateway(number) | Route::Direct(number)) = facts.elsewhere else {
        return Vec::new();
    };
    let Some(out) = facts.interfaces.get(&number) else {
        return Vec::new();
    };
    let services = model.services.iter();
    let arrivals: BTreeSet<&str> = services
        .filter(|service| service.key.addr.is_ipv4())
        .filter_map(|service| arrival(service, model, facts))
        .filter(|name| *name != out.name && facts.strict.contains(*name))
        .collect();
    arrivals
        .into_iter()
        .map(|name| {
            Finding::warning(
                format!(
                    "clients that come in by {name} and are answered by {}, as all are that are on no network of {name}, are dropped without a word (net.ipv4.conf.{name}.rp_filter = 1)",
                    out.name
                ),
                format!(
                    "sysctl -w net.ipv4.conf.{name}.rp_filter=2, and keep it in a file in /etc/sysctl.d; or give them a route by {name}"
                ),
            )
        })
        .collect()
}

/// The interface that has a service's address, or will have it.
fn arrival<'a>(service: &'a Service, model: &'a Model, facts: &'a Facts) -> Option<&'a str> {
    if let Some(assign) = &service.assign {
        return Some(&assign.interface);
    }
    let addr = service.key.addr;
    for instance in &model.vrrp.instances {
        if let Some(it) = instance.addresses.iter().find(|it| it.addr == addr) {
            // What is made for the virtual MAC address is made loose.
            let own_mac = instance.virtual_mac.as_deref() == Some(&it.interface);
            return (!own_mac).then_some(it.interface.as_str());
        }
    }
    let own = facts.addresses.iter().find(|own| own.addr == addr)?;
    Some(&own.interface)
}

fn conntrack(Conntrack { count, max }: Conntrack) -> Finding {
    let room = format!("tracks {count} connections of {max} at most");
    let more = |wanted: u64| {
        format!(
            "sysctl -w net.netfilter.nf_conntrack_max={wanted}, and keep it in a file in /etc/sysctl.d"
        )
    };
    if count.saturating_mul(100) > max.saturating_mul(NEARLY_FULL) {
        Finding::warning(
            format!("{room}: new ones are dropped when it is full"),
            more(max.saturating_mul(4).max(FEW_CONNECTIONS * 4)),
        )
    } else if max < FEW_CONNECTIONS {
        Finding::warning(
            format!("{room}, which is little: every balanced connection takes one"),
            more(FEW_CONNECTIONS * 4),
        )
    } else {
        Finding::ok(room)
    }
}
