//! The data plane that a configuration gets, and what only IPVS does: ways to servers, firewall marks, connection synchronisation.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::errors::reports;
use super::fixture::{Shelf, model, resolve};
use crate::parse;
use evenkeel_core::model::{
    ConnectionSync, DataPlaneChoice, DataPlaneKind, Forward, IpvsTimeouts, Model, Offload, OnDown,
    Protocol,
};

/// A service with these keys and a server on the same port.
fn service(keys: &str) -> String {
    format!(
        "[[service]]\nname = \"a\"\nlisten = \"10.0.0.1:80\"\nserver = [{{ address = \"10.9.0.2:80\" }}]\n{keys}\n"
    )
}

/// A service with these keys and servers.
fn servers(keys: &str, servers: &str) -> String {
    format!(
        "[[service]]\nname = \"a\"\nlisten = \"10.0.0.1:80\"\n{keys}\nserver = [\n{servers}\n]\n"
    )
}

/// A service by firewall mark.
fn marked(keys: &str, servers: &str) -> String {
    servers_of_mark("fwmark = 7", keys, servers)
}

fn servers_of_mark(mark: &str, keys: &str, servers: &str) -> String {
    format!("[[service]]\nname = \"a\"\n{mark}\n{keys}\nserver = [\n{servers}\n]\n")
}

const PAIR: &str =
    "[[vrrp]]\nname = \"pair\"\ninterface = \"eth0\"\nrouter_id = 51\naddress = \"10.0.0.1/24\"\n";

/// A pair of directors with these keys of connection synchronisation.
fn synchronised(keys: &str) -> String {
    format!("{PAIR}[connection_sync]\n{keys}\n")
}

fn plane(text: &str, broken: &[DataPlaneKind]) -> Result<Model, String> {
    let mut shelf = Shelf::new();
    shelf.broken = broken
        .iter()
        .map(|kind| (*kind, format!("this kernel has no {kind}")))
        .collect::<BTreeMap<_, _>>();
    let resolved = parse("/etc/lb.toml", text).resolve(&shelf, &shelf);
    resolved
        .map(|(model, _)| model)
        .map_err(|report| report.render())
}

use DataPlaneKind::{Ipvs, Nftables};

#[test]
fn the_data_plane_is_nftables_unless_something_needs_ipvs() {
    let cases = [
        (String::new(), Nftables),
        (service(""), Nftables),
        (service("forward = \"nat\""), Nftables),
        (service("inhibit_on_failure = true"), Nftables),
        (
            "dataplane = \"nftables\"\n".to_owned() + &service(""),
            Nftables,
        ),
        ("dataplane = \"ipvs\"\n".to_owned() + &service(""), Ipvs),
        (service("forward = \"dr\""), Ipvs),
        (service("forward = \"tun\""), Ipvs),
        (service("protocol = \"sctp\""), Ipvs),
        (marked("", "{ address = \"10.9.0.2\" }"), Ipvs),
        (
            servers("", "{ address = \"10.9.0.2:80\", forward = \"dr\" }"),
            Ipvs,
        ),
        (synchronised("vrrp = \"pair\"\ninterface = \"eth0\""), Ipvs),
    ];
    for (text, kind) in cases {
        assert_eq!(model(&text).dataplane.kind, kind, "{text}");
    }
    let why = |text: &str| model(text).dataplane.why;
    assert_eq!(
        why(&service("forward = \"dr\"")),
        "only IPVS does forward = \"dr\" at /etc/lb.toml:5:11"
    );
    assert_eq!(
        why(&synchronised("vrrp = \"pair\"\ninterface = \"eth0\"")),
        "only IPVS does [connection_sync] at /etc/lb.toml:6:1"
    );
}

#[test]
fn what_works_on_the_machine_counts_and_what_does_not_is_no_fault_of_the_file() {
    let chosen = |text: &str, broken: &[DataPlaneKind]| plane(text, broken).unwrap().dataplane;
    let found = chosen(&service(""), &[Nftables]);
    assert_eq!(found.kind, Ipvs);
    assert_eq!(
        found.why,
        "nftables does not work on this machine: this kernel has no nftables"
    );
    // Whoever opens the data plane says what is wrong with it.
    let found = chosen(&service(""), &[Nftables, Ipvs]);
    assert_eq!(found.kind, Nftables);
    assert!(found.why.contains("no ipvs") && found.why.contains("no nftables"));
}

