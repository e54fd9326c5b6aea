//! What was there before the manager, and what stays after it.

use evenkeel_tests::{Keepalived, Lab, isolated, isolated_with};

use super::*;
use crate::flush::flush_vrrp;

#[test]
fn addresses_of_a_manager_that_died_are_found_and_stay_until_it_is_decided() {
    isolated(|| {
        interface("eth0");
        interface("eth1");
        let both = vec![
            address("10.0.0.9/24", "eth0"),
            address("10.1.0.9/24", "eth1"),
        ];
        let instances = vec![
            instance("V", both),
            instance("W", vec![address("10.2.0.9/24", "eth1")]),
        ];
        let dead = Managed::looked(instances.clone());
        dead.hold("V");
        drop(dead);

        let managed = Managed::start(instances);

        managed.expect(&VrrpReport::Found {
            instance: "V".to_owned(),
        });
        managed.expect(&looked(["10.0.0.9", "10.1.0.9"]));
        managed.is_silent();
        assert_eq!(addresses("eth0"), set(["10.0.0.9/24"]));
        managed.release("V");
        assert_eq!(addresses("eth0"), set([]));
        assert_eq!(addresses("eth1"), set([]));
        Ok(())
    })
    .unwrap();
}

#[test]
fn some_of_an_instances_addresses_are_not_a_find_and_go() {
    isolated(|| {
        interface("eth0");
        let one = vec![address("10.0.0.9/24", "eth0")];
        let dead = Managed::looked(vec![instance("V", one.clone())]);
        dead.hold("V");
        drop(dead);

        let two = [one, vec![address("10.0.0.8/24", "eth0")]].concat();
        let managed = Managed::looked(vec![instance("V", two)]);

        eventually("it goes", || addresses("eth0").is_empty());
        managed.is_silent();
        Ok(())
    })
    .unwrap();
}

#[test]
fn addresses_with_our_mark_that_no_instance_has_go() {
    isolated(|| {
        interface("eth0");
        let dead = Managed::looked(vec![instance("V", vec![address("10.0.0.9/24", "eth0")])]);
        dead.hold("V");
        drop(dead);

        let _managed = Managed::looked(vec![instance("V", vec![address("10.7.0.9/24", "eth0")])]);

        eventually("it goes", || addresses("eth0").is_empty());
        Ok(())
    })
    .unwrap();
}

#[test]
fn virtual_addresses_that_another_implementation_left_go_and_others_stay() {
    isolated(|| {
        interface("eth0");
        interface("eth1");
        ip("addr add 10.0.0.2/24 dev eth0");
        ip("addr add 10.0.0.9/32 dev eth0");
        ip("addr add 10.0.0.9/32 dev eth1");

        let _managed = Managed::looked(vec![instance("V", vec![address("10.0.0.9/24", "eth0")])]);

        eventually("it goes", || addresses("eth0") == set(["10.0.0.2/24"]));
        // Not where the configuration has it: not VRRP's.
        assert_eq!(addresses("eth1"), set(["10.0.0.9/32"]));
        Ok(())
    })
    .unwrap();
}

#[test]
fn what_a_keepalived_that_was_killed_leaves_goes_or_is_taken_over() {
    const CONFIG: &str = "
        vrrp_instance PLAIN {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress {
                10.0.0.9/24 label eth0:9
                10.0.0.8/24
            }
        }
        vrrp_instance WITH_MAC {
            interface eth0
            virtual_router_id 52
            use_vmac vrrp52
            virtual_ipaddress {
                10.3.0.9/24
            }
        }
    ";
    isolated_with(&[Keepalived::PROGRAM], || {
        let lab = Lab::new()?;
        let (director, other) = (lab.node("director")?, lab.node("other")?);
        lab.cable(&director, "eth0", &other, "eth0")?;
        director.add_address("eth0", "10.0.0.2/24")?;
        let mut keepalived = Keepalived::new(&director, CONFIG)?;
        keepalived.start()?;
        director.enter(|| {
            eventually("keepalived has its addresses", || {
                addresses("eth0").contains("10.0.0.8/24")
                    && addresses("vrrp52").contains("10.3.0.9/24")
            });
        })?;
        keepalived.kill9()?;

        director.enter(|| {
            assert_eq!(addresses("vrrp52"), set(["10.3.0.9/24"]));
            let plain = vec![
                address("10.0.0.9/24", "eth0"),
                address("10.0.0.8/24", "eth0"),
            ];
            let mut with_mac = instance("WITH_MAC", vec![address("10.3.0.9/24", "eth0")]);
            with_mac.router_id = 52;
            with_mac.virtual_mac = Some("vrrp52".to_owned());
            let managed = Managed::looked(vec![instance("PLAIN", plain), with_mac]);
            eventually("nothing is left", || {
                addresses("eth0") == set(["10.0.0.2/24"]) && addresses("vrrp52").is_empty()
            });
            managed.hold("WITH_MAC");
            assert_eq!(addresses("vrrp52"), set(["10.3.0.9/24"]));
            managed.release("WITH_MAC");
            managed.stop();
            let links = ip_json("link show");
            assert!(links.iter().all(|link| link["ifname"] != "vrrp52"));
        })?;
        Ok(())
    })
    .unwrap();
}

