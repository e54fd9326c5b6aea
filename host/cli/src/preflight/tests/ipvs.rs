//! What is looked at where IPVS carries the connections.

use std::num::NonZeroU32;
use std::time::Duration;

use evenkeel_core::model::{ConnectionSync, DataPlaneKind};

use super::*;

/// The article's service on IPVS, with servers that are reached like this.
fn on_ipvs(forward: Forward) -> Model {
    let mut model = article();
    model.dataplane.kind = DataPlaneKind::Ipvs;
    for server in &mut model.services[0].servers {
        server.forward = forward;
    }
    model
}

#[test]
fn a_director_where_all_is_well_has_nothing_amiss_in_any_way() {
    for forward in [Forward::Nat, Forward::Dr, Forward::Tun] {
        assert_eq!(amiss(&on_ipvs(forward), &director()), [], "{forward}");
    }
}

#[test]
fn only_nat_needs_forwarding_and_room_in_conntrack() {
    let facts = Facts {
        forwards_v4: Some(false),
        conntrack: Some(Conntrack {
            count: 60_000,
            max: 60_000,
        }),
        ..director()
    };
    let nat = amiss(&on_ipvs(Forward::Nat), &facts);
    assert_eq!(nat.len(), 2, "{nat:#?}");
    assert!(nat[0].1.contains("net.ipv4.ip_forward=1"));
    for forward in [Forward::Dr, Forward::Tun] {
        assert_eq!(amiss(&on_ipvs(forward), &facts), [], "{forward}");
    }
}

#[test]
fn ipvs_takes_only_what_is_for_an_address_of_this_machine() {
    let mut facts = director();
    facts.addresses.retain(|own| own.addr != ip("10.10.54.151"));
    let words = ["10.10.54.151", "IPVS takes only", "set `interface`"];
    assert_only(&on_ipvs(Forward::Dr), &facts, Level::Error, &words);
    let mut model = on_ipvs(Forward::Dr);
    model.services[0].assign = Some(assign("eth0", "10.10.54.151", 24));
    assert_eq!(amiss(&model, &facts), []);
}

#[test]
fn what_ipvs_balances_already_is_no_trouble_where_it_is_ours() {
    let mut facts = director();
    facts
        .ipvs
        .insert((Protocol::Tcp, "10.10.54.151:80".parse().unwrap()));
    assert_eq!(amiss(&on_ipvs(Forward::Nat), &facts), []);
}

#[test]
fn ipvs_counts_connections_without_conntracks_events() {
    let mut model = on_ipvs(Forward::Nat);
    model.services[0].servers[0].upper_threshold = Some(5);
    let facts = Facts {
        conntrack_events: Some(0),
        ..director()
    };
    assert_eq!(amiss(&model, &facts), []);
    model.dataplane.kind = DataPlaneKind::Nftables;
    assert_only(&model, &facts, Level::Error, &["nf_conntrack_events"]);
}

#[test]
fn direct_routing_does_not_pass_a_router_and_a_tunnel_does() {
    let mut facts = director();
    facts.routes.insert(ip("172.16.50.159"), Route::Gateway(3));
    let words = ["real server 172.16.50.159", "behind a router", "\"tun\""];
    assert_only(&on_ipvs(Forward::Dr), &facts, Level::Error, &words);
    assert_eq!(amiss(&on_ipvs(Forward::Tun), &facts), []);
    let why = "Network is unreachable (os error 101)".to_owned();
    facts.routes.insert(ip("172.16.50.159"), Route::None(why));
    assert_only(
        &on_ipvs(Forward::Tun),
        &facts,
        Level::Error,
        &["172.16.50.159", "Network is unreachable"],
    );
}

#[test]
fn a_server_is_not_reached_from_an_address_that_it_has_itself() {
    let mut facts = director();
    facts
        .sources
        .insert(ip("172.16.50.157"), ip("172.16.50.155"));
    for forward in [Forward::Nat, Forward::Dr, Forward::Tun] {
        assert_eq!(amiss(&on_ipvs(forward), &facts), [], "{forward}");
    }
    facts
        .sources
        .insert(ip("172.16.50.157"), ip("10.10.54.151"));
    assert_eq!(amiss(&on_ipvs(Forward::Nat), &facts), []);
    let words = ["172.16.50.157:80 from 10.10.54.151", "give eth0 another"];
    for forward in [Forward::Dr, Forward::Tun] {
        assert_only(&on_ipvs(forward), &facts, Level::Error, &words);
    }
}

