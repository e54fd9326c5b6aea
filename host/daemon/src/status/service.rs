//! Services in a status, in the words that `status --json` has for them. Its keys are stable (docs/stable.md).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_core::connections::Counts;
use evenkeel_core::director::{ServerReport, ServerState, ServiceReport};
use evenkeel_core::health::CheckHealth;
use evenkeel_core::model::{Protocol, ServerRole, ServiceKey};
use evenkeel_core::state::{BackendId, Counters};
use serde::{Deserialize, Serialize};

use super::plugin::PluginStatus;
use super::second::{self, CanaryStatus, SecondStatus};
use crate::calls::CallStats;
use crate::prepare::PluginIdentity;
use crate::verdicts::QueueReport;

/// A virtual service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// As configured.
    pub name: String,
    /// `ADDRESS:PORT`, or the firewall mark.
    pub listen: String,
    /// `tcp`, `udp`, `sctp`; `fwm` for a firewall mark, as with `ipvsadm`.
    pub protocol: String,
    /// The scheduler plugin's name.
    pub scheduler: String,
    /// The scheduler plugin's version.
    pub scheduler_version: String,
    /// The scheduler plugin itself; none where its file is broken.
    #[serde(default)]
    pub plugin: Option<PluginStatus>,
    /// A second scheduler that is compared with it; none where there is no shadow.
    #[serde(default)]
    pub shadow: Option<SecondStatus>,
    /// A second scheduler that decides for a share of the slots; none where there is no canary.
    #[serde(default)]
    pub canary: Option<CanaryStatus>,
    /// What is wrong with the scheduler.
    pub scheduler_problem: Option<String>,
    /// How connections are spread meanwhile.
    pub scheduler_meanwhile: Option<String>,
    /// Why the scheduler's last plan was refused, although the scheduler goes on: the one before stays.
    #[serde(default)]
    pub plan_refused: Option<String>,
    /// The number of the last plan that was taken in, counted since the service came; 0: there was none.
    #[serde(default)]
    pub plan: u64,
    /// Why another scheduler, which was to take over, did not: the one before stays.
    pub successor_problem: Option<String>,
    /// Why the kernel refuses the service, which is there as it was before, or not at all.
    pub kernel_problem: Option<String>,
    /// `sequence`, `random`, `hash-source`, `hash-flow`, `hash-network`, `groups`; `refuse` where new connections are
    /// refused.
    pub spread: String,
    /// Of a plan in groups, each group and each range of clients that begins in another group than the first.
    #[serde(default)]
    pub groups: Vec<String>,
    /// How the data plane follows the plan, where it cannot to the letter.
    pub followed: Option<String>,
    /// How many slots the plan in force has.
    pub slots: usize,
    /// Whether clients are hidden from servers (full NAT).
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
    /// In the order of the configuration.
    pub servers: Vec<ServerStatus>,
}

/// A real server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerStatus {
    /// As configured.
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
    /// `up`, `down`; or up, but without new connections: `drain`, `full` at its upper threshold, or `standby`, while it
    /// is a backup or sorry server that is not needed, or gives way to the sorry server; `forced`: down, but all are, and
    /// the service uses them (`when_all_down`).
    pub health: String,
    /// `backup` and `sorry`, if it is such a server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What part of its weight it has, in percent, while it has just come back (`slow_start`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_start: Option<u32>,
    /// Why it is down, or gets less than its weight.
    pub reason: Option<String>,
    /// For how long it has been up or down, in seconds; none without checks.
    pub for_seconds: Option<u64>,
    /// New connections sent to it, ever: over restarts, too.
    pub connections: u64,
    /// Connections that are open (`ipvsadm`: ActiveConn).
    pub active: u32,
    /// Connections that are closing or closed, and still known to the kernel (`ipvsadm`: InActConn).
    pub inactive: u32,
    /// Whether it takes no new connections because of its upper threshold.
    pub full: bool,
    /// In the order of the configuration.
    pub checks: Vec<CheckStatus>,
}

/// One check of a real server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckStatus {
    /// The checker plugin's name.
    pub plugin: String,
    /// `up`, `down`; `unknown`: the plugin failed the last time.
    pub state: String,
    /// Why it is down, or how the plugin failed.
    pub reason: Option<String>,
    /// Failed checks in a row while still up.
    pub failing: u32,
    /// Checks that ended.
    pub checks: u64,
    /// Checks that found the server unfit.
    pub failures: u64,
    /// Checks in which the plugin failed.
    pub unknown: u64,
    /// How long the last one took, in microseconds.
    pub latency_us: Option<u64>,
    /// What the last one reported beside its verdict, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub signals: BTreeMap<String, f64>,
}

