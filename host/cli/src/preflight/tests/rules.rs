//! Each rule by itself: one thing changed on a machine where all is well.

use super::super::facts::has_drop_policy;
use super::*;

#[test]
fn a_machine_where_all_is_well_has_nothing_amiss() {
    assert_eq!(amiss(&article(), &director()), []);
}

#[test]
fn without_the_right_to_change_the_network_nothing_works() {
    let facts = Facts {
        net_admin: false,
        ..director()
    };
    assert_only(&article(), &facts, Level::Error, &["CAP_NET_ADMIN", "root"]);
}

#[test]
fn what_the_data_plane_lacks_is_passed_on() {
    let problem = |fatal| Problem {
        fatal,
        what: "no nft".to_owned(),
        remedy: "install it".to_owned(),
    };
    for (fatal, level) in [(true, Level::Error), (false, Level::Warning)] {
        let probe = Probe {
            problems: vec![problem(fatal)],
            ..probe()
        };
        let findings = judge(&article(), &WantedCounts::default(), &probe, &director());
        let told = Finding {
            level,
            what: "no nft".to_owned(),
            remedy: Some("install it".to_owned()),
        };
        assert!(findings.contains(&told), "{findings:#?}");
    }
}

#[test]
fn a_machine_that_does_not_forward_the_family_in_use_needs_one_command() {
    let facts = Facts {
        forwards_v4: Some(false),
        ..director()
    };
    assert_only(
        &article(),
        &facts,
        Level::Error,
        &["IPv4", "sysctl -w net.ipv4.ip_forward=1"],
    );

    let six = model(vec![service(
        "web",
        "[2001:db8::1]:80",
        &["[2001:db8:1::2]:80"],
    )]);
    let mut facts = director();
    facts.addresses.push(own("eth0", 2, "2001:db8::1/64"));
    facts.routes.insert(ip("2001:db8:1::2"), Route::Direct(3));
    assert_only(
        &six,
        &facts,
        Level::Error,
        &["IPv6", "sysctl -w net.ipv6.conf.all.forwarding=1"],
    );
    facts.forwards_v6 = None;
    assert_only(&six, &facts, Level::Error, &["kernel has no IPv6"]);
}

#[test]
fn a_server_on_this_machine_needs_no_forwarding() {
    let model = model(vec![service(
        "web",
        "10.10.54.151:80",
        &["172.16.50.155:8080"],
    )]);
    let mut facts = Facts {
        forwards_v4: Some(false),
        ..director()
    };
    facts.routes.insert(ip("172.16.50.155"), Route::Local);
    facts
        .listening
        .insert((Protocol::Tcp, "0.0.0.0:8080".parse().unwrap()));
    assert_eq!(amiss(&model, &facts), []);
}

#[test]
fn room_for_few_connections_or_nearly_none_left_is_a_warning() {
    let cases = [
        ((0, 65_535), Some("nf_conntrack_max=262144")),
        ((0, 65_536), None),
        ((80_000, 100_000), None),
        ((80_001, 100_000), Some("nf_conntrack_max=400000")),
        ((60_000, 60_000), Some("nf_conntrack_max=262144")),
    ];
    for ((count, max), words) in cases {
        let facts = Facts {
            conntrack: Some(Conntrack { count, max }),
            ..director()
        };
        match words {
            Some(words) => assert_only(&article(), &facts, Level::Warning, &[words]),
            None => assert_eq!(amiss(&article(), &facts), []),
        }
    }
    assert_eq!(
        amiss(
            &article(),
            &Facts {
                conntrack: None,
                ..director()
            }
        ),
        []
    );
}

#[test]
fn a_virtual_address_that_nobody_here_has_is_a_warning_unless_evenkeel_puts_it_there() {
    let mut facts = director();
    facts.addresses.retain(|own| own.addr != ip("10.10.54.151"));
    let words = ["10.10.54.151", "service web", "set `interface`"];
    assert_only(&article(), &facts, Level::Warning, &words);

    let mut model = article();
    model.services[0].assign = Some(assign("eth0", "10.10.54.151", 24));
    assert_eq!(amiss(&model, &facts), []);
}