#[test]
fn an_ipv6_address_with_a_network_may_be_a_source_where_servers_have_it() {
    let six = |prefix, forward| {
        let mut model = model(vec![service(
            "web",
            "[2001:db8::1]:80",
            &["[2001:db8::2]:80"],
        )]);
        model.dataplane.kind = DataPlaneKind::Ipvs;
        model.services[0].assign = Some(assign("eth0", "2001:db8::1", prefix));
        model.services[0].servers[0].forward = forward;
        model
    };
    let mut facts = Facts {
        forwards_v6: Some(true),
        ..director()
    };
    facts.routes.insert(ip("2001:db8::2"), Route::Direct(2));
    assert_eq!(amiss(&six(128, Forward::Dr), &facts), []);
    assert_eq!(amiss(&six(64, Forward::Nat), &facts), []);
    let words = ["prefix length 64", "write 2001:db8::1/128"];
    assert_only(&six(64, Forward::Dr), &facts, Level::Warning, &words);
    assert_only(&six(64, Forward::Tun), &facts, Level::Warning, &words);
}

#[test]
fn the_kernel_says_from_which_address_it_reaches_a_server() {
    use evenkeel_tests::{Net, with_net};
    with_net(async |net: Net| {
        net.interface("eth0");
        net.add("eth0", "10.10.54.155", 24);
        net.add_v6("eth0", "2001:db8::155", 64);
        let mut model = on_ipvs(Forward::Dr);
        model.services[0].servers = vec![server("10.10.54.9:80"), server("[2001:db8::9]:80")];
        for server in &mut model.services[0].servers {
            server.forward = Forward::Dr;
        }
        let facts = Facts::gather(&model).await.unwrap();
        assert_eq!(facts.sources[&ip("10.10.54.9")], ip("10.10.54.155"));
        assert_eq!(facts.sources[&ip("2001:db8::9")], ip("2001:db8::155"));
    });
}

#[test]
fn marked_packets_come_here_by_a_rule_or_only_those_for_this_machine_do() {
    let mark = NonZeroU32::new(7).unwrap();
    let mut model = on_ipvs(Forward::Dr);
    model.services[0].key = ServiceKey {
        addr: ip("0.0.0.0"),
        port: 0,
        protocol: Protocol::Fwmark(mark),
    };
    let mut facts = director();
    facts.marked.insert((7, true), Route::Local);
    assert_eq!(amiss(&model, &facts), []);
    facts.marked.insert((7, true), Route::Gateway(2));
    let words = [
        "fwmark 7",
        "ip rule add fwmark 7 lookup 100; ip route add local default dev lo table 100",
    ];
    assert_only(&model, &facts, Level::Warning, &words);
}

#[test]
fn connections_are_copied_over_an_interface_that_there_is() {
    let mut model = on_ipvs(Forward::Nat);
    let sync = |interface: &str| ConnectionSync {
        interface: interface.to_owned(),
        vrrp: "pair".to_owned(),
        id: 1,
        group: None,
        port: None,
        ttl: None,
        max_len: None,
    };
    model.connection_sync = Some(sync("eth1"));
    assert_eq!(amiss(&model, &director()), []);
    model.connection_sync = Some(sync("eht1"));
    let words = ["[connection_sync]", "\"eht1\"", "lo, eth0, eth1"];
    assert_only(&model, &director(), Level::Error, &words);
}

#[test]
fn times_of_ipvs_mean_nothing_where_nftables_carries_the_connections() {
    let mut model = on_ipvs(Forward::Nat);
    model.ipvs_timeouts.tcp = Some(Duration::from_secs(60));
    assert_eq!(amiss(&model, &director()), []);
    model.dataplane.kind = DataPlaneKind::Nftables;
    let words = ["[ipvs_timeouts]", "nf_conntrack_tcp_timeout_established"];
    assert_only(&model, &director(), Level::Warning, &words);
}

#[test]
fn the_kernel_says_how_it_would_treat_marked_packets() {
    use evenkeel_tests::{Net, with_net};
    with_net(async |net: Net| {
        net.up("lo");
        let mut model = on_ipvs(Forward::Dr);
        model.services[0].key = ServiceKey {
            addr: ip("0.0.0.0"),
            port: 0,
            protocol: Protocol::Fwmark(NonZeroU32::new(7).unwrap()),
        };
        let before = Facts::gather(&model).await.unwrap();
        assert!(matches!(before.marked[&(7, true)], Route::None(_)));
        for command in [
            "ip rule add fwmark 7 lookup 100",
            "ip route add local default dev lo table 100",
        ] {
            let mut words = command.split(' ');
            let status = std::process::Command::new(words.next().unwrap())
                .args(words)
                .status()
                .unwrap();
            assert!(status.success(), "{command}");
        }
        let after = Facts::gather(&model).await.unwrap();
        assert_eq!(after.marked[&(7, true)], Route::Local);
    });
}
