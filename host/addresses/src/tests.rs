use std::time::Duration;

use super::namespace::{Net, in_own_namespace};
use super::*;

fn assign(interface: &str, addr: &str, prefix: u8) -> Assign {
    Assign {
        interface: interface.to_owned(),
        addr: addr.parse().unwrap(),
        prefix,
    }
}

fn vip() -> Assign {
    assign("eth0", "10.10.54.151", 24)
}

fn wanted(assigns: impl IntoIterator<Item = Assign>) -> BTreeSet<Assign> {
    assigns.into_iter().collect()
}

/// The addresses but for the loopback and link-local ones, as text; ours with a star.
async fn shown(addresses: &Addresses) -> Vec<String> {
    let own = addresses.list().await.unwrap();
    own.into_iter()
        .filter(|own| own.interface != "lo" && !own.addr.to_string().starts_with("fe80"))
        .map(|own| format!("{own}{}", if own.ours { " *" } else { "" }))
        .collect()
}

#[test]
fn addresses_are_put_on_and_taken_away_by_difference() {
    in_own_namespace(async |net: Net| {
        net.interface("eth0").await;
        net.add("eth0", "10.10.54.155", 24).await;
        let mut addresses = Addresses::open().unwrap();
        let v6 = assign("eth0", "2001:db8::151", 64);

        let done = addresses
            .reconcile(&wanted([vip(), v6.clone()]))
            .await
            .unwrap();
        assert!(done.failures.is_empty(), "{:?}", done.failures);
        assert_eq!(
            done.changes,
            [
                AddressChange::Added(vip()),
                AddressChange::Added(v6.clone())
            ]
        );
        let all = [
            "10.10.54.155/24 on eth0",
            "10.10.54.151/24 on eth0 *",
            "2001:db8::151/64 on eth0 *",
        ];
        assert_eq!(shown(&addresses).await, all);

        let again = addresses
            .reconcile(&wanted([vip(), v6.clone()]))
            .await
            .unwrap();
        assert_eq!(again.changes, []);

        addresses.reconcile(&wanted([v6])).await.unwrap();
        assert_eq!(shown(&addresses).await, [all[0], all[2]]);
    });
}

#[test]
fn another_process_knows_ours_again_and_removes_no_other() {
    in_own_namespace(async |net: Net| {
        net.interface("eth0").await;
        net.add("eth0", "10.10.54.155", 24).await;
        let mut first = Addresses::open().unwrap();
        first.reconcile(&wanted([vip()])).await.unwrap();
        drop(first); // As after a crash: nothing is taken away.

        let mut second = Addresses::open().unwrap();
        assert!(
            shown(&second)
                .await
                .contains(&"10.10.54.151/24 on eth0 *".to_owned())
        );
        let done = second.remove_all().await.unwrap();
        assert_eq!(done.changes.len(), 1);
        assert_eq!(shown(&second).await, ["10.10.54.155/24 on eth0"]);
    });
}

#[test]
fn an_address_that_was_there_before_is_left_alone_for_good() {
    in_own_namespace(async |net: Net| {
        net.interface("eth0").await;
        net.add("eth0", "10.10.54.151", 32).await;
        let mut addresses = Addresses::open().unwrap();
        for wanted in [wanted([vip()]), wanted([])] {
            let done = addresses.reconcile(&wanted).await.unwrap();
            assert_eq!(done.changes, []);
            assert!(done.failures.is_empty());
            assert_eq!(shown(&addresses).await, ["10.10.54.151/32 on eth0"]);
        }
    });
}

#[test]
fn an_address_of_ours_that_someone_deletes_or_adds_himself_is_known_for_what_it_is() {
    in_own_namespace(async |net: Net| {
        net.interface("eth0").await;
        let mut addresses = Addresses::open().unwrap();
        addresses.reconcile(&wanted([vip()])).await.unwrap();
        net.remove("eth0", "10.10.54.151", 24).await;
        let repaired = addresses.reconcile(&wanted([vip()])).await.unwrap();
        assert_eq!(repaired.changes, [AddressChange::Added(vip())]);

        net.remove("eth0", "10.10.54.151", 24).await;
        net.add("eth0", "10.10.54.151", 24).await;
        assert_eq!(addresses.remove_all().await.unwrap().changes, []);
        assert_eq!(shown(&addresses).await, ["10.10.54.151/24 on eth0"]);
    });
}