#[test]
fn an_interface_that_does_not_exist_is_an_error_that_lists_those_that_do() {
    let mut model = article();
    model.services[0].assign = Some(assign("eht0", "10.10.54.151", 24));
    let words = ["\"eht0\"", "service web", "lo, eth0, eth1"];
    assert_only(&model, &director(), Level::Error, &words);
}

#[test]
fn an_address_to_be_put_here_that_others_manage_is_a_warning_and_one_of_ours_is_not() {
    let mut model = article();
    model.services[0].assign = Some(assign("eth0", "10.10.54.151", 24));
    let mut facts = director();
    assert_only(
        &model,
        &facts,
        Level::Warning,
        &["10.10.54.151/24 on eth0", "keepalived"],
    );
    facts.addresses[2].ours = true;
    assert_eq!(amiss(&model, &facts), []);
}

#[test]
fn services_of_one_address_are_one_finding() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let services = names
        .iter()
        .zip(80..)
        .map(|(name, port)| service(name, &format!("10.10.54.99:{port}"), &["172.16.50.157:80"]));
    let words = ["services a, b, c and 3 more", "10.10.54.99"];
    assert_only(
        &model(services.collect()),
        &director(),
        Level::Warning,
        &words,
    );
}

#[test]
fn a_local_process_on_the_same_address_and_port_is_a_warning() {
    let cases = [
        (Protocol::Tcp, "10.10.54.151:80", true),
        (Protocol::Tcp, "0.0.0.0:80", true),
        (Protocol::Tcp, "[::]:80", true),
        (Protocol::Udp, "0.0.0.0:80", false),
        (Protocol::Tcp, "0.0.0.0:81", false),
        (Protocol::Tcp, "10.10.54.155:80", false),
        (Protocol::Tcp, "[::1]:80", false),
    ];
    for (protocol, listening, warned) in cases {
        let mut facts = director();
        facts
            .listening
            .insert((protocol, listening.parse().unwrap()));
        if warned {
            assert_only(
                &article(),
                &facts,
                Level::Warning,
                &[listening, "not to it"],
            );
        } else {
            assert_eq!(amiss(&article(), &facts), [], "{protocol} {listening}");
        }
    }
}

#[test]
fn an_ipv4_wildcard_takes_no_ipv6() {
    let six = model(vec![service(
        "web",
        "[2001:db8::1]:80",
        &["[2001:db8:1::2]:80"],
    )]);
    let mut facts = Facts {
        forwards_v6: Some(true),
        ..director()
    };
    facts.addresses.push(own("eth0", 2, "2001:db8::1/64"));
    facts.routes.insert(ip("2001:db8:1::2"), Route::Direct(3));
    facts
        .listening
        .insert((Protocol::Tcp, "0.0.0.0:80".parse().unwrap()));
    assert_eq!(amiss(&six, &facts), []);
    facts
        .listening
        .insert((Protocol::Tcp, "[::]:80".parse().unwrap()));
    assert_only(&six, &facts, Level::Warning, &["[::]:80"]);
}

#[test]
fn a_service_that_ipvs_balances_too_is_a_warning() {
    let mut facts = director();
    facts
        .ipvs
        .insert((Protocol::Tcp, "10.10.54.151:80".parse().unwrap()));
    let words = ["IPVS", "keepalived", "ipvsadm -D -t 10.10.54.151:80"];
    assert_only(&article(), &facts, Level::Warning, &words);
}

#[test]
fn a_real_server_with_this_machines_own_address_is_an_error_unless_it_is_served_here() {
    // The article's slip: the backup director's eth1 has the first real server's address.
    let mut facts = director();
    facts.addresses[3] = own("eth1", 3, "172.16.50.157/24");
    facts.routes.insert(ip("172.16.50.157"), Route::Local);
    let words = [
        "172.16.50.157:80",
        "this machine's own",
        "eth1",
        "service web",
    ];
    assert_only(&article(), &facts, Level::Error, &words);

    let mut elsewhere = facts.clone();
    elsewhere
        .listening
        .insert((Protocol::Tcp, "127.0.0.1:80".parse().unwrap()));
    assert_only(&article(), &elsewhere, Level::Error, &words);

    facts
        .listening
        .insert((Protocol::Tcp, "172.16.50.157:80".parse().unwrap()));
    assert_eq!(amiss(&article(), &facts), []);
}