#[test]
fn what_the_data_plane_cannot_do_is_reported_where_it_is_written() {
    let everything = service("forward = \"dr\"\nprotocol = \"sctp\"")
        + "[[service]]\nname = \"b\"\nfwmark = 5\nserver = [{ address = \"10.9.0.2\", forward = \"tun\" }]\n"
        + &synchronised("vrrp = \"pair\"\ninterface = \"eth0\"");
    let reports = [
        plane(&format!("dataplane = \"nftables\"\n{everything}"), &[]),
        plane(&service("forward = \"tun\""), &[Ipvs]),
        plane(
            &("dataplane = \"ipvs\"\n".to_owned() + &service("")),
            &[Ipvs],
        ),
        plane(
            &("dataplane = \"nftables\"\n".to_owned() + &service("")),
            &[Nftables],
        ),
    ]
    .map(Result::unwrap_err);
    insta::assert_snapshot!(reports.join("\n----\n"));
}

#[test]
fn a_reload_does_not_change_the_data_plane() {
    let mut shelf = Shelf::new();
    shelf.running = Some(Nftables);
    shelf.broken = [(Nftables, "it is not asked".to_owned())].into();
    let reload = |text: &str| {
        let resolved = parse("/etc/lb.toml", text).resolve(&shelf, &shelf);
        resolved.map(|(model, _)| model.dataplane.kind)
    };
    assert_eq!(reload(&service("")).unwrap(), Nftables);
    let reports = [
        service("forward = \"dr\""),
        "dataplane = \"ipvs\"\n".to_owned() + &service(""),
    ]
    .map(|text| reload(&text).unwrap_err().render());
    insta::assert_snapshot!(reports.join("\n----\n"));
}

#[test]
fn the_choice_and_the_offload_are_the_daemons_settings() {
    let daemon = model("").daemon;
    assert_eq!(
        (daemon.dataplane, daemon.offload),
        (DataPlaneChoice::Auto, Offload::Auto)
    );
    let daemon = model("dataplane = \"ipvs\"\noffload = \"off\"\n").daemon;
    assert_eq!(
        (daemon.dataplane, daemon.offload),
        (DataPlaneChoice::Only(Ipvs), Offload::Off)
    );
}

#[test]
fn a_servers_own_way_takes_the_place_of_its_services() {
    let text = servers(
        "forward = \"dr\"\ninhibit_on_failure = true",
        "{ address = \"10.9.0.2:80\" },\n{ address = \"10.9.0.3:80\", forward = \"tun\", inhibit_on_failure = false },\n\
         { address = \"10.9.0.4:8080\", forward = \"nat\" }",
    );
    let model = model(&text);
    let ways: Vec<(Forward, bool)> = model.services[0]
        .servers
        .iter()
        .map(|server| (server.forward, server.inhibit_on_failure))
        .collect();
    assert_eq!(
        ways,
        [
            (Forward::Dr, true),
            (Forward::Tun, false),
            (Forward::Nat, true)
        ]
    );
}

#[test]
fn udp_flows_of_a_failed_server_are_kept_where_it_stays_in_the_kernel() {
    let on_down = |keys: &str| model(&service(keys)).services[0].on_down;
    assert_eq!(on_down("protocol = \"udp\""), OnDown::Kill);
    assert_eq!(
        on_down("protocol = \"udp\"\ninhibit_on_failure = true"),
        OnDown::Keep
    );
    assert_eq!(
        on_down("protocol = \"udp\"\ninhibit_on_failure = true\non_down = \"kill\""),
        OnDown::Kill
    );
    assert_eq!(on_down("protocol = \"sctp\""), OnDown::Keep);
}

#[test]
fn a_firewall_mark_stands_for_address_port_and_protocol() {
    let key = |text: &str| model(text).services[0].key;
    let four = key(&marked("", "{ address = \"10.9.0.2\" }"));
    assert_eq!(four.to_string(), "fwmark 7 (IPv4)");
    assert_eq!(
        four.socket_addr(),
        "0.0.0.0:0".parse::<SocketAddr>().unwrap()
    );
    let six = key(&marked(
        "family = \"ipv6\"",
        "{ address = \"[2001:db8::2]\" }",
    ));
    assert_eq!(six.to_string(), "fwmark 7 (IPv6)");
    assert!(matches!(six.protocol, Protocol::Fwmark(mark) if mark.get() == 7));
}

