//! What `evenkeel status` shows.

pub mod service;
pub mod vrrp;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use evenkeel_core::connections::Counts;
use evenkeel_core::model::{Service, ServiceKey};

use evenkeel_core::state::{BackendId, Counters};
use serde::{Deserialize, Serialize};

use crate::connection_sync::SyncReport;
use crate::driver::KernelReport;
use service::{ServerStatus, ServiceStatus};

/// Everything, as the daemon answers and `--json` prints it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The daemon's version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// How long it has been running, in seconds.
    pub up_seconds: u64,
    /// The configuration in force.
    pub config: String,
    /// Why the last reload was refused, if it was.
    pub reload_problem: Option<String>,
    /// Which data plane carries the connections: `nftables`, `ipvs`.
    pub dataplane: String,
    /// Why that one.
    pub dataplane_why: String,
    /// Name of the table that is ours.
    pub table: String,
    /// Whether the kernel holds what is wanted, as far as known.
    pub settled: bool,
    /// The last change made in the kernel.
    pub kernel: KernelReport,
    /// What is wrong with the addresses that are to be on interfaces.
    pub network_problem: Option<String>,
    /// How connections are being counted; none while they are counted for this answer only.
    pub counting: Option<CountingReport>,
    /// Why connections that are to be decided one by one follow the plans.
    pub queue_problem: Option<String>,
    /// VRRP, where it is configured.
    pub vrrp: Option<vrrp::VrrpReport>,
    /// Copying of connections to the other director, where it is configured.
    pub connection_sync: Option<SyncReport>,
    /// The virtual services, in the order of the configuration.
    pub services: Vec<ServiceStatus>,
}

/// How connections are being counted, from the kernel's events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CountingReport {
    /// Connections that are known now.
    pub connections: u64,
    /// Events taken in.
    pub events: u64,
    /// How often events were lost, so that all connections were listed again.
    pub overruns: u64,
    /// How often all connections were listed.
    pub dumps: u64,
    /// What is wrong.
    pub problem: Option<String>,
}

impl From<evenkeel_flows::Report> for CountingReport {
    fn from(report: evenkeel_flows::Report) -> Self {
        Self {
            connections: report.connections,
            events: report.events,
            overruns: report.overruns,
            dumps: report.dumps,
            problem: report.problem,
        }
    }
}

impl Status {
    /// Says of services whose checks rest that they do.
    pub fn mark_suspended(&mut self, services: &[Service], resting: &BTreeSet<ServiceKey>) {
        let names: BTreeSet<&str> = services
            .iter()
            .filter(|service| resting.contains(&service.key))
            .map(|service| service.name.as_str())
            .collect();
        for service in &mut self.services {
            service.suspended = names.contains(service.name.as_str());
        }
    }

    /// Puts in how many connections each server has.
    pub fn count_connections(&mut self, counts: &BTreeMap<BackendId, Counts>) {
        for server in self.services.iter_mut().flat_map(|it| &mut it.servers) {
            let counts = BackendId::new(server.id).and_then(|id| counts.get(&id));
            let counts = counts.copied().unwrap_or_default();
            (server.active, server.inactive) = (counts.active, counts.inactive);
        }
    }

    /// Puts the servers' counters in.
    pub fn count(&mut self, counters: &BTreeMap<BackendId, Counters>) {
        for server in self
            .services
            .iter_mut()
            .flat_map(|service| &mut service.servers)
        {
            server.connections = BackendId::new(server.id)
                .and_then(|id| counters.get(&id))
                .map_or(0, |counters| counters.connections);
        }
    }
}

/// As a table that a user of `ipvsadm -ln` knows.
pub fn render(status: &Status) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write_table(&mut text, status);
    text
}

fn write_table(out: &mut String, status: &Status) -> std::fmt::Result {
    writeln!(
        out,
        "Evenkeel {} ({}), up {}, {}",
        status.version,
        match status.dataplane.as_str() {
            "nftables" => format!("nftables, table {}", status.table),
            other => other.to_owned(),
        },
        duration(status.up_seconds),
        if status.settled {
            "kernel in sync"
        } else {
            "changing the kernel"
        },
    )?;
    for (what, problem) in [
        ("kernel", &status.kernel.problem),
        ("addresses", &status.network_problem),
        ("queues", &status.queue_problem),
        (
            "counting",
            &status.counting.as_ref().and_then(|it| it.problem.clone()),
        ),
        ("reload refused", &status.reload_problem),
    ] {
        if let Some(problem) = problem {
            writeln!(out, "{what}: {problem}")?;
        }
    }
    if let Some(report) = &status.vrrp {
        vrrp::write(out, report)?;
    }
    if let Some(sync) = &status.connection_sync {
        writeln!(
            out,
            "connections are copied: {} on {}, id {}{}",
            sync.role.as_deref().unwrap_or("no role yet"),
            sync.interface,
            sync.id,
            sync.problem
                .as_ref()
                .map(|problem| format!(" !! {problem}"))
                .unwrap_or_default(),
        )?;
    }
    let width = status
        .services
        .iter()
        .flat_map(|service| &service.servers)
        .map(|server| server.address.len())
        .chain(["RemoteAddress:Port".len()])
        .max()
        .unwrap_or_default();
    writeln!(out, "Prot LocalAddress:Port Scheduler Flags")?;
    writeln!(
        out,
        "  -> {:<width$} Forward Weight ActiveConn InActConn Conns      Health",
        "RemoteAddress:Port"
    )?;
    for service in &status.services {
        write_service(out, service, width)?;
    }
    Ok(())
}

