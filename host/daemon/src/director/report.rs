//! What `status` shows of a service.

use std::time::Instant;

use evenkeel_core::follow::{self, KernelScheduler};
use evenkeel_core::health::CheckHealth;
use evenkeel_core::model::{DataPlaneKind, Protocol};
use evenkeel_core::state::{Selector, ServiceState, Spread, State};

use super::service::{RealServer, VirtualService};

/// A virtual service.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ServiceReport {
    pub(crate) name: String,
    /// `ADDRESS:PORT`, or the firewall mark.
    pub(crate) listen: String,
    /// `tcp`, `udp`, `sctp`; `fwm` for a firewall mark, as with `ipvsadm`.
    pub(crate) protocol: String,
    /// The scheduler plugin's name.
    pub(crate) scheduler: String,
    pub(crate) scheduler_version: String,
    /// What is wrong with the scheduler, whose last good plan is in force.
    pub(crate) scheduler_problem: Option<String>,
    /// `sequence`, `random`, `hash-source`, `hash-flow`; `refuse` where new connections are refused.
    pub(crate) spread: String,
    /// How the data plane follows the plan, where it cannot to the letter.
    pub(crate) followed: Option<String>,
    /// How many slots the plan in force has.
    pub(crate) slots: usize,
    pub(crate) snat: bool,
    /// `plan` or `per-connection`.
    pub(crate) decision: String,
    /// For how long clients are remembered, in seconds, and by how many bits of their address.
    pub(crate) persistence: Option<(u64, u8)>,
    /// Whether the servers that are up are enough for its quorum.
    pub(crate) quorum: bool,
    pub(crate) servers: Vec<ServerReport>,
}

/// A real server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ServerReport {
    pub(crate) name: String,
    /// `ADDRESS:PORT`.
    pub(crate) address: String,
    /// How packets reach it: `nat`, `dr`, `tun`.
    pub(crate) forward: String,
    /// The connection mark of its connections.
    pub(crate) id: u32,
    /// As configured.
    pub(crate) weight: u32,
    /// As used: less what the checkers take from it. 0 while down.
    pub(crate) effective_weight: u32,
    /// `up`, `down`; or up, but without new connections: `drain`, or `full` at its upper threshold.
    pub(crate) health: String,
    /// Why it is down, or gets less than its weight.
    pub(crate) reason: Option<String>,
    /// For how long it has been up or down, in seconds; none without checks.
    pub(crate) for_seconds: Option<u64>,
    /// Connections that are open (`ipvsadm`: ActiveConn).
    pub(crate) active: u32,
    /// Connections that are closing or closed, and still known to the kernel (`ipvsadm`: InActConn).
    pub(crate) inactive: u32,
    /// Whether it takes no new connections because of its upper threshold.
    pub(crate) full: bool,
    pub(crate) checks: Vec<CheckReport>,
}

/// One check of a real server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CheckReport {
    /// The checker plugin's name.
    pub(crate) plugin: String,
    /// `up`, `down`; `unknown`: the plugin failed the last time.
    pub(crate) state: String,
    /// Why it is down, or how the plugin failed.
    pub(crate) reason: Option<String>,
    /// Failed checks in a row while still up.
    pub(crate) failing: u32,
    /// Checks that ended, those that found the server unfit, and those in which the plugin failed.
    pub(crate) checks: u64,
    pub(crate) failures: u64,
    pub(crate) unknown: u64,
    /// How long the last one took, in microseconds.
    pub(crate) latency_us: Option<u64>,
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
        persistence: service
            .spec
            .persistence
            .map(|it| (it.timeout.as_secs(), it.prefix)),
        quorum: service.quorum.reached(),
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
    let nearness = follow::nearness(&service.wanted().spread, &held.spread);
    Some(format!(
        "the plan is followed by IPVS's {}: {nearness}",
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