/// What the main loop knows of a service.
pub(crate) struct ServiceSnapshot {
    /// From the director.
    pub(crate) report: ServiceReport,
    /// From its queue, while each connection is decided.
    pub(crate) queue: Option<QueueReport>,
    /// Which plugin decides.
    pub(crate) plugin: Option<Arc<PluginIdentity>>,
    /// How its scheduler has answered.
    pub(crate) calls: CallStats,
    /// Which plugin is tried beside it.
    pub(crate) second_plugin: Option<Arc<PluginIdentity>>,
    /// How that has answered.
    pub(crate) second_calls: CallStats,
    /// Whether its checks are suspended.
    pub(crate) suspended: bool,
}

impl ServiceStatus {
    /// Of what the main loop knows of it and what the kernel counts.
    pub(super) fn new(
        service: ServiceSnapshot,
        counters: &BTreeMap<BackendId, Counters>,
        connections: Option<&BTreeMap<BackendId, Counts>>,
        now: Instant,
    ) -> Self {
        let ServiceSnapshot {
            report,
            queue,
            plugin,
            calls,
            second_plugin,
            second_calls,
            suspended,
        } = service;
        let second =
            (report.second).map(|it| second::new(it, second_plugin.as_deref(), &second_calls));
        let (shadow, canary) = second.unwrap_or_default();
        let (protocol, listen) = listen(report.key);
        let server = |server| ServerStatus::new(server, counters, connections, now);
        Self {
            name: report.name,
            listen,
            protocol,
            scheduler: report.scheduler,
            scheduler_version: report.scheduler_version,
            plugin: plugin.map(|it| PluginStatus::new(&it, &calls, report.scheduler_metrics)),
            shadow,
            canary,
            scheduler_problem: report.scheduler_problem,
            scheduler_meanwhile: report.scheduler_meanwhile,
            plan_refused: report.plan_refused,
            plan: report.plan,
            successor_problem: report.successor_problem,
            kernel_problem: report.kernel_problem,
            spread: match report.selector {
                Some(selector) => selector.to_string(),
                None if !report.groups.is_empty() => "groups".to_owned(),
                None => "refuse".to_owned(),
            },
            groups: report.groups,
            followed: report.followed,
            slots: report.slots,
            snat: report.snat,
            decision: report.decision.to_string(),
            queue,
            persistence: report
                .persistence
                .map(|it| (it.timeout.as_secs(), it.prefix)),
            quorum: report.quorum,
            suspended,
            servers: report.servers.into_iter().map(server).collect(),
        }
    }
}

impl ServerStatus {
    fn new(
        report: ServerReport,
        counters: &BTreeMap<BackendId, Counters>,
        connections: Option<&BTreeMap<BackendId, Counts>>,
        now: Instant,
    ) -> Self {
        let counters = counters.get(&report.id);
        let counts = match connections {
            Some(counted) => counted.get(&report.id).copied().unwrap_or_default(),
            None => report.counts,
        };
        let health = report.health.as_ref();
        Self {
            name: report.name,
            address: report.address.to_string(),
            forward: report.forward.to_string(),
            id: report.id.get(),
            weight: report.weight,
            effective_weight: report.effective_weight,
            health: state_name(report.state).to_owned(),
            role: match report.role {
                ServerRole::Regular => None,
                ServerRole::Backup => Some("backup".to_owned()),
                ServerRole::Sorry => Some("sorry".to_owned()),
            },
            slow_start: report.slow_start,
            reason: health.and_then(|health| health.reason.clone()),
            for_seconds: health.map(|health| now.saturating_duration_since(health.since).as_secs()),
            connections: counters.map_or(0, |counters| counters.connections),
            active: counts.active,
            inactive: counts.inactive,
            full: report.full,
            checks: health
                .map(|health| health.checks.iter().map(CheckStatus::new).collect())
                .unwrap_or_default(),
        }
    }
}

impl CheckStatus {
    fn new(check: &CheckHealth) -> Self {
        let state = match (&check.plugin_error, check.up) {
            (Some(_), _) => "unknown",
            (None, true) => "up",
            (None, false) => "down",
        };
        let micros = |latency: Duration| u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        Self {
            plugin: check.plugin.clone(),
            state: state.to_owned(),
            reason: check.plugin_error.clone().or_else(|| check.reason.clone()),
            failing: check.failing,
            checks: check.checks,
            failures: check.failures,
            unknown: check.unknown,
            latency_us: check.last.as_ref().map(|last| micros(last.latency)),
            signals: check
                .signals
                .iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        }
    }
}

/// The protocol, and the address and port; for a firewall mark `fwm` and the mark.
pub(crate) fn listen(key: ServiceKey) -> (String, String) {
    match key.protocol {
        Protocol::Fwmark(mark) => ("fwm".to_owned(), mark.to_string()),
        protocol => (protocol.to_string(), key.socket_addr().to_string()),
    }
}

pub(crate) fn state_name(state: ServerState) -> &'static str {
    match state {
        ServerState::Up => "up",
        ServerState::Down => "down",
        ServerState::Drain => "drain",
        ServerState::Full => "full",
        ServerState::Standby => "standby",
        ServerState::Forced => "forced",
    }
}