#[test]
fn another_prefix_length_replaces_the_address() {
    in_own_namespace(async |net: Net| {
        net.interface("eth0").await;
        let mut addresses = Addresses::open().unwrap();
        for (addr, short, long) in [("10.10.54.151", 24, 32), ("2001:db8::151", 64, 128)] {
            addresses
                .reconcile(&wanted([assign("eth0", addr, short)]))
                .await
                .unwrap();
            let done = addresses
                .reconcile(&wanted([assign("eth0", addr, long)]))
                .await
                .unwrap();
            assert!(done.failures.is_empty(), "{:?}", done.failures);
            assert_eq!(
                shown(&addresses).await,
                [format!("{addr}/{long} on eth0 *")]
            );
        }
    });
}

#[test]
fn an_address_that_the_kernel_takes_with_ours_is_put_back() {
    in_own_namespace(async |net: Net| {
        net.interface("eth0").await;
        let mut addresses = Addresses::open().unwrap();
        addresses.reconcile(&wanted([vip()])).await.unwrap();
        // Added later, so secondary to ours, and lost with it where `promote_secondaries` is not set.
        net.add("eth0", "10.10.54.155", 24).await;
        std::fs::write("/proc/sys/net/ipv4/conf/all/promote_secondaries", "0").unwrap();
        std::fs::write("/proc/sys/net/ipv4/conf/eth0/promote_secondaries", "0").unwrap();

        let done = addresses.remove_all().await.unwrap();
        assert!(done.failures.is_empty(), "{:?}", done.failures);
        assert_eq!(shown(&addresses).await, ["10.10.54.155/24 on eth0"]);
        assert!(matches!(
            done.changes.as_slice(),
            [AddressChange::Removed(_), AddressChange::Restored(_)]
        ));
    });
}

#[test]
fn a_missing_interface_is_named_with_those_that_exist_and_the_rest_is_done() {
    in_own_namespace(async |net: Net| {
        net.interface("eth0").await;
        let mut addresses = Addresses::open().unwrap();
        let typo = assign("eht0", "10.10.54.152", 24);
        let done = addresses.reconcile(&wanted([typo, vip()])).await.unwrap();
        assert_eq!(done.changes, [AddressChange::Added(vip())]);
        let told: Vec<String> = done.failures.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            ["no interface \"eht0\" to put 10.10.54.152/24 on; there is: lo, eth0-peer, eth0"]
        );
    });
}

#[test]
fn what_the_kernel_refuses_is_told_and_the_rest_is_done() {
    in_own_namespace(async |net: Net| {
        net.interface("eth0").await;
        let mut addresses = Addresses::open().unwrap();
        let multicast = assign("eth0", "ff02::1", 64);
        let done = addresses
            .reconcile(&wanted([multicast, vip()]))
            .await
            .unwrap();
        assert_eq!(done.changes, [AddressChange::Added(vip())]);
        assert_eq!(done.failures.len(), 1);
        assert!(
            done.failures[0]
                .to_string()
                .starts_with("cannot put ff02::1/64 on eth0: ")
        );
    });
}

#[test]
fn an_ipv6_address_is_of_use_at_once() {
    in_own_namespace(async |net: Net| {
        net.interface("eth0").await;
        let mut addresses = Addresses::open().unwrap();
        let v6 = assign("eth0", "2001:db8::151", 64);
        addresses.reconcile(&wanted([v6.clone()])).await.unwrap();
        // A tentative address cannot be bound.
        std::net::TcpListener::bind((v6.addr, 0)).unwrap();
    });
}

#[test]
fn an_ipv6_address_without_a_network_is_no_source() {
    in_own_namespace(async |net: Net| {
        net.interface("eth0").await;
        net.add_v6("eth0", "2001:db8::1", 64).await;
        let mut addresses = Addresses::open().unwrap();
        let own: IpAddr = "2001:db8::1".parse().unwrap();
        // The service's has more bits in common with the server's than the machine's own.
        let (virtual_one, server) = ("2001:db8::151:1", "2001:db8::151:2".parse().unwrap());
        let address = assign("eth0", virtual_one, 128);
        addresses
            .reconcile(&wanted([address.clone()]))
            .await
            .unwrap();
        assert_eq!(addresses.source(server).await.unwrap(), Some(own));
        std::net::TcpListener::bind((address.addr, 0)).unwrap();
        // It would be, were it not for that.
        net.add_v6("eth0", "2001:db8::151:3", 128).await;
        let other = "2001:db8::151:3".parse().unwrap();
        assert_eq!(addresses.source(server).await.unwrap(), Some(other));
    });
}

