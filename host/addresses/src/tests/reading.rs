//! Reading, and what is made of it.

use std::collections::BTreeSet;

use evenkeel_tests::{Net, with_net};
use ipnet::IpNet;

use crate::{Addresses, OwnAddress, Route, hairpin_networks};

#[test]
fn routes_to_an_address_are_told_apart() {
    with_net(async |net: Net| {
        net.up("lo");
        net.interface("eth0");
        net.add("eth0", "172.16.50.155", 24);
        net.add("eth0", "2001:db8::1", 64);
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

        net.default_route("172.16.50.254");
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