/// A service and its servers, whose addresses are `width` characters wide.
fn write_service(out: &mut String, service: &ServiceStatus, width: usize) -> std::fmt::Result {
    writeln!(
        out,
        "{:<4} {} {}{}  # {}",
        service.protocol.to_uppercase(),
        service.listen,
        service.scheduler,
        flags(service),
        service.name,
    )?;
    if let Some(queue) = &service.queue {
        writeln!(
            out,
            "  each connection decided: {} by the scheduler in {}/{} us (half/99 of 100), {} by the plan",
            queue.decided, queue.pick_p50_us, queue.pick_p99_us, queue.passed,
        )?;
    } else if service.decision == "per-connection" && service.scheduler_problem.is_none() {
        writeln!(
            out,
            "  !! connections are not decided one by one: they follow the plan"
        )?;
    }
    if let Some(followed) = &service.followed {
        writeln!(out, "  {followed}")?;
    }
    if let Some(problem) = &service.scheduler_problem {
        writeln!(out, "  !! {problem}; its last good plan stays")?;
    }
    if service.suspended {
        writeln!(
            out,
            "  checks rest while the address is on the other director (ha_suspend)"
        )?;
    }
    if !service.quorum && service.spread != "refuse" {
        writeln!(out, "  !! fewer servers than its quorum wants")?;
    }
    if service.spread == "refuse" {
        writeln!(
            out,
            "  !! no server takes connections: new ones are refused"
        )?;
    }
    for server in &service.servers {
        writeln!(
            out,
            "  -> {:<width$} {:<7} {:<6} {:<10} {:<9} {:<10} {}",
            server.address,
            forward(server, service.snat),
            weight(server),
            server.active,
            server.inactive,
            server.connections,
            health(server),
        )?;
    }
    Ok(())
}

/// As in ipvsadm's column Forward.
fn forward(server: &ServerStatus, snat: bool) -> &'static str {
    match server.forward.as_str() {
        "dr" => "Route",
        "tun" => "Tunnel",
        _ if snat => "FullNAT",
        _ => "Masq",
    }
}

/// As in ipvsadm's column Flags.
fn flags(service: &ServiceStatus) -> String {
    let mut text = String::new();
    if service.snat {
        text.push_str(" snat");
    }
    if service.decision != "plan" {
        text.push(' ');
        text.push_str(&service.decision);
    }
    if let Some((seconds, prefix)) = service.persistence {
        let whole = if service.listen.starts_with('[') {
            128
        } else {
            32
        };
        let _ = write!(text, " persistent {seconds}");
        if prefix < whole {
            let _ = write!(text, " mask /{prefix}");
        }
    }
    text
}

fn weight(server: &ServerStatus) -> String {
    if server.health == "up" && server.effective_weight != server.weight {
        format!("{}/{}", server.effective_weight, server.weight)
    } else {
        server.weight.to_string()
    }
}

fn health(server: &ServerStatus) -> String {
    let mut text = if server.health == "down" {
        "DOWN".to_owned()
    } else {
        server.health.clone()
    };
    if let Some(seconds) = server.for_seconds {
        text.push(' ');
        text.push_str(&duration(seconds));
    }
    if let Some(reason) = &server.reason {
        text.push_str(": ");
        text.push_str(reason);
    }
    for check in &server.checks {
        if check.state == "unknown" {
            let _ = write!(
                text,
                " (check {}: unknown, {})",
                check.plugin,
                check.reason.as_deref().unwrap_or("")
            );
        } else if check.failing > 0 {
            let _ = write!(text, " (check {}: {} failed)", check.plugin, check.failing);
        }
    }
    if server.checks.is_empty() {
        text.push_str(" (not checked)");
    }
    text
}