#[test]
fn changes_of_others_are_noticed_and_a_swarm_of_them_is_one() {
    in_own_namespace(async |net: Net| {
        net.interface("eth0").await;
        let mut watch = AddressWatch::open().unwrap();
        // A new interface has more to tell: carrier, link-local addresses.
        let quiet = Duration::from_secs(2);
        while tokio::time::timeout(quiet, watch.changed()).await.is_ok() {}
        for n in 1..=20 {
            net.add("eth0", &format!("10.0.0.{n}"), 24).await;
        }
        watch.changed().await.unwrap();
        let quiet = tokio::time::timeout(Duration::from_millis(300), watch.changed()).await;
        assert!(quiet.is_err(), "they were one change");

        net.remove("eth0", "10.0.0.7", 24).await;
        watch.changed().await.unwrap();
        net.remove_interface("eth0").await;
        watch.changed().await.unwrap();
    });
}

#[test]
fn a_change_is_not_lost_when_the_wait_for_it_is_broken_off() {
    in_own_namespace(async |net: Net| {
        net.interface("eth0").await;
        let mut watch = AddressWatch::open().unwrap();
        net.add("eth0", "10.0.0.1", 24).await;
        let broken_off = tokio::time::timeout(Duration::from_millis(10), watch.changed()).await;
        assert!(broken_off.is_err(), "it was still waiting for more");
        tokio::time::timeout(Duration::from_secs(5), watch.changed())
            .await
            .unwrap()
            .unwrap();
    });
}

#[test]
fn ways_to_an_address_are_told_apart() {
    in_own_namespace(async |net: Net| {
        net.up("lo").await;
        net.interface("eth0").await;
        net.add("eth0", "172.16.50.155", 24).await;
        net.add("eth0", "2001:db8::1", 64).await;
        let addresses = Addresses::open().unwrap();
        let interfaces = addresses.interfaces().await.unwrap();
        let eth0 = *interfaces
            .iter()
            .find(|(_, there)| there.name == "eth0")
            .unwrap()
            .0;
        let route = async |to: &str| addresses.route(to.parse().unwrap()).await.unwrap();

        assert_eq!(route("172.16.50.155").await, Route::Local);
        assert_eq!(route("172.16.50.157").await, Route::Direct(eth0));
        assert_eq!(route("2001:db8::2").await, Route::Direct(eth0));
        assert!(matches!(route("192.0.2.1").await, Route::None(_)));

        net.default_route("172.16.50.254").await;
        assert_eq!(route("192.0.2.1").await, Route::Gateway(eth0));
    });
}

fn own(network: &str) -> OwnAddress {
    let network: IpNet = network.parse().unwrap();
    let network = network.trunc();
    OwnAddress {
        interface: "eth0".to_owned(),
        index: 2,
        addr: network.addr(),
        network,
        ours: false,
    }
}

#[test]
fn hairpin_networks_are_shared_networks_that_hold_a_server() {
    let own: Vec<OwnAddress> = [
        "127.0.0.1/8",
        "::1/128",
        "fe80::1/64",
        "169.254.0.1/16",
        "10.10.54.155/24",
        "172.16.50.155/24",
        "192.0.2.1/32",
        "2001:db8::1/64",
        "2001:db8:1::1/64",
    ]
    .map(own)
    .into();
    let hairpin = |servers: &[&str]| -> Vec<String> {
        let servers = servers
            .iter()
            .map(|server| server.parse().unwrap())
            .collect();
        hairpin_networks(&own, &servers)
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    assert_eq!(
        hairpin(&["172.16.50.157", "172.16.50.159"]),
        ["172.16.50.0/24"]
    );
    assert_eq!(
        hairpin(&["2001:db8::9", "10.10.54.2"]),
        ["10.10.54.0/24", "2001:db8::/64"]
    );
    let excluded = [
        "127.0.0.5",
        "::1",
        "fe80::2",
        "169.254.0.9",
        "192.0.2.1",
        "8.8.8.8",
    ];
    assert_eq!(hairpin(&excluded), [""; 0]);
    assert_eq!(hairpin(&[]), [""; 0]);
}

#[test]
fn a_hairpin_network_inside_another_is_left_out() {
    let own = ["10.0.0.1/8", "10.1.0.1/16", "10.1.0.2/16", "192.168.0.1/24"].map(own);
    let servers = BTreeSet::from(["10.1.0.9".parse().unwrap()]);
    let networks: Vec<String> = hairpin_networks(&own, &servers)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(networks, ["10.0.0.0/8"]);
}