#[test]
fn a_marked_server_has_the_port_that_is_written_or_none() {
    let text = marked(
        "check = { plugin = \"tcp\", port = 80 }",
        "{ address = \"10.9.0.2\" },\n{ address = \"10.9.0.3:8080\" },\n{ address = \"10.9.0.4:8080\", forward = \"dr\" }",
    );
    let service = &model(&text).services[0];
    let shown: Vec<String> = service
        .servers
        .iter()
        .map(|it| format!("{} {} {}", it.name, it.address, it.checks[0].target))
        .collect();
    assert_eq!(
        shown,
        [
            "10.9.0.2 10.9.0.2:0 10.9.0.2:80",
            "10.9.0.3:8080 10.9.0.3:8080 10.9.0.3:80",
            "10.9.0.4:8080 10.9.0.4:8080 10.9.0.4:80",
        ]
    );
}

#[test]
fn what_does_not_go_together_with_a_firewall_mark_says_so() {
    let one = "{ address = \"10.9.0.2\" }";
    let cases = [
        marked("listen = \"10.0.0.1:80\"", one),
        marked("protocol = \"tcp\"", one),
        marked("interface = \"eth0\"", one),
        marked("prefix = 24", one),
        marked("check = \"tcp\"", one),
        marked("family = \"ipv6\"", one),
        marked("scheduler = \"ask\"", one),
        marked("scheduler = \"hash\"\ndecision = \"per-connection\"", one),
        marked("", "{ address = \"10.9.0.2:0\" }"),
        marked("", one) + &marked("", one).replace("\"a\"", "\"b\""),
        servers_of_mark("fwmark = 4294967296", "", one),
        servers_of_mark("fwmark = \"7\"", "", one),
        service("family = \"ipv4\""),
        // Neither one nor the other.
        servers_of_mark("", "", "{ address = \"10.9.0.2:80\" }"),
        servers("", one),
        servers("", "{ address = \"[2001:db8::2]\" }"),
    ];
    insta::assert_snapshot!(reports(cases));
}

#[test]
fn a_mark_of_both_families_is_two_services_and_suspending_means_nothing() {
    let six = marked("family = \"ipv6\"", "{ address = \"[2001:db8::2]\" }");
    let text =
        marked("ha_suspend = true", "{ address = \"10.9.0.2\" }") + &six.replace("\"a\"", "\"b\"");
    let (model, warnings) = resolve(&text).unwrap();
    assert_eq!(model.services.len(), 2);
    let texts: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "/etc/lb.toml:4:14: warning: ha_suspend = true: a firewall mark has no address that could be elsewhere"
        ]
    );
}

#[test]
fn what_does_not_go_together_with_direct_routing_and_tunnels_says_so() {
    let cases = [
        servers("forward = \"dr\"", "{ address = \"10.9.0.2:8080\" }"),
        servers("", "{ address = \"10.9.0.2:8080\", forward = \"tun\" }"),
        service("forward = \"dr\"\nsnat = true"),
        servers(
            "snat = true",
            "{ address = \"10.9.0.2:80\" },\n{ address = \"10.9.0.3:80\", name = \"b\", forward = \"tun\" }",
        ),
        service("forward = \"dr\"\nprotocol = \"sctp\"\nscheduler = \"ask\""),
        service("lb_kind = \"DR\""),
        service("lvs_method = \"DR\""),
    ];
    insta::assert_snapshot!(reports(cases));
}

#[test]
fn persistence_beside_asking_is_impossible_on_ipvs_only() {
    let keys = "scheduler = \"hash\"\ndecision = \"per-connection\"\npersistence = \"5m\"";
    assert_eq!(model(&service(keys)).services.len(), 1);
    insta::assert_snapshot!(reports([
        "dataplane = \"ipvs\"\n".to_owned() + &service(keys),
        service(&format!("forward = \"dr\"\n{keys}")),
    ]));
    let by_plan = keys.replace("per-connection", "plan");
    assert_eq!(
        model(&service(&format!("forward = \"dr\"\n{by_plan}")))
            .services
            .len(),
        1
    );
}

