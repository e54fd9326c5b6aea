//! How connections get to real servers, firewall marks, and synchronisation of connections.

use std::net::IpAddr;
use std::time::Duration;

use super::fixture::{model, note, notes, resolved, translated};
use super::services::{around, said, service};
use evenkeel_core::model::{ConnectionSync, DataPlaneKind, Forward, IpvsTimeouts, Model, OnDown};

/// A service of direct routing, as most have it.
const DIRECT: &str = "virtual_server 192.0.2.1 80 {
 delay_loop 6
 lb_algo wlc
 lb_kind DR
 protocol TCP
 real_server 10.0.0.1 80 {
  weight 3
  TCP_CHECK {
   connect_timeout 3
  }
 }
 real_server 10.0.0.2 {
  lvs_method TUN type ipip
  inhibit_on_failure
  TCP_CHECK {
   connect_timeout 3
  }
 }
 real_server 10.0.0.3 8080 {
  lvs_method NAT
 }
}
";

fn servers(model: &Model) -> Vec<String> {
    let all = model.services.iter().flat_map(|service| &service.servers);
    all.map(|it| format!("{} {}", it.address, it.forward))
        .collect()
}

#[test]
fn direct_routing_and_tunnels_stay_what_they_are_and_need_ipvs() {
    let found = translated(DIRECT);
    assert!(notes(&found).is_empty(), "{:?}", notes(&found));
    let model = model(&found);
    assert_eq!(model.dataplane.kind, DataPlaneKind::Ipvs);
    assert_eq!(
        servers(&model),
        ["10.0.0.1:80 dr", "10.0.0.2:80 tun", "10.0.0.3:8080 nat"]
    );
    let inhibits = |n: usize| model.services[0].servers[n].inhibit_on_failure;
    assert_eq!(
        [inhibits(0), inhibits(1), inhibits(2)],
        [false, true, false]
    );
}

#[test]
fn nat_needs_nothing_and_unknown_methods_are_errors() {
    let found = service("", "");
    assert_eq!(found.servers[0].forward, Forward::Nat);
    let nat = model(&translated(&around("", "")));
    assert_eq!(nat.dataplane.kind, DataPlaneKind::Nftables);
    let found = translated(&around("", "").replace("NAT", "MASQ"));
    assert!(note(&found, "none of NAT, DR and TUN").starts_with("k.conf:4: lb_kind: error"));
}

#[test]
fn other_tunnels_than_ip_in_ip_are_said_to_become_that() {
    let text = DIRECT.replace("type ipip", "type gue port 5555 nocsum");
    let found = translated(&text);
    assert!(note(&found, "not gue").starts_with("k.conf:13: lvs_method: carried over, but"));
    assert!(servers(&model(&found)).contains(&"10.0.0.2:80 tun".to_owned()));
}

#[test]
fn a_port_that_would_not_be_reached_without_nat_is_checked_and_no_more() {
    let server = "TCP_CHECK {\n }\n TCP_CHECK {\n connect_port 81\n }";
    let found = translated(&around("", server).replace("NAT", "DR"));
    let said = note(&found, "8080");
    assert!(said.starts_with("k.conf:6: real_server: carried over, but"));
    let model = model(&found);
    let server = &model.services[0].servers[0];
    assert_eq!(server.address.to_string(), "10.0.0.1:80");
    let checked: Vec<String> = server
        .checks
        .iter()
        .map(|it| it.target.to_string())
        .collect();
    assert_eq!(checked, ["10.0.0.1:8080", "10.0.0.1:81"]);
}

#[test]
fn each_service_of_a_group_has_servers_on_its_own_port_where_they_name_none() {
    let text = "virtual_server_group G {\n 192.0.2.5 80\n 192.0.2.5 443\n fwmark 3\n fwmark 4 inet6\n}\n\
                virtual_server group G {\n protocol TCP\n lb_algo rr\n lb_kind DR\n real_server 10.0.0.1 {\n }\n}\n";
    let found = translated(text);
    let shown: Vec<String> = found
        .toml
        .lines()
        .filter(|line| {
            ["listen", "fwmark", "address", "family"]
                .iter()
                .any(|key| line.starts_with(key))
        })
        .map(str::to_owned)
        .collect();
    assert_eq!(
        shown,
        [
            "listen = \"192.0.2.5:80\"",
            "address = \"10.0.0.1:80\"",
            "listen = \"192.0.2.5:443\"",
            "address = \"10.0.0.1:443\"",
            "fwmark = 3",
            "address = \"10.0.0.1\"",
            "fwmark = 4",
            "family = \"ipv6\"",
            "address = \"10.0.0.1\"",
        ]
    );
    // keepalived takes that with tunnels only, and Evenkeel not at all.
    let wrong = resolved(found).unwrap_err().render();
    assert!(
        wrong.contains("an IPv4 server of an IPv6 service"),
        "{wrong}"
    );
}

