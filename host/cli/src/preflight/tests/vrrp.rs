//! VRRP instances on machines that fit them or not.

use evenkeel_core::model::{
    Announce, Checksum, DataPlaneKind, Family, Notify, Password, Script, VirtualAddress,
    VrrpInstance, VrrpVersion,
};
use evenkeel_vrrp::Insecure;

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
fn a_services_address_that_no_virtual_router_has_is_to_be_added_to_one_and_not_to_both_directors() {
    for (kind, level) in [
        (DataPlaneKind::Nftables, Level::Warning),
        (DataPlaneKind::Ipvs, Level::Error),
    ] {
        let mut model = pair();
        model.dataplane.kind = kind;
        model.services[0].key.addr = ip("10.10.54.152");
        let words = [
            "does not have 10.10.54.152",
            "`address` of the [[vrrp]] VI_1",
            "would put it on each of them",
        ];
        assert_only(&model, &backup(), level, &words);
    }
}

#[test]
fn a_program_that_would_not_be_run_is_an_error_with_what_to_do() {
    let mut model = pair();
    let command = |program: &str| vec![program.to_owned(), "now".to_owned()];
    model.vrrp.scripts.push(Script {
        name: "gateway".into(),
        command: command("/opt/check"),
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        rise: 1,
        fall: 1,
    });
    assert_eq!(amiss(&model, &backup()), []);
    let mut facts = backup();
    let writable = Insecure::Writable("/opt/check".into());
    facts.not_run.insert("/opt/check".into(), writable);
    let words = ["script gateway: is not run", "/opt/check", "chmod go-w"];
    assert_only(&model, &facts, Level::Error, &words);

    model.vrrp.scripts.clear();
    model.vrrp.instances[0].notify.master = command("/opt/notify");
    model.vrrp.instances[0].notify.any = command("/opt/notify");
    let missing = Insecure::Missing("/opt/notify".into());
    let facts = Facts {
        not_run: [("/opt/notify".to_owned(), missing)].into(),
        ..backup()
    };
    let words = ["notify commands of VI_1", "there is no /opt/notify"];
    assert_only(&model, &facts, Level::Error, &words);
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
