//! The whole text, and a look at a real machine.

use std::collections::BTreeSet;
use std::path::Path;

use super::super::facts::ipvs_services;
use super::*;
use evenkeel_tests::{Net, with_net};

#[test]
fn the_text_for_a_machine_where_all_is_well() {
    insta::assert_snapshot!(rendered(&article(), &probe(), &director()), @"
    ok       may change the network (CAP_NET_ADMIN)
    ok       nftables: Linux 6.1, nft 1.0.6
    ok       forwards IPv4 (net.ipv4.ip_forward = 1)
    ok       tracks 12 connections of 262144 at most
    ok       service web: 10.10.54.151/24 on eth0
    ok       real servers 172.16.50.157, 172.16.50.159: on a network of this machine
    ");
}

#[test]
fn the_text_for_the_articles_backup_director_on_its_first_day() {
    let mut facts = director();
    facts.forwards_v4 = Some(false);
    facts.conntrack = Some(Conntrack {
        count: 0,
        max: 15_000,
    });
    facts.addresses = vec![
        own("lo", 1, "127.0.0.1/8"),
        own("eth0", 2, "10.10.54.156/24"),
        own("eth1", 3, "172.16.50.157/24"),
    ];
    facts.routes.insert(ip("172.16.50.157"), Route::Local);
    facts
        .ipvs
        .insert((Protocol::Tcp, "10.10.54.151:80".parse().unwrap()));
    insta::assert_snapshot!(rendered(&article(), &probe(), &facts), @"
    ok       may change the network (CAP_NET_ADMIN)
    ok       nftables: Linux 6.1, nft 1.0.6
    error    does not forward IPv4: real servers get no connections
             -> sysctl -w net.ipv4.ip_forward=1, and put net.ipv4.ip_forward = 1 in a file in /etc/sysctl.d to keep it
    warning  tracks 0 connections of 15000 at most, which is little: every balanced connection takes one
             -> sysctl -w net.netfilter.nf_conntrack_max=262144, and keep it in a file in /etc/sysctl.d
    warning  service web: this machine does not have 10.10.54.151, so clients on its network find nobody there
             -> set `interface` in the service, and Evenkeel puts the address there; or see that a router sends it here
    warning  service web: IPVS balances tcp 10.10.54.151:80 too; it gets no more new connections
             -> stop keepalived, or take the virtual_server out of it; then ipvsadm -D -t 10.10.54.151:80
    error    service web: real server 172.16.50.157:80 has this machine's own address (eth1), and nothing listens there
             -> give eth1 another address: two machines with the same one cannot both be reached; or start the server here, if it is meant to run on this machine
    ok       real server 172.16.50.159: on a network of this machine
    ");
}

#[test]
fn a_data_plane_that_cannot_work_is_never_ok() {
    let why = "no data plane works on this machine. nftables: ...; ipvs: ...".to_owned();
    let chosen = Chosen {
        why,
        ..Chosen::default()
    };
    let fatal = Probe {
        problems: vec![Problem {
            fatal: true,
            what: "cannot read the tables: Operation not permitted".to_owned(),
            remedy: "run as root".to_owned(),
        }],
        ..probe()
    };
    let found = machine::chosen(&chosen, &fatal);
    assert_eq!(found.level, Level::Error, "{found}");
    assert!(found.what.contains("nft 1.0.6"), "{found}");
    let text = rendered(&article(), &fatal, &director());
    assert!(!text.contains("ok       nftables"), "{text}");
    assert!(text.contains("error    cannot read the tables"), "{text}");
    let found = machine::chosen(&chosen, &probe());
    assert_eq!(found.level, Level::Ok);
}

#[test]
fn a_few_names_are_all_named_and_of_many_three() {
    assert_eq!(listed(&["a"]), "a");
    assert_eq!(listed(&["a", "b", "c", "d"]), "a, b, c, d");
    assert_eq!(listed(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
}

#[test]
fn the_kernels_list_of_ipvs_services_is_understood() {
    let text = "IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  0A0A3697:0050 rr
  -> AC10329D:0050      Masq    1      0          0
UDP  [2001:0db8:0000:0000:0000:0000:0000:0001]:0035 wrr
FWM  00000001 rr
";
    let expected = BTreeSet::from([
        (Protocol::Tcp, "10.10.54.151:80".parse().unwrap()),
        (Protocol::Udp, "[2001:db8::1]:53".parse().unwrap()),
    ]);
    assert_eq!(ipvs_services(text), expected);
}

#[test]
fn a_real_machine_is_seen_as_it_is() {
    with_net(async |net: Net| {
        net.up("lo");
        net.interface("eth0");
        net.bridge("br0");
        net.add("eth0", "10.10.54.151", 24);
        net.add("br0", "172.16.50.155", 24);
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "0").unwrap();
        std::fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1").unwrap();
        for (name, value) in [("all", "0"), ("eth0", "1"), ("br0", "2"), ("lo", "0")] {
            let key = format!("/proc/sys/net/ipv4/conf/{name}/rp_filter");
            std::fs::write(key, value).unwrap();
        }
        // Not there before the kernel tracks connections.
        let events = Path::new("/proc/sys/net/netfilter/nf_conntrack_events");
        let events = events
            .exists()
            .then(|| std::fs::write(events, "1").unwrap())
            .map(|()| 1);
        let tcp = std::net::TcpListener::bind("10.10.54.151:0").unwrap();
        let udp = std::net::UdpSocket::bind("[::1]:0").unwrap();
        let client = std::net::TcpStream::connect(tcp.local_addr().unwrap()).unwrap();

        let mut model = article();
        model.services[0].servers.push(server("192.0.2.1:80"));
        let facts = Facts::gather(&model).await.unwrap();

        assert!(facts.net_admin);
        assert_eq!(facts.strict, BTreeSet::from(["eth0".to_owned()]));
        assert_eq!(facts.conntrack_events, events);
        assert_eq!(
            (facts.forwards_v4, facts.forwards_v6),
            (Some(false), Some(true))
        );
        let bridges: Vec<&str> = facts
            .interfaces
            .values()
            .filter(|there| there.bridge)
            .map(|there| there.name.as_str())
            .collect();
        assert_eq!(bridges, ["br0"]);
        let br0 = *facts
            .interfaces
            .iter()
            .find(|(_, there)| there.bridge)
            .unwrap()
            .0;
        assert_eq!(facts.routes[&ip("172.16.50.157")], Route::Direct(br0));
        assert!(matches!(facts.routes[&ip("192.0.2.1")], Route::None(_)));
        assert!(
            facts
                .addresses
                .iter()
                .any(|own| own.to_string() == "10.10.54.151/24 on eth0")
        );
        let listening = BTreeSet::from([
            (Protocol::Tcp, tcp.local_addr().unwrap()),
            (Protocol::Udp, udp.local_addr().unwrap()),
        ]);
        assert_eq!(facts.listening, listening, "and not the connections");
        drop(client);

        let findings = preflight(&model, &WantedCounts::default(), Ok(probe())).await;
        let errors = findings
            .iter()
            .filter(|finding| finding.level == Level::Error)
            .count();
        assert_eq!(
            errors, 2,
            "forwarding and the server without a way to it: {findings:#?}"
        );
    });
}
