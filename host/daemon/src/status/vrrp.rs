//! The part of the status that is about VRRP.

use std::fmt::Write;
use std::time::Duration;

use evenkeel_core::model::VrrpInstance;
use evenkeel_core::vrrp::{Counters, GroupReport, InstanceReport, State};
use evenkeel_vrrp::VrrpStatus;
use serde::{Deserialize, Serialize};

use super::duration;
use crate::redundancy::Redundancy;

/// VRRP on this director.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct VrrpReport {
    /// In the order of the configuration.
    pub instances: Vec<Instance>,
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
    pub name: String,
    pub interface: String,
    pub router_id: u8,
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
    pub master_priority: Option<u8>,
    /// `ADDRESS/LENGTH INTERFACE`.
    pub addresses: Vec<String>,
    /// Why it is in fault, or has another priority than configured.
    pub reasons: Vec<String>,
    /// What does not fit between this router and others.
    pub problems: Vec<String>,
    #[serde(with = "CountersFormat")]
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
    pub name: String,
    /// As of an instance.
    pub state: String,
    pub members: Vec<String>,
}

/// `None` where no VRRP is configured.
pub(crate) fn report(redundancy: &Redundancy) -> Option<VrrpReport> {
    if let Some(problem) = redundancy.problem() {
        return Some(VrrpReport {
            problems: vec![problem.to_owned()],
            ..VrrpReport::default()
        });
    }
    let status = redundancy.status()?;
    Some(merged(&redundancy.config().instances, status))
}

fn merged(configured: &[VrrpInstance], status: VrrpStatus) -> VrrpReport {
    let instances = status.instances.iter().filter_map(|report| {
        // One that has just gone is not shown any more.
        let spec = configured.iter().find(|spec| spec.name == report.name)?;
        Some(instance(spec, report))
    });
    VrrpReport {
        instances: instances.collect(),
        groups: status.groups.iter().map(group).collect(),
        problems: status.problems,
        realtime: status.realtime,
        locked: status.locked,
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

/// As lines above the services.
pub(super) fn write(out: &mut String, report: &VrrpReport) -> std::fmt::Result {
    for it in &report.instances {
        write!(
            out,
            "VRRP {} {} {}, {} id {}, v{} every {:?}, priority {}",
            it.name,
            it.state.to_uppercase(),
            duration(it.for_seconds),
            it.interface,
            it.router_id,
            it.version,
            Duration::from_millis(it.advert_interval_ms),
            it.priority,
        )?;
        if it.priority != it.configured_priority {
            write!(out, " (configured {})", it.configured_priority)?;
        }
        if let Some(master) = &it.master
            && it.state != "master"
        {
            write!(out, ", master {master}")?;
            if let Some(priority) = it.master_priority {
                write!(out, " priority {priority}")?;
            }
        }
        writeln!(out)?;
        let place = if it.holding { "here" } else { "not here" };
        writeln!(out, "  {} ({place})", it.addresses.join(", "))?;
        if it.resigned {
            writeln!(out, "  resigned: `evenkeel vrrp resume` ends that")?;
        }
        for reason in &it.reasons {
            writeln!(out, "  because {reason}")?;
        }
        for problem in &it.problems {
            writeln!(out, "  !! {problem}")?;
        }
    }
    for it in &report.groups {
        writeln!(
            out,
            "VRRP group {} {}: {}",
            it.name,
            it.state.to_uppercase(),
            it.members.join(", ")
        )?;
    }
    for problem in &report.problems {
        writeln!(out, "VRRP !! {problem}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(report: &VrrpReport) -> String {
        let mut text = String::new();
        write(&mut text, report).unwrap();
        text
    }

    fn master() -> Instance {
        Instance {
            name: "VI_1".into(),
            interface: "eth0".into(),
            router_id: 51,
            version: 2,
            state: "master".into(),
            for_seconds: 75,
            holding: true,
            resigned: false,
            priority: 100,
            configured_priority: 100,
            advert_interval_ms: 1000,
            master: None,
            master_priority: None,
            addresses: vec![
                "10.10.54.151/24 eth0".into(),
                "172.16.50.254/24 eth1".into(),
            ],
            reasons: Vec::new(),
            problems: Vec::new(),
            counters: Counters::default(),
        }
    }

    #[test]
    fn an_instance_says_what_it_is_whose_master_it_follows_and_what_does_not_fit() {
        let backup = Instance {
            name: "VI_2".into(),
            version: 3,
            state: "backup".into(),
            holding: false,
            resigned: true,
            priority: 80,
            advert_interval_ms: 100,
            master: Some("10.10.54.156".into()),
            master_priority: Some(90),
            reasons: vec!["script web fails: -20".into()],
            problems: vec!["10.10.54.156 advertises every 1s".into()],
            ..master()
        };
        let report = VrrpReport {
            instances: vec![master(), backup],
            groups: vec![Group {
                name: "both".into(),
                state: "fault".into(),
                members: vec!["VI_1".into(), "VI_2".into()],
            }],
            problems: vec!["cannot put 10.10.54.151/24 on eth7: no such interface".into()],
            realtime: true,
            locked: true,
        };
        insta::assert_snapshot!(shown(&report), @r"
        VRRP VI_1 MASTER 1m15s, eth0 id 51, v2 every 1s, priority 100
          10.10.54.151/24 eth0, 172.16.50.254/24 eth1 (here)
        VRRP VI_2 BACKUP 1m15s, eth0 id 51, v3 every 100ms, priority 80 (configured 100), master 10.10.54.156 priority 90
          10.10.54.151/24 eth0, 172.16.50.254/24 eth1 (not here)
          resigned: `evenkeel vrrp resume` ends that
          because script web fails: -20
          !! 10.10.54.156 advertises every 1s
        VRRP group both FAULT: VI_1, VI_2
        VRRP !! cannot put 10.10.54.151/24 on eth7: no such interface
        ");
    }
}