#[test]
fn failed_servers_stay_where_the_virtual_server_or_the_real_one_says_so() {
    let inhibits = |lines: &str, server: &str| {
        let service = service(lines, server);
        (service.servers[0].inhibit_on_failure, service.on_down)
    };
    assert_eq!(inhibits("", ""), (false, OnDown::Keep));
    assert_eq!(inhibits("inhibit_on_failure", ""), (true, OnDown::Keep));
    assert_eq!(
        inhibits("inhibit_on_failure off", ""),
        (false, OnDown::Keep)
    );
    assert_eq!(inhibits("", "inhibit_on_failure"), (true, OnDown::Keep));
    assert!(!inhibits("inhibit_on_failure", "inhibit_on_failure off").0);
    let udp = |lines: &str| {
        let text = around(lines, "").replace("TCP", "UDP");
        model(&translated(&text)).services[0].on_down
    };
    assert_eq!(udp(""), OnDown::Kill);
    assert_eq!(udp("inhibit_on_failure"), OnDown::Keep);
    assert!(said("inhibit_on_failure maybe", "", "maybe").contains("neither on nor off"));
}

#[test]
fn a_firewall_mark_is_a_service_of_its_servers_family() {
    let text = around("", "weight 2").replace("192.0.2.1 80", "fwmark 5");
    let found = translated(&text);
    assert!(note(&found, "protocol").contains("any protocol"));
    let service = &model(&found).services[0];
    assert_eq!(service.key.to_string(), "fwmark 5 (IPv4)");
    assert_eq!(service.name, "fwmark-5");
    assert_eq!(service.servers[0].address.to_string(), "10.0.0.1:8080");

    let six = text
        .replace("10.0.0.1 8080", "2001:db8::2")
        .replace("protocol TCP\n", "");
    let found = translated(&six);
    assert!(notes(&found).is_empty(), "{:?}", notes(&found));
    let service = &model(&found).services[0];
    assert_eq!(service.key.to_string(), "fwmark 5 (IPv6)");
    assert_eq!(service.servers[0].address.to_string(), "[2001:db8::2]:0");

    let four = text.replace("protocol TCP", "ip_family inet");
    assert_eq!(
        model(&translated(&four)).services[0].key.to_string(),
        "fwmark 5 (IPv4)"
    );
    let wrong = text.replace("protocol TCP", "ip_family ipv6");
    assert!(note(&translated(&wrong), "ip_family").contains("neither inet nor inet6"));
}

#[test]
fn persistence_of_a_mark_has_its_familys_granularity() {
    let lines = "persistence_timeout 60\n persistence_granularity 64";
    let text = around(lines, "")
        .replace("192.0.2.1 80", "fwmark 5")
        .replace("10.0.0.1", "2001:db8::2");
    let found = model(&translated(&text));
    assert_eq!(found.services[0].persistence.map(|it| it.prefix), Some(64));
}

/// An instance with these lines, and these in `global_defs`.
fn pair(global: &str, instance: &str) -> String {
    format!(
        "global_defs {{\n {global}\n}}\nvrrp_instance VI_1 {{\n interface eth0\n virtual_router_id 51\n virtual_ipaddress {{\n 192.0.2.1/24\n }}\n {instance}\n}}\n"
    )
}

fn synchronised(id: u8) -> ConnectionSync {
    ConnectionSync {
        interface: "eth1".to_owned(),
        vrrp: "VI_1".to_owned(),
        id,
        group: None,
        port: None,
        ttl: None,
        max_len: None,
    }
}

