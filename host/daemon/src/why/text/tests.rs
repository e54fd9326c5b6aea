use super::super::report::{CanaryWhy, PluginWhy, RememberedWhy, ToldWhy};
use super::*;

fn why() -> Why {
    Why {
        client: "10.10.54.9".into(),
        dataplane: "nftables".into(),
        services: vec![ServiceWhy {
            service: "web".into(),
            listen: "10.10.54.151:80".into(),
            protocol: "tcp".into(),
            connections: vec![
                ConnectionWhy {
                    client: "10.10.54.9:4000".into(),
                    server: Some("s1".into()),
                    address: "172.16.50.157:80".into(),
                    id: Some(7),
                    state: Some("established".into()),
                },
                ConnectionWhy {
                    client: "10.10.54.9:4001".into(),
                    server: None,
                    address: "172.16.50.99:80".into(),
                    id: Some(3),
                    state: None,
                },
            ],
            remembered: None,
            next: Some(NextWhy {
                how: "hash".into(),
                groups: Vec::new(),
                server: Some("s1".into()),
                slot: Some(17),
                ipvs_scheduler: None,
            }),
            plugin: Some(PluginWhy {
                name: "maglev".into(),
                version: "0.1.0".into(),
                sha256: Some("0123456789abcdef".repeat(4)),
                decision: "plan".into(),
                problem: None,
                plan_refused: None,
            }),
            canary: None,
            plan: 3,
            plan_seconds: Some(12.34),
            slots: 251,
            elsewhere: false,
            servers: vec![
                ServerWhy {
                    name: "s1".into(),
                    address: "172.16.50.157:80".into(),
                    id: 7,
                    weight: 2,
                    health: "up".into(),
                    share_percent: 66.7,
                    told: None,
                },
                ServerWhy {
                    name: "server-2".into(),
                    address: "172.16.50.159:80".into(),
                    id: 8,
                    weight: 0,
                    health: "down".into(),
                    share_percent: 0.0,
                    told: None,
                },
            ],
        }],
        more: false,
        problem: None,
    }
}

#[test]
fn connections_the_plugin_the_plan_and_the_servers_are_shown() {
    insta::assert_snapshot!(render(&why()));
}

#[test]
fn what_is_remembered_and_what_the_scheduler_was_told_is_shown() {
    let mut why = why();
    let service = &mut why.services[0];
    service.remembered = Some(RememberedWhy {
        server: Some("s1".into()),
        expires_seconds: 298.7,
    });
    service.next = Some(NextWhy {
        how: "remembered".into(),
        groups: Vec::new(),
        server: Some("s1".into()),
        slot: None,
        ipvs_scheduler: None,
    });
    service.servers[0].told = Some(ToldWhy {
        per_minute: 600,
        failed: 1,
        bytes: None,
        active: 12,
        inactive: 3,
        latency_us: Some(1500),
        signals: [("cpu".to_owned(), 0.25)].into(),
    });
    insta::assert_snapshot!(render(&why));
}

#[test]
fn what_cannot_be_known_before_is_said_to_be_so() {
    let mut why = why();
    let mut of = |how: &str| {
        why.services[0].next = Some(NextWhy {
            how: how.into(),
            groups: vec![0, 2],
            server: None,
            slot: None,
            ipvs_scheduler: Some("wrr".into()),
        });
        let text = render(&why);
        let line = text
            .lines()
            .find(|line| line.starts_with("  next"))
            .unwrap();
        line.to_owned()
    };
    assert!(of("turn").contains("whose turn it is"));
    assert!(of("random").contains("any server"));
    assert!(of("asked").contains("is asked when it comes"));
    assert!(of("ipvs").contains("IPVS's wrr"));
    assert!(of("hash-port").contains("ADDRESS:PORT"));
    assert!(of("groups").contains("by groups 0, 2, and what that says"));
    assert!(of("refused").contains("refused"));
}

#[test]
fn a_client_that_nothing_is_known_of_is_said_to_be_so() {
    let nothing = Why {
        services: Vec::new(),
        ..why()
    };
    assert!(render(&nothing).contains("has no connection here"));
}

#[test]
fn a_canary_is_named_with_its_slots_and_whether_the_clients_is_one() {
    for (decides, end) in [
        (None, "slots\n"),
        (Some(true), "slots, this client's among them\n"),
        (Some(false), "slots, this client's not among them\n"),
    ] {
        let mut why = why();
        why.services[0].canary = Some(CanaryWhy {
            name: "mine".into(),
            version: "0.2.0".into(),
            slots: 13,
            all_slots: 251,
            decides,
        });
        let text = render(&why);
        let line = format!("  canary      mine 0.2.0, for 13 of 251 {end}");
        assert!(text.contains(&line), "{text}");
    }
}
