use std::collections::BTreeMap;

use super::*;
use crate::status::fixture;
use crate::status::plugin::{OwnMetrics, PluginStatus};
use crate::status::second::{CanaryStatus, SecondStatus};
use crate::status::service::{CheckStatus, ServerStatus, ServiceStatus};

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
        role: None,
        slow_start: None,
        checks: vec![CheckStatus {
            plugin: "tcp".into(),
            state: health.to_owned(),
            reason: None,
            failing: 0,
            checks: 10,
            failures: 0,
            unknown: 0,
            latency_us: Some(300),
            signals: BTreeMap::new(),
        }],
    }
}

fn plugin() -> PluginStatus {
    PluginStatus {
        sha256: Some("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".into()),
        file: "/usr/lib/evenkeel/plugins/wrr.wasm".into(),
        contract: "0.1.0".into(),
        runtime: "wasm".into(),
        signed_by: Some("E7620F1842B4E81F".into()),
        signature_comment: Some("wrr 0.1.0 sha256:ba7816bf8f01cfea414140de5dae2223".into()),
        loaded_at: 1_800_000_000,
        instances: Some(3),
        memory: Some(3 << 20),
        calls: 12,
        failures: 1,
        call_p50_us: 64,
        call_p99_us: 512,
        metrics: OwnMetrics::default(),
    }
}

fn second() -> SecondStatus {
    SecondStatus {
        scheduler: "mine".into(),
        scheduler_version: "0.2.0".into(),
        plugin: Some(plugin()),
        problem: None,
        plans: 12,
        otherwise_percent: Some(33.34),
        compared: Some("clients".into()),
        uneven_percent: Some(1.5),
        first_uneven_percent: Some(0.0),
    }
}

fn canary() -> CanaryStatus {
    CanaryStatus {
        second: second(),
        share_percent: 5,
        max_call_us: 10_000,
        max_uneven_percent: 10.0,
        slots: 3,
        all_slots: 60,
        taken_back: None,
    }
}

/// The lines of a service with this second scheduler.
fn lines(shadow: Option<SecondStatus>, canary: Option<CanaryStatus>) -> String {
    let service = ServiceStatus {
        plugin: None,
        shadow,
        canary,
        servers: Vec::new(),
        ..service()
    };
    let mut out = String::new();
    service_table::write(&mut out, &service, 10).unwrap();
    out
}