/// The two greatest units: `3d4h`, `2h5m`, `1m20s`, `7s`.
fn duration(seconds: u64) -> String {
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let Some(first) = units.iter().position(|(_, size)| seconds >= *size) else {
        return "0s".to_owned();
    };
    let mut left = seconds;
    let mut text = String::new();
    for (name, size) in units.iter().skip(first).take(2) {
        if left / size > 0 {
            let _ = write!(text, "{}{name}", left / size);
        }
        left %= size;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::service::CheckStatus;
    use super::*;

    fn server(address: &str, health: &str) -> ServerStatus {
        ServerStatus {
            name: address.to_owned(),
            address: address.to_owned(),
            forward: "nat".to_owned(),
            id: 1,
            weight: 1,
            effective_weight: u32::from(health == "up"),
            health: health.to_owned(),
            reason: None,
            for_seconds: Some(200),
            connections: 1234,
            active: 12,
            inactive: 345,
            full: false,
            checks: vec![CheckStatus {
                plugin: "tcp".into(),
                state: health.to_owned(),
                reason: None,
                failing: 0,
                checks: 10,
                failures: 0,
                unknown: 0,
                latency_us: Some(300),
            }],
        }
    }

    #[test]
    fn the_table_reads_like_ipvsadm_with_health_and_reason() {
        let mut down = server("172.16.50.159:80", "down");
        down.reason = Some("tcp: connection refused".into());
        let mut failing = server("172.16.50.160:80", "up");
        failing.checks[0].failing = 2;
        failing.weight = 4;
        failing.effective_weight = 2;
        let mut lost = server("[fd00:50::11]:80", "up");
        lost.checks[0].state = "unknown".into();
        lost.checks[0].reason = Some("plugin http 0.1.0: trapped: panic".into());
        let mut unchecked = server("[fd00:50::12]:80", "drain");
        unchecked.checks.clear();
        unchecked.for_seconds = None;
        let service = ServiceStatus {
            name: "web".into(),
            listen: "10.10.54.151:80".into(),
            protocol: "tcp".into(),
            scheduler: "wrr".into(),
            scheduler_version: "0.1.0".into(),
            scheduler_problem: None,
            spread: "sequence".into(),
            followed: None,
            slots: 3,
            snat: false,
            decision: "plan".into(),
            queue: None,
            persistence: None,
            quorum: true,
            suspended: false,
            servers: vec![server("172.16.50.157:80", "up"), down, failing],
        };
        let six = ServiceStatus {
            name: "web6".into(),
            listen: "[fd00:54::151]:80".into(),
            snat: true,
            decision: "per-connection".into(),
            persistence: Some((300, 64)),
            scheduler_problem: Some("plugin rr 0.1.0: trapped: panic".into()),
            servers: vec![lost, unchecked],
            ..service.clone()
        };
        let none = ServiceStatus {
            name: "dns".into(),
            listen: "10.10.54.151:53".into(),
            protocol: "udp".into(),
            spread: "refuse".into(),
            followed: None,
            servers: vec![server("172.16.50.157:53", "down")],
            ..service.clone()
        };
        let status = Status {
            version: "0.1.0".into(),
            pid: 1,
            up_seconds: 90_061,
            config: "/etc/evenkeel/evenkeel.toml".into(),
            reload_problem: None,
            dataplane: "nftables".into(),
            table: "evenkeel".into(),
            settled: true,
            kernel: KernelReport::default(),
            network_problem: None,
            counting: None,
            queue_problem: None,
            dataplane_why: "it works on this machine".into(),
            vrrp: None,
            connection_sync: None,
            services: vec![service, six, none],
        };
        insta::assert_snapshot!(render(&status), @r"
        Evenkeel 0.1.0 (nftables, table evenkeel), up 1d1h, kernel in sync
        Prot LocalAddress:Port Scheduler Flags
          -> RemoteAddress:Port Forward Weight ActiveConn InActConn Conns      Health
        TCP  10.10.54.151:80 wrr  # web
          -> 172.16.50.157:80   Masq    1      12         345       1234       up 3m20s
          -> 172.16.50.159:80   Masq    1      12         345       1234       DOWN 3m20s: tcp: connection refused
          -> 172.16.50.160:80   Masq    2/4    12         345       1234       up 3m20s (check tcp: 2 failed)
        TCP  [fd00:54::151]:80 wrr snat per-connection persistent 300 mask /64  # web6
          !! plugin rr 0.1.0: trapped: panic; its last good plan stays
          -> [fd00:50::11]:80   FullNAT 1      12         345       1234       up 3m20s (check tcp: unknown, plugin http 0.1.0: trapped: panic)
          -> [fd00:50::12]:80   FullNAT 1      12         345       1234       drain (not checked)
        UDP  10.10.54.151:53 wrr  # dns
          !! no server takes connections: new ones are refused
          -> 172.16.50.157:53   Masq    1      12         345       1234       DOWN 3m20s
        ");
    }

    #[test]
    fn durations_show_their_two_greatest_units() {
        let shown: Vec<String> = [0, 7, 60, 80, 7_500, 90_000, 86_400].map(duration).into();
        assert_eq!(shown, ["0s", "7s", "1m", "1m20s", "2h5m", "1d1h", "1d"]);
    }
}
