//! VRRP instances on machines that fit them or not.

use evenkeel_core::model::{
    Announce, Checksum, Family, Notify, Password, VirtualAddress, VrrpInstance, VrrpVersion,
};

use super::super::facts::has_vrrp;
use super::*;

/// The article's instance, with its service.
fn pair() -> Model {
    let address = |addr: &str, interface: &str| VirtualAddress {
        addr: ip(addr),
        prefix: 24,
        interface: interface.to_owned(),
        label: None,
        scope: 0,
        advertised: true,
    };
    let instance = VrrpInstance {
        name: "VI_1".into(),
        interface: "eth0".into(),
        router_id: 51,
        version: VrrpVersion::V2,
        family: Family::V4,
        priority: 100,
        advert_interval: Duration::from_secs(1),
        preempt: true,
        preempt_delay: Duration::ZERO,
        password: Some(Password(*b"1111\0\0\0\0")),
        checksum: Checksum::PseudoHeader,
        source: None,
        peers: Vec::new(),
        addresses: vec![
            address("10.10.54.151", "eth0"),
            address("172.16.50.254", "eth1"),
        ],
        routes: Vec::new(),
        rules: Vec::new(),
        announce: Announce::default(),
        virtual_mac: None,
        address_lifetime: None,
        track: Vec::new(),
        notify: Notify::default(),
    };
    let mut model = article();
    model.vrrp.instances.push(instance);
    model
}

/// A director that is no master now.
fn backup() -> Facts {
    let mut facts = director();
    facts.addresses.retain(|own| own.addr != ip("10.10.54.151"));
    facts
}

#[test]
fn a_service_on_a_virtual_address_waits_for_no_one() {
    assert_eq!(amiss(&pair(), &backup()), []);
    let text = rendered(&pair(), &probe(), &backup());
    assert!(
        text.contains("service web: 10.10.54.151 comes and goes with VRRP instance VI_1"),
        "{text}"
    );
    assert!(
        text.contains("VRRP instance VI_1: adverts on eth0, addresses are put on eth0, eth1"),
        "{text}"
    );
}

#[test]
fn an_instance_needs_its_interfaces_and_an_address_of_its_own() {
    let mut facts = backup();
    facts.interfaces.remove(&3);
    assert_only(
        &pair(),
        &facts,
        Level::Error,
        &["no interface eth1", "lo, eth0"],
    );

    let mut facts = director();
    facts.addresses.retain(|own| own.addr != ip("10.10.54.155"));
    let words = [
        "eth0 has no IPv4 address of its own",
        "besides the virtual ones",
    ];
    assert_only(&pair(), &facts, Level::Error, &words);
    let mut owner = pair();
    owner.vrrp.instances[0].priority = 255;
    assert_eq!(amiss(&owner, &facts), []);
}

#[test]
fn raw_sockets_and_another_vrrp_daemon_are_seen() {
    let facts = Facts {
        net_raw: false,
        ..backup()
    };
    assert_only(&pair(), &facts, Level::Error, &["CAP_NET_RAW"]);
    assert_eq!(
        amiss(
            &article(),
            &Facts {
                net_raw: false,
                ..director()
            }
        ),
        []
    );
    let facts = Facts {
        vrrp_sockets: true,
        ..backup()
    };
    assert_only(&pair(), &facts, Level::Warning, &["keepalived"]);

    let header =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid";
    let socket =
        " 112: 00000000:0070 00000000:0000 07 00000000:00000000 00:00000000 00000000     0";
    assert!(!has_vrrp(header));
    assert!(has_vrrp(&format!("{header}\n{socket}\n")));
    assert!(!has_vrrp(&socket.replace(":0070", ":003A")));
}
