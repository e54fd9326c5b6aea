//! The lines about VRRP, above those of the services.

use std::fmt::Write;
use std::time::Duration;

use super::duration::duration;
use super::vrrp::VrrpReport;

/// Instances, groups, and what is wrong.
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
    use evenkeel_core::vrrp::Counters;

    use super::*;
    use crate::status::vrrp::{Group, Instance};

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
