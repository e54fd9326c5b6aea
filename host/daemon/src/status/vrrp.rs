//! The part of the status that is about VRRP.

use evenkeel_core::model::VrrpInstance;
use evenkeel_core::vrrp::{Counters, GroupReport, InstanceReport, State};
use evenkeel_vrrp::VrrpStatus;
use serde::{Deserialize, Serialize};

/// VRRP on this director.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct VrrpReport {
    /// In the order of the configuration.
    pub instances: Vec<Instance>,
    /// In the order of the configuration.
    pub groups: Vec<Group>,
    /// What is wrong on this machine: an address that is refused, a socket that cannot be opened.
    pub problems: Vec<String>,
    /// Whether adverts are sent with real-time priority.
    pub realtime: bool,
    /// Whether the daemon's memory cannot be swapped out.
    pub locked: bool,
}

/// A VRRP instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// As configured.
    pub name: String,
    /// Where it advertises.
    pub interface: String,
    /// The virtual router identifier (VRID).
    pub router_id: u8,
    /// Of VRRP: 2 or 3.
    pub version: u8,
    /// `master`, `backup` or `fault`.
    pub state: String,
    /// For how long, in seconds.
    pub for_seconds: u64,
    /// Whether the addresses are here. Not the same as being master while handing over.
    pub holding: bool,
    /// Whether it stays backup because of `evenkeel vrrp resign`.
    pub resigned: bool,
    /// The priority now.
    pub priority: u8,
    /// As configured.
    pub configured_priority: u8,
    /// Between two adverts of ours, in milliseconds.
    pub advert_interval_ms: u64,
    /// Another router that is master, with its priority.
    pub master: Option<String>,
    /// The priority that it advertises.
    pub master_priority: Option<u8>,
    /// `ADDRESS/LENGTH INTERFACE`.
    pub addresses: Vec<String>,
    /// Why it is in fault, or has another priority than configured.
    pub reasons: Vec<String>,
    /// What does not fit between this router and others.
    pub problems: Vec<String>,
    #[serde(with = "CountersFormat")]
    /// Since the instance started.
    pub counters: Counters,
}

/// How [`Counters`] are written, which core leaves to others.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Counters")]
struct CountersFormat {
    became_master: u64,
    sent: u64,
    received: u64,
    priority_zero_sent: u64,
    priority_zero_received: u64,
    malformed: u64,
    checksum_errors: u64,
    ttl_errors: u64,
    version_errors: u64,
    authentication_errors: u64,
    interval_mismatches: u64,
    address_mismatches: u64,
    unknown_peers: u64,
}

/// A sync group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// As configured.
    pub name: String,
    /// As of an instance.
    pub state: String,
    /// Names of its instances.
    pub members: Vec<String>,
}

impl VrrpReport {
    /// Of instances that run, where `configured` are those of the configuration.
    pub(crate) fn new(configured: &[VrrpInstance], status: VrrpStatus) -> Self {
        let instances = status.instances.iter().filter_map(|report| {
            // One that has just gone is not shown any more.
            let spec = configured.iter().find(|spec| spec.name == report.name)?;
            Some(instance(spec, report))
        });
        Self {
            instances: instances.collect(),
            groups: status.groups.iter().map(group).collect(),
            problems: status.problems,
            realtime: status.realtime,
            locked: status.locked,
        }
    }

    /// Where VRRP is configured and does not run.
    pub(crate) fn not_running(problem: &str) -> Self {
        Self {
            problems: vec![problem.to_owned()],
            ..Self::default()
        }
    }
}

fn instance(spec: &VrrpInstance, report: &InstanceReport) -> Instance {
    let addresses = spec
        .addresses
        .iter()
        .map(|it| format!("{}/{} {}", it.addr, it.prefix, it.interface));
    Instance {
        name: spec.name.clone(),
        interface: spec.interface.clone(),
        router_id: spec.router_id,
        version: spec.version.number(),
        state: word(report.state).to_owned(),
        for_seconds: report.since.as_secs(),
        holding: report.holding,
        resigned: report.resigned,
        priority: report.priority,
        configured_priority: spec.priority,
        advert_interval_ms: u64::try_from(spec.advert_interval.as_millis()).unwrap_or(u64::MAX),
        master: report.master.map(|(addr, _)| addr.to_string()),
        master_priority: report.master.map(|(_, priority)| priority),
        addresses: addresses.collect(),
        reasons: report.reasons.clone(),
        problems: report.problems.clone(),
        counters: report.counters,
    }
}

fn group(report: &GroupReport) -> Group {
    Group {
        name: report.name.clone(),
        state: word(report.state).to_owned(),
        members: report.members.clone(),
    }
}

fn word(state: State) -> &'static str {
    match state {
        State::Backup => "backup",
        State::Master => "master",
        State::Fault => "fault",
    }
}