#[test]
fn where_clients_cannot_be_hidden_that_is_said_in_its_place() {
    let mut shelf = Shelf::new();
    shelf.bare = [(Ipvs, "the kernel has no NAT for it".to_owned())].into();
    let resolve = |text: &str| parse("/etc/lb.toml", text).resolve(&shelf, &shelf);
    assert!(resolve(&service("snat = true")).is_ok());
    let text = "dataplane = \"ipvs\"\n".to_owned() + &service("snat = true");
    insta::assert_snapshot!(resolve(&text).unwrap_err().render(), @r#"
    /etc/lb.toml:6:8: snat = true: impossible on ipvs here: the kernel has no NAT for it
      6 | snat = true
        |        ^^^^
      help: remove it, and make the director the servers' gateway (`evenkeel explain` says how)
            ipvs is used, since the configuration names it
    "#);
}

#[test]
fn connections_are_copied_as_the_instance_goes() {
    let shortest = model(&synchronised("vrrp = \"pair\"\ninterface = \"eth1\""));
    let expected = ConnectionSync {
        interface: "eth1".to_owned(),
        vrrp: "pair".to_owned(),
        id: 51,
        group: None,
        port: None,
        ttl: None,
        max_len: None,
    };
    assert_eq!(shortest.connection_sync, Some(expected));
    let full = model(&synchronised(
        "vrrp = \"pair\"\ninterface = \"eth1\"\nid = 9\ngroup = \"ff02::81\"\nport = 8849\nttl = 2\nmax_len = 1400",
    ));
    let expected = ConnectionSync {
        interface: "eth1".to_owned(),
        vrrp: "pair".to_owned(),
        id: 9,
        group: Some("ff02::81".parse().unwrap()),
        port: Some(8849),
        ttl: Some(2),
        max_len: Some(1400),
    };
    assert_eq!(full.connection_sync, Some(expected));
    assert_eq!(model(PAIR).connection_sync, None);
}

#[test]
fn a_synchronisation_that_cannot_be_says_why() {
    let cases = [
        synchronised(""),
        synchronised("vrrp = \"pear\"\ninterface = \"eth1\""),
        synchronised("vrrp = \"pair\"\ninterface = \"a/b\"\nid = 0\ngroup = \"10.0.0.1\""),
        synchronised(
            "vrrp = \"pair\"\ninterface = \"eth1\"\nport = 0\nttl = 256\nmax_len = 65508\nmaxlen = 3",
        ),
        "connection_sync = \"eth0\"\n".to_owned(),
        format!("{PAIR}[[connection_sync]]\n"),
    ];
    insta::assert_snapshot!(reports(cases));
}

#[test]
fn times_of_ipvs_are_taken_and_do_not_choose_the_data_plane() {
    let given = model("[ipvs_timeouts]\ntcp = \"2h\"\nudp = \"30s\"\n");
    let expected = IpvsTimeouts {
        tcp: Some(Duration::from_secs(7200)),
        tcp_fin: None,
        udp: Some(Duration::from_secs(30)),
        expire_quiescent: None,
    };
    assert_eq!(given.ipvs_timeouts, expected);
    assert_eq!(given.dataplane.kind, Nftables);
    assert_eq!(model("").ipvs_timeouts, IpvsTimeouts::default());
}

#[test]
fn times_of_ipvs_that_cannot_be_say_why() {
    let times = |keys: &str| format!("[ipvs_timeouts]\n{keys}\n");
    let cases = [
        times("tcp = \"25days\"\ntcp_fin = \"0s\"\nudp = \"1500ms\""),
        times("tcp = 900\ntcpfin = \"2m\""),
        "ipvs_timeouts = \"5m\"\n".to_owned(),
    ];
    insta::assert_snapshot!(reports(cases));
}

/// Two services with persistence, of which this becomes of clients of draining servers.
fn draining(first: &str, second: &str) -> String {
    let one = |n: u8, keys: &str| {
        format!(
            "[[service]]\nname = \"s{n}\"\nlisten = \"10.0.0.{n}:80\"\nserver = [{{ address = \"10.9.0.2:80\" }}]\npersistence = {{ timeout = \"5m\"{keys} }}\n"
        )
    };
    one(1, first) + &one(2, second)
}

#[test]
fn on_ipvs_clients_of_draining_servers_move_in_all_services_or_in_none() {
    let (keep, moving) = (", on_drain = \"keep\"", ", on_drain = \"move\"");
    let ipvs = |first, second| format!("dataplane = \"ipvs\"\n{}", draining(first, second));
    for text in [
        draining(moving, keep),
        ipvs(moving, moving),
        ipvs(keep, ""),
        // Nothing is said of the second: it follows.
        ipvs(moving, ""),
    ] {
        assert_eq!(model(&text).services.len(), 2);
    }
    insta::assert_snapshot!(reports([ipvs(keep, moving)]));
}