#[test]
fn the_synchronisation_daemon_follows_its_instance() {
    for global in [
        "lvs_sync_daemon eth1 VI_1",
        "lvs_sync_daemon eth1 inst VI_1",
    ] {
        let found = translated(&pair(global, ""));
        assert!(notes(&found).is_empty(), "{:?}", notes(&found));
        let model = model(&found);
        assert_eq!(model.connection_sync, Some(synchronised(51)));
        assert_eq!(model.dataplane.kind, DataPlaneKind::Ipvs);
    }
    let full = "lvs_sync_daemon eth1 VI_1 id 9 maxlen 1400 port 8849 ttl 3 group 224.0.0.82 # why";
    let found = translated(&pair(full, ""));
    assert!(
        found.toml.contains("[connection_sync] # why"),
        "{}",
        found.toml
    );
    let expected = ConnectionSync {
        group: Some(IpAddr::from([224, 0, 0, 82])),
        port: Some(8849),
        ttl: Some(3),
        max_len: Some(1400),
        ..synchronised(9)
    };
    assert_eq!(model(&found).connection_sync, Some(expected));
}

#[test]
fn the_instances_own_form_is_the_same_with_its_number() {
    let found = translated(&pair("", "lvs_sync_daemon_interface eth1"));
    assert!(notes(&found).is_empty(), "{:?}", notes(&found));
    assert_eq!(model(&found).connection_sync, Some(synchronised(51)));
    let both = translated(&pair(
        "lvs_sync_daemon eth1 VI_1 id 7",
        "lvs_sync_daemon_interface eth2",
    ));
    assert!(
        note(&both, "one already, at k.conf:2")
            .starts_with("k.conf:10: lvs_sync_daemon_interface: not carried over")
    );
    assert_eq!(model(&both).connection_sync, Some(synchronised(7)));
}

#[test]
fn a_synchronisation_without_an_instance_follows_the_only_one() {
    let found = translated(&pair("lvs_sync_daemon eth1 id 0", ""));
    assert!(note(&found, "the only one, VI_1").contains("carried over, but"));
    assert!(note(&found, "id 0").contains("virtual_router_id"));
    assert_eq!(model(&found).connection_sync, Some(synchronised(51)));
    let none = translated("global_defs {\n lvs_sync_daemon eth1\n}\n");
    assert!(note(&none, "lvs_sync_daemon").contains("not carried over"));
}

#[test]
fn a_synchronisation_that_cannot_be_understood_is_an_error() {
    for (line, part) in [
        ("lvs_sync_daemon", "needs an interface"),
        ("lvs_sync_daemon eth1 VI_2", "no vrrp_instance VI_2"),
        ("lvs_sync_daemon eth1 VI_1 id", "id needs a number"),
        ("lvs_sync_daemon eth1 VI_1 port x", "port needs a number"),
    ] {
        let found = translated(&pair(line, ""));
        assert!(
            note(&found, part).starts_with("k.conf:2: lvs_sync_daemon: error"),
            "{line}"
        );
    }
    let found = translated(&pair("lvs_sync_daemon eth1 VI_1 id 256", ""));
    let wrong = resolved(found).unwrap_err().render();
    assert!(wrong.starts_with("k.conf:2: id = 256: "), "{wrong}");
}

#[test]
fn the_times_of_ipvs_are_carried_over_whatever_carries_the_connections() {
    let found = translated("global_defs {\n lvs_timeouts tcp 7200 udp 30 # why\n}\n");
    assert!(notes(&found).is_empty(), "{:?}", notes(&found));
    assert!(
        found.toml.contains("[ipvs_timeouts] # why"),
        "{}",
        found.toml
    );
    let model = model(&found);
    let expected = IpvsTimeouts {
        tcp: Some(Duration::from_secs(7200)),
        tcp_fin: None,
        udp: Some(Duration::from_secs(30)),
        expire_quiescent: None,
    };
    assert_eq!(model.ipvs_timeouts, expected);
    assert_eq!(model.dataplane.kind, DataPlaneKind::Nftables);
}

#[test]
fn times_of_ipvs_that_cannot_be_understood_are_an_error() {
    for (line, part) in [
        ("lvs_timeouts", "needs tcp, tcpfin or udp"),
        ("lvs_timeouts 1", "1 is not tcp, tcpfin or udp"),
        ("lvs_timeouts tcp", "tcp needs a number of seconds"),
        ("lvs_timeouts udp 5m", "udp needs a number of seconds"),
    ] {
        let found = translated(&format!("global_defs {{\n {line}\n}}\n"));
        assert!(
            note(&found, part).starts_with("k.conf:2: lvs_timeouts: error"),
            "{line}"
        );
    }
    let found = translated("global_defs {\n lvs_timeouts tcpfin 0\n}\n");
    let wrong = resolved(found).unwrap_err().render();
    assert!(wrong.starts_with("k.conf:2: tcp_fin = \"0s\": "), "{wrong}");
}
