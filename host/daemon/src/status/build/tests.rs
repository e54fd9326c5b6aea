//! Where each part of a status comes from.

use super::*;
use crate::director::{ServerReport, ServiceReport};
use crate::status::service::ServiceSnapshot;

/// The director has counted 3 open connections and 4 others.
fn server(id: u32) -> ServerReport {
    ServerReport {
        name: "s1".into(),
        address: "172.16.50.157:80".into(),
        forward: "nat".into(),
        id,
        weight: 1,
        effective_weight: 1,
        health: "up".into(),
        reason: None,
        for_seconds: None,
        active: 3,
        inactive: 4,
        full: false,
        checks: Vec::new(),
    }
}

fn service(name: &str, suspended: bool, servers: Vec<ServerReport>) -> ServiceSnapshot {
    let report = ServiceReport {
        name: name.into(),
        listen: "10.10.54.151:80".into(),
        protocol: "tcp".into(),
        scheduler: "wrr".into(),
        scheduler_version: "0.1.0".into(),
        scheduler_problem: None,
        spread: "sequence".into(),
        followed: None,
        slots: 1,
        snat: false,
        decision: "plan".into(),
        persistence: None,
        quorum: true,
        servers,
    };
    ServiceSnapshot {
        report,
        queue: None,
        suspended,
    }
}

fn sources(connections: Option<BTreeMap<BackendId, Counts>>) -> Sources {
    let counters = Counters { connections: 12 };
    Sources {
        snapshot: Snapshot {
            up: Duration::from_millis(1_900),
            config: "evenkeel.toml".into(),
            reload_problem: None,
            dataplane: DataPlaneKind::Ipvs,
            dataplane_why: "as configured".into(),
            table: "evenkeel".into(),
            settled: true,
            kernel: KernelReport::default(),
            network_problem: None,
            counting: None,
            queue_problem: None,
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
    assert_eq!(status.dataplane, "ipvs");
}

#[test]
fn what_was_counted_for_the_status_takes_their_place() {
    let counted = Counts {
        active: 7,
        inactive: 8,
        total: 9,
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