#[test]
fn a_second_scheduler_has_lines_of_its_own() {
    let failed = SecondStatus {
        plugin: None,
        problem: Some("plugin mine 0.2.0: trapped: panic".into()),
        otherwise_percent: None,
        compared: None,
        ..second()
    };
    let connections = SecondStatus {
        compared: Some("connections".into()),
        uneven_percent: None,
        ..second()
    };
    let taken_back = CanaryStatus {
        second: connections.clone(),
        taken_back: Some("plugin mine 0.2.0: it refuses connections".into()),
        ..canary()
    };
    let all = [
        lines(Some(second()), None),
        lines(Some(connections), None),
        lines(Some(failed), None),
        lines(None, Some(canary())),
        lines(None, Some(taken_back)),
    ];
    insta::assert_snapshot!(all.concat(), @r"
    TCP  10.10.54.151:80 wrr  # web
      shadow mine 0.2.0 (ba7816bf8f01, wasm, contract 0.1.0, signed by E7620F1842B4E81F: wrr 0.1.0 sha256:ba7816bf8f01cfea414140d…): 12 plans in 64/512 us (half/99 of 100), 1 failed
        by its plan 33.34% of the clients would go elsewhere; it is uneven by 1.5%, the scheduler's by 0%
    TCP  10.10.54.151:80 wrr  # web
      shadow mine 0.2.0 (ba7816bf8f01, wasm, contract 0.1.0, signed by E7620F1842B4E81F: wrr 0.1.0 sha256:ba7816bf8f01cfea414140d…): 12 plans in 64/512 us (half/99 of 100), 1 failed
        by its plan 33.34% of the connections at least would go elsewhere
    TCP  10.10.54.151:80 wrr  # web
      shadow mine 0.2.0
        its plans have not been compared with the scheduler's yet
      !! plugin mine 0.2.0: trapped: panic; no connection is affected
    TCP  10.10.54.151:80 wrr  # web
      canary mine 0.2.0 (ba7816bf8f01, wasm, contract 0.1.0, signed by E7620F1842B4E81F: wrr 0.1.0 sha256:ba7816bf8f01cfea414140d…): 12 plans in 64/512 us (half/99 of 100), 1 failed
        by its plan 33.34% of the clients would go elsewhere; it is uneven by 1.5%, the scheduler's by 0%
        it decides for 3 of 60 slots (share 5%)
    TCP  10.10.54.151:80 wrr  # web
      canary mine 0.2.0 (ba7816bf8f01, wasm, contract 0.1.0, signed by E7620F1842B4E81F: wrr 0.1.0 sha256:ba7816bf8f01cfea414140d…): 12 plans in 64/512 us (half/99 of 100), 1 failed
        by its plan 33.34% of the connections at least would go elsewhere
      !! the canary is taken back, and wrr decides for all: plugin mine 0.2.0: it refuses connections
    ");
}

#[test]
fn checks_that_come_late_have_a_line_and_others_have_none() {
    let mut status = fixture::status();
    status.checks.per_second = 1000.0;
    status.checks.late_ms.p99 = 2.5;
    assert!(!render(&status).contains("checks"));
    status.checks.problem = Some("checks come late: why".into());
    let text = render(&status);
    assert!(text.contains("\nhealth: checks come late: why\n"), "{text}");
}

#[test]
fn a_canary_is_one_object_in_json_and_is_read_again() {
    let canary = canary();
    let json = serde_json::to_value(&canary).unwrap();
    assert_eq!(json["scheduler"], "mine");
    assert_eq!(json["plugin"]["calls"], 12);
    assert_eq!(json["share_percent"], 5);
    let read: CanaryStatus = serde_json::from_value(json).unwrap();
    assert_eq!(read, canary);
}

fn service() -> ServiceStatus {
    ServiceStatus {
        name: "web".into(),
        listen: "10.10.54.151:80".into(),
        protocol: "tcp".into(),
        scheduler: "wrr".into(),
        scheduler_version: "0.1.0".into(),
        plugin: Some(plugin()),
        shadow: None,
        canary: None,
        scheduler_problem: None,
        scheduler_meanwhile: None,
        plan_refused: None,
        plan: 7,
        successor_problem: None,
        kernel_problem: None,
        spread: "sequence".into(),
        groups: Vec::new(),
        followed: None,
        slots: 3,
        snat: false,
        decision: "plan".into(),
        queue: None,
        persistence: None,
        quorum: true,
        suspended: false,
        servers: Vec::new(),
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
        servers: vec![server("172.16.50.157:80", "up"), down, failing],
        ..service()
    };
    let six = ServiceStatus {
        name: "web6".into(),
        listen: "[fd00:54::151]:80".into(),
        snat: true,
        decision: "per-connection".into(),
        plugin: None,
        persistence: Some((300, 64)),
        scheduler_problem: Some("plugin rr 0.1.0: trapped: panic".into()),
        scheduler_meanwhile: Some("its last good plan stays".into()),
        successor_problem: Some(
            "plugin rr 0.2.0 does not take over, and plugin rr 0.1.0 stays: trapped".into(),
        ),
        kernel_problem: Some(
            "the kernel refused to add service TCP [fd00:54::151]:80: no such scheduler".into(),
        ),
        servers: vec![lost, unchecked],
        ..service.clone()
    };
    let none = ServiceStatus {
        name: "dns".into(),
        listen: "10.10.54.151:53".into(),
        protocol: "udp".into(),
        spread: "refuse".into(),
        servers: vec![server("172.16.50.157:53", "down")],
        ..service.clone()
    };
    let status = Status {
        log_dropped: 7,
        services: vec![service, six, none],
        ..fixture::status()
    };
    insta::assert_snapshot!(render(&status), @r"
    Evenkeel 0.1.0 (nftables, table evenkeel), up 1d1h, kernel in sync
    log: 7 lines dropped, since nobody has read standard error
    Prot LocalAddress:Port Scheduler Flags
      -> RemoteAddress:Port Forward Weight ActiveConn InActConn Conns      Health
    TCP  10.10.54.151:80 wrr  # web
      by wrr 0.1.0 (ba7816bf8f01, wasm, contract 0.1.0, signed by E7620F1842B4E81F: wrr 0.1.0 sha256:ba7816bf8f01cfea414140d…): 12 plans in 64/512 us (half/99 of 100), 1 failed
      -> 172.16.50.157:80   Masq    1      12         345       1234       up 3m20s
      -> 172.16.50.159:80   Masq    1      12         345       1234       DOWN 3m20s: tcp: connection refused
      -> 172.16.50.160:80   Masq    2/4    12         345       1234       up 3m20s (check tcp: 2 failed)
    TCP  [fd00:54::151]:80 wrr snat per-connection persistent 300 mask /64  # web6
      !! the kernel refused to add service TCP [fd00:54::151]:80: no such scheduler; it is there as it was before, or not at all
      !! plugin rr 0.1.0: trapped: panic; its last good plan stays
      !! plugin rr 0.2.0 does not take over, and plugin rr 0.1.0 stays: trapped
      -> [fd00:50::11]:80   FullNAT 1      12         345       1234       up 3m20s (check tcp: unknown, plugin http 0.1.0: trapped: panic)
      -> [fd00:50::12]:80   FullNAT 1      12         345       1234       drain (not checked)
    UDP  10.10.54.151:53 wrr  # dns
      by wrr 0.1.0 (ba7816bf8f01, wasm, contract 0.1.0, signed by E7620F1842B4E81F: wrr 0.1.0 sha256:ba7816bf8f01cfea414140d…): 12 plans in 64/512 us (half/99 of 100), 1 failed
      !! no server takes connections: new ones are refused
      -> 172.16.50.157:53   Masq    1      12         345       1234       DOWN 3m20s
    ");
}
