//! Where each part of a status comes from.

use crate::calls::CallStats;
use evenkeel_core::director::{ServerReport, ServerState, ServiceReport};
use evenkeel_core::manifest::Decision;
use evenkeel_core::model::{Forward, Protocol, ServiceKey};
use evenkeel_core::state::Selector;

use super::*;
use crate::status::service::ServiceSnapshot;

/// The director has counted 3 open connections and 4 others.
fn server(number: u32) -> ServerReport {
    ServerReport {
        name: "s1".into(),
        address: "172.16.50.157:80".parse().unwrap(),
        forward: Forward::Nat,
        id: id(number),
        weight: 1,
        effective_weight: 1,
        state: ServerState::Up,
        health: None,
        counts: Counts {
            active: 3,
            inactive: 4,
            total: 7,
            ..Counts::default()
        },
        full: false,
        role: evenkeel_core::model::ServerRole::Regular,
        slow_start: None,
    }
}

fn service(name: &str, suspended: bool, servers: Vec<ServerReport>) -> ServiceSnapshot {
    let report = ServiceReport {
        name: name.into(),
        key: ServiceKey {
            addr: "10.10.54.151".parse().unwrap(),
            port: 80,
            protocol: Protocol::Tcp,
        },
        scheduler: "wrr".into(),
        scheduler_version: "0.1.0".into(),
        scheduler_problem: None,
        scheduler_metrics: BTreeMap::new(),
        scheduler_meanwhile: None,
        plan_refused: None,
        plan: 7,
        planned_at: None,
        successor_problem: None,
        second: None,
        kernel_problem: None,
        selector: Some(Selector::Sequence),
        followed: None,
        groups: Vec::new(),
        slots: 1,
        snat: false,
        decision: Decision::Plan,
        queue_served: false,
        persistence: None,
        quorum: true,
        servers,
    };
    ServiceSnapshot {
        plugin: None,
        calls: CallStats::default(),
        second_plugin: None,
        second_calls: CallStats::default(),
        report,
        queue: None,
        suspended,
    }
}

fn sources(connections: Option<BTreeMap<BackendId, Counts>>) -> Sources {
    let counters = Counters { connections: 12 };
    Sources {
        snapshot: Snapshot {
            now: Instant::now(),
            up: Duration::from_millis(1_900),
            config: "evenkeel.toml".into(),
            reloading: Some(Duration::from_millis(3_200)),
            reload_problem: None,
            plugin_problem: None,
            log_dropped: 0,
            dataplane: DataPlaneKind::Ipvs,
            dataplane_why: "as configured".into(),
            table: "evenkeel".into(),
            settled: true,
            kernel: KernelReport::default(),
            network_problem: None,
            forwarding_problem: None,
            counting: None,
            queue_problem: None,
            connection_table_problem: None,
            checks: Default::default(),
            checker_metrics: Vec::new(),
            vrrp: None,
            connection_sync: None,
            services: vec![
                service("web", false, vec![server(1), server(2)]),
                service("dns", true, Vec::new()),
            ],
        },
        counters: [(id(1), counters)].into(),
        connections,
    }
}

fn id(id: u32) -> BackendId {
    BackendId::new(id).unwrap()
}

/// New, open and other connections of the two servers.
fn counts(status: &Status) -> Vec<(u64, u32, u32)> {
    let servers = status.services.iter().flat_map(|service| &service.servers);
    servers
        .map(|server| (server.connections, server.active, server.inactive))
        .collect()
}

#[test]
fn the_directors_counts_are_shown_while_it_has_them() {
    let status = Status::build(sources(None));
    assert_eq!(counts(&status), [(12, 3, 4), (0, 3, 4)]);
    assert_eq!(status.up_seconds, 1);
    assert_eq!(status.reload_seconds, Some(3));
    assert_eq!(status.dataplane, "ipvs");
}

#[test]
fn what_was_counted_for_the_status_takes_their_place() {
    let counted = Counts {
        active: 7,
        inactive: 8,
        total: 9,
        ..Counts::default()
    };
    let status = Status::build(sources(Some([(id(2), counted)].into())));
    assert_eq!(counts(&status), [(12, 0, 0), (0, 7, 8)]);
}

#[test]
fn services_whose_checks_are_suspended_say_so() {
    let status = Status::build(sources(None));
    let suspended: Vec<bool> = status.services.iter().map(|it| it.suspended).collect();
    assert_eq!(suspended, [false, true]);
}
