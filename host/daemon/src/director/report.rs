//! What `status` shows of a service.

use std::time::Instant;

use evenkeel_core::approximate::{self, KernelScheduler};
use evenkeel_core::health::CheckHealth;
use evenkeel_core::model::{DataPlaneKind, Protocol};
use evenkeel_core::state::{Selector, ServiceState, Spread, State};
use serde::{Deserialize, Serialize};

use super::service::{RealServer, VirtualService};
use crate::pickers::QueueReport;

/// A virtual service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceReport {
    pub name: String,
    /// `ADDRESS:PORT`, or the firewall mark.
    pub listen: String,
    /// `tcp`, `udp`, `sctp`; `fwm` for a firewall mark, as with `ipvsadm`.
    pub protocol: String,
    /// The scheduler plugin's name.
    pub scheduler: String,
    pub scheduler_version: String,
    /// What is wrong with the scheduler, whose last good plan is in force.
    pub scheduler_problem: Option<String>,
    /// `sequence`, `random`, `hash-source`, `hash-flow`; `refuse` where new connections are refused.
    pub spread: String,
    /// How the data plane follows the plan, where it cannot to the letter.
    pub followed: Option<String>,
    /// How many slots the plan in force has.
    pub slots: usize,
    pub snat: bool,
    /// `plan` or `per-connection`.
    pub decision: String,
    /// How each connection is decided; none while the plan is followed.
    pub queue: Option<QueueReport>,
    /// For how long clients are remembered, in seconds, and by how many bits of their address.
    pub persistence: Option<(u64, u8)>,
    /// Whether the servers that are up are enough for its quorum.
    pub quorum: bool,
    /// Whether its checks rest, because its address is not on this director (`ha_suspend`).
    pub suspended: bool,
    pub servers: Vec<ServerReport>,
}

/// A real server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerReport {
    pub name: String,
    /// `ADDRESS:PORT`.
    pub address: String,
    /// How packets reach it: `nat`, `dr`, `tun`.
    pub forward: String,
    /// The connection mark of its connections.
    pub id: u32,
    /// As configured.
    pub weight: u32,
    /// As used: less what the checkers take from it. 0 while down.
    pub effective_weight: u32,
    /// `up`, `down`; or up, but without new connections: `drain`, or `full` at its upper threshold.
    pub health: String,
    /// Why it is down, or gets less than its weight.
    pub reason: Option<String>,
    /// For how long it has been up or down, in seconds; none without checks.
    pub for_seconds: Option<u64>,
    /// New connections sent to it since it was put into the kernel.
    pub connections: u64,
    /// Connections that are open (`ipvsadm`: ActiveConn).
    pub active: u32,
    /// Connections that are closing or closed, and still known to the kernel (`ipvsadm`: InActConn).
    pub inactive: u32,
    /// Whether it takes no new connections because of its upper threshold.
    pub full: bool,
    pub checks: Vec<CheckReport>,
}

/// One check of a real server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckReport {
    /// The checker plugin's name.
    pub plugin: String,
    /// `up`, `down`; `unknown`: the plugin failed the last time.
    pub state: String,
    /// Why it is down, or how the plugin failed.
    pub reason: Option<String>,
    /// Failed checks in a row while still up.
    pub failing: u32,
    /// Checks that ended, those that found the server unfit, and those in which the plugin failed.
    pub checks: u64,
    pub failures: u64,
    pub unknown: u64,
    /// How long the last one took, in microseconds.
    pub latency_us: Option<u64>,
}

pub(super) fn service(
    service: &VirtualService,
    kind: DataPlaneKind,
    wanted: &State,
    now: Instant,
) -> ServiceReport {
    let state = wanted.services.get(&service.spec.key);
    let (spread, slots) = match state.map(|state| &state.spread) {
        Some(Spread::Slots { selector, slots }) => (selector_name(*selector), slots.len()),
        Some(Spread::Refuse) | None => ("refuse", 0),
    };
    let (protocol, listen) = match service.spec.key.protocol {
        Protocol::Fwmark(mark) => ("fwm".to_owned(), mark.to_string()),
        protocol => (
            protocol.to_string(),
            service.spec.key.socket_addr().to_string(),
        ),
    };
    ServiceReport {
        name: service.spec.name.clone(),
        listen,
        protocol,
        scheduler: service.seat.name().to_owned(),
        scheduler_version: service.seat.version().to_owned(),
        scheduler_problem: service.problem.clone(),
        spread: spread.to_owned(),
        followed: state.and_then(|held| followed(service, kind, held)),
        slots,
        snat: service.spec.snat,
        decision: service.seat.decision().to_string(),
        queue: None,
        persistence: service
            .spec
            .persistence
            .map(|it| (it.timeout.as_secs(), it.prefix)),
        quorum: service.quorum.reached(),
        suspended: false,
        servers: service
            .servers
            .iter()
            .map(|server| self::server(server, now))
            .collect(),
    }
}

/// How IPVS follows the plan.
fn followed(service: &VirtualService, kind: DataPlaneKind, held: &ServiceState) -> Option<String> {
    if kind != DataPlaneKind::Ipvs {
        return None;
    }
    let scheduler = KernelScheduler::of(&held.spread)?;
    let fidelity = approximate::fidelity(&service.wanted().spread, &held.spread);
    Some(format!(
        "the plan is followed by IPVS's {}: {fidelity}",
        scheduler.name()
    ))
}

fn selector_name(selector: Selector) -> &'static str {
    match selector {
        Selector::Sequence => "sequence",
        Selector::Random => "random",
        Selector::HashSource => "hash-source",
        Selector::HashFlow => "hash-flow",
    }
}

fn server(server: &RealServer, now: Instant) -> ServerReport {
    let weight = if server.up() { server.weight() } else { 0 };
    let health = match (server.up(), weight) {
        (false, _) => "down",
        (true, 0) if server.full => "full",
        (true, 0) => "drain",
        (true, _) => "up",
    };
    let known = server.health.as_ref();
    ServerReport {
        name: server.spec.name.clone(),
        address: server.spec.address.to_string(),
        forward: server.spec.forward.to_string(),
        id: server.id.get(),
        weight: server.spec.weight,
        effective_weight: weight,
        health: health.to_owned(),
        reason: known.and_then(|health| health.reason.clone()),
        for_seconds: known.map(|health| now.saturating_duration_since(health.since).as_secs()),
        connections: 0,
        active: server.counts.active,
        inactive: server.counts.inactive,
        full: server.full,
        checks: known
            .map(|health| health.checks.iter().map(check).collect())
            .unwrap_or_default(),
    }
}

fn check(check: &CheckHealth) -> CheckReport {
    let state = match (&check.plugin_error, check.up) {
        (Some(_), _) => "unknown",
        (None, true) => "up",
        (None, false) => "down",
    };
    CheckReport {
        plugin: check.plugin.clone(),
        state: state.to_owned(),
        reason: check.plugin_error.clone().or_else(|| check.reason.clone()),
        failing: check.failing,
        checks: check.checks,
        failures: check.failures,
        unknown: check.unknown,
        latency_us: check
            .last
            .as_ref()
            .map(|last| u64::try_from(last.latency.as_micros()).unwrap_or(u64::MAX)),
    }
}