#[test]
fn a_real_server_that_is_a_service_or_the_loopback_is_an_error() {
    let model_of = |address: &str| model(vec![service("web", "10.10.54.151:80", &[address])]);
    let facts = director();
    assert_only(
        &model_of("10.10.54.151:8080"),
        &facts,
        Level::Error,
        &["virtual service"],
    );
    assert_only(
        &model_of("127.0.0.1:8080"),
        &facts,
        Level::Error,
        &["loopback"],
    );
}

#[test]
fn a_real_server_without_a_way_to_it_is_an_error_that_names_the_networks_here() {
    let mut facts = director();
    let why = "Network is unreachable (os error 101)".to_owned();
    facts.routes.insert(ip("172.16.50.159"), Route::None(why));
    let words = [
        "172.16.50.159",
        "Network is unreachable",
        "10.10.54.0/24, 172.16.50.0/24",
    ];
    assert_only(&article(), &facts, Level::Error, &words);
}

#[test]
fn a_real_server_behind_a_router_is_a_warning_unless_it_sees_the_director_only() {
    let mut facts = director();
    facts.routes.insert(ip("172.16.50.157"), Route::Gateway(2));
    let mut model = article();
    assert_only(
        &model,
        &facts,
        Level::Warning,
        &["172.16.50.157", "way back", "snat = true"],
    );
    model.services[0].snat = true;
    assert_eq!(amiss(&model, &facts), []);
}

#[test]
fn servers_behind_a_bridge_that_netfilter_sees_are_a_warning() {
    let mut facts = Facts {
        bridge_filter_v4: true,
        ..director()
    };
    assert_eq!(amiss(&article(), &facts), [], "there is no bridge");
    facts.interfaces.insert(
        3,
        Interface {
            name: "br0".to_owned(),
            bridge: true,
        },
    );
    let words = [
        "br0",
        "real servers 172.16.50.157, 172.16.50.159",
        "bridge-nf-call-iptables=0",
    ];
    assert_only(&article(), &facts, Level::Warning, &words);
    let facts = Facts {
        bridge_filter_v4: false,
        bridge_filter_v6: true,
        ..facts
    };
    assert_eq!(amiss(&article(), &facts), [], "that is for IPv6");
}

#[test]
fn a_service_whose_servers_all_have_weight_0_is_a_warning() {
    let mut model = article();
    model.services[0].servers[0].weight = 0;
    assert_eq!(amiss(&model, &director()), []);
    model.services[0].servers[1].weight = 0;
    assert_only(
        &model,
        &director(),
        Level::Warning,
        &["weight 0", "service web"],
    );
}

#[test]
fn a_drop_policy_of_iptables_own_tables_is_a_warning_with_the_command() {
    let facts = Facts {
        legacy_drop: vec!["iptables-legacy", "ip6tables-legacy"],
        ..director()
    };
    let words = [
        "iptables-legacy, chain FORWARD",
        "-I FORWARD -m conntrack --ctstate DNAT -j ACCEPT",
    ];
    assert_only(&article(), &facts, Level::Warning, &words);
    assert!(has_drop_policy("-P FORWARD DROP\n-A FORWARD -j DOCKER\n"));
    assert!(!has_drop_policy("-P FORWARD ACCEPT\n-A FORWARD -j DROP\n"));
}

#[test]
fn strict_reverse_path_filtering_is_a_warning_where_clients_are_answered_by_another_interface() {
    let facts = |strict: &str, out: u32| Facts {
        strict: [strict.to_owned()].into(),
        elsewhere: Some(Route::Gateway(out)),
        ..director()
    };
    // The service's address is on eth0.
    let words = ["come in by eth0 and are answered by eth1", "rp_filter=2"];
    assert_only(&article(), &facts("eth0", 3), Level::Warning, &words);
    for fine in [facts("eth0", 2), facts("eth1", 3)] {
        assert_eq!(amiss(&article(), &fine), []);
    }
}