#[test]
fn the_addresses_of_a_services_assignment_are_never_touched() {
    isolated(|| {
        interface("eth0");
        assign("eth0", "10.0.0.9/24");
        let managed = Managed::looked(vec![instance("V", vec![address("10.0.0.9/24", "eth0")])]);
        managed.hold("V");
        managed.release("V");
        std::thread::sleep(SILENCE);
        assert_eq!(mark("eth0", "10.0.0.9"), Some(0x65));
        Ok(())
    })
    .unwrap();
}

#[test]
fn an_owners_addresses_are_the_machines_own_and_stay() {
    isolated(|| {
        interface("eth0");
        ip("addr add 10.0.0.9/16 dev eth0");
        let mut owner = instance(
            "V",
            vec![
                address("10.0.0.9/24", "eth0"),
                address("10.3.0.9/24", "eth0"),
            ],
        );
        owner.priority = 255;
        let managed = Managed::looked(vec![owner]);

        managed.hold("V");
        assert_eq!(addresses("eth0"), set(["10.0.0.9/16", "10.3.0.9/24"]));
        managed.release("V");

        assert_eq!(addresses("eth0"), set(["10.0.0.9/16"]));
        Ok(())
    })
    .unwrap();
}

#[test]
fn an_address_with_another_prefix_is_replaced_when_it_is_held() {
    isolated(|| {
        interface("eth0");
        let managed = Managed::looked(vec![instance("V", vec![address("10.0.0.9/24", "eth0")])]);
        managed.hold("V");
        managed.expect(&here(["10.0.0.9"]));

        ip("addr add 10.0.0.9/32 dev eth0");

        eventually("the other one goes", || {
            addresses("eth0") == set(["10.0.0.9/24"])
        });
        Ok(())
    })
    .unwrap();
}

#[test]
fn stop_waits_for_what_was_asked_and_leaves_what_is_held() {
    isolated(|| {
        interface("eth0");
        let managed = Managed::looked(vec![
            instance("V", vec![address("10.0.0.9/24", "eth0")]),
            instance("W", vec![address("10.1.0.9/24", "eth0")]),
        ]);
        managed.hold("V");
        managed.hold("W");

        managed.request_release("V");
        managed.stop();

        assert_eq!(addresses("eth0"), set(["10.1.0.9/24"]));
        Ok(())
    })
    .unwrap();
}

#[test]
fn flush_removes_whatever_carries_our_marks_and_nothing_else() {
    isolated(|| {
        interface("eth0");
        ip("addr add 10.0.0.2/24 dev eth0");
        assign("eth0", "10.0.0.3/32");
        let mut all = instance(
            "V",
            vec![
                address("10.0.0.9/24", "eth0"),
                address("2001:db8::9/64", "eth0"),
            ],
        );
        all.virtual_mac = Some("vrrp51".to_owned());
        all.routes = vec![routing::route("192.0.2.0/24")];
        all.rules = vec![routing::rule(100)];
        let managed = Managed::looked(vec![all]);
        managed.hold("V");
        managed.die();
        ip("route add 198.51.100.0/24 via 10.0.0.1 proto 18");

        let flushed = block_on(flush_vrrp())?;

        assert_eq!(flushed.failures, Vec::<String>::new());
        assert_eq!(
            flushed.removed,
            [
                "2001:db8::9/64 on vrrp51",
                "10.0.0.9/24 on vrrp51",
                "a rule",
                "a route",
                "the interface vrrp51"
            ]
        );
        assert_eq!(addresses("eth0"), set(["10.0.0.2/24", "10.0.0.3/32"]));
        assert_eq!(ip("route show proto 101"), "");
        assert_ne!(ip("route show proto 18"), "");
        assert_eq!(ip_json("rule show").len(), 3);
        assert_eq!(ip_json("link show").len(), 3);
        let arp_ignore = std::fs::read_to_string("/proc/sys/net/ipv4/conf/eth0/arp_ignore")?;
        assert_eq!(arp_ignore.trim(), "0");
        let arp_announce = std::fs::read_to_string("/proc/sys/net/ipv4/conf/eth0/arp_announce")?;
        assert_eq!(arp_announce.trim(), "0");
        Ok(())
    })
    .unwrap();
}
