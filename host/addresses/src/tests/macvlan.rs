//! Virtual MAC addresses.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};

use evenkeel_tests::{Capture, Frame, Lab, isolated};

use super::*;

fn with_virtual_mac(name: &str) -> VrrpInstance {
    let addresses = vec![
        address("10.0.0.9/24", "eth0"),
        address("2001:db8::9/64", "eth0"),
        address("10.1.0.9/24", "eth1"),
    ];
    let mut instance = instance("V", addresses);
    instance.virtual_mac = Some(name.to_owned());
    instance
}

fn link(name: &str) -> Option<Value> {
    let mut links = ip_json("-d link show").into_iter();
    links.find(|link| link["ifname"] == name)
}

fn setting(path: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/sys/net/{path}")).unwrap();
    text.trim().to_owned()
}

#[test]
fn a_macvlan_with_the_virtual_mac_carries_the_addresses_and_is_down_while_it_does_not() {
    isolated(|| {
        interface("eth0");
        interface("eth1");
        let managed = Managed::looked(vec![with_virtual_mac("vrrp51")]);

        eventually("it is there", || {
            setting("ipv4/conf/eth0/arp_ignore") == "1"
        });
        let made = link("vrrp51").unwrap();
        assert_eq!(made["address"], "00:00:5e:00:01:33");
        assert_eq!(made["link"], "eth0");
        assert_eq!(made["linkinfo"]["info_data"]["mode"], "private");
        assert_eq!(
            made["ifalias"],
            "evenkeel vrrp; eth0 had arp_ignore=0 arp_announce=0"
        );
        assert_eq!(made["operstate"], "DOWN");
        managed.hold("V");

        let up = link("vrrp51").unwrap();
        assert!(
            up["flags"].as_array().unwrap().contains(&"LOWER_UP".into()),
            "{up:#?}"
        );
        // No link-local address of its own.
        let all: BTreeSet<String> = infos("vrrp51")
            .iter()
            .map(|info| info["local"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(all, set(["10.0.0.9", "2001:db8::9"]));
        assert_eq!(info("vrrp51", "2001:db8::9")["tentative"], Value::Null);
        assert_eq!(addresses("eth0"), set([]));
        assert_eq!(addresses("eth1"), set(["10.1.0.9/24"]));
        assert_eq!(setting("ipv4/conf/vrrp51/arp_ignore"), "1");
        assert_eq!(setting("ipv4/conf/vrrp51/rp_filter"), "2");

        managed.release("V");
        assert_eq!(link("vrrp51").unwrap()["operstate"], "DOWN");
        assert_eq!(addresses("vrrp51"), set([]));
        managed.stop();
        assert_eq!(link("vrrp51"), None);
        assert_eq!(setting("ipv4/conf/eth0/arp_ignore"), "0");
        assert_eq!(setting("ipv4/conf/eth0/arp_announce"), "0");
        Ok(())
    })
    .unwrap();
}

#[test]
fn an_ipv6_instance_has_the_virtual_mac_of_ipv6() {
    isolated(|| {
        interface("eth0");
        let mut six = with_virtual_mac("vrrp6");
        six.family = Family::V6;
        six.router_id = 7;
        let _managed = Managed::looked(vec![six]);
        eventually("it is there", || link("vrrp6").is_some());
        assert_eq!(link("vrrp6").unwrap()["address"], "00:00:5e:00:02:07");
        Ok(())
    })
    .unwrap();
}

#[test]
fn each_address_answers_with_its_own_mac_only() {
    isolated(|| {
        let client = Lab::new()?.node("client")?;
        interface("eth0");
        ip("addr add 10.0.0.2/24 dev eth0");
        ip("link set eth0-far netns client");
        client.add_address("eth0-far", "10.0.0.1/24")?;
        client.link_up("eth0-far")?;
        let mut four = instance("V", vec![address("10.0.0.9/24", "eth0")]);
        four.virtual_mac = Some("vrrp51".to_owned());
        let managed = Managed::looked(vec![four]);
        managed.hold("V");
        let capture = Capture::start(&client)?;

        for addr in ["10.0.0.9:9", "10.0.0.2:9"] {
            let addr: SocketAddr = addr.parse()?;
            let tried = client.enter(|| TcpStream::connect_timeout(&addr, LIMIT))?;
            // Nobody listens there, but it answers.
            assert_eq!(
                tried.unwrap_err().kind(),
                ErrorKind::ConnectionRefused,
                "{addr}"
            );
        }

        let answers = |addr: [u8; 4]| -> BTreeSet<[u8; 6]> {
            let frames = capture.frames();
            let arps = frames.iter().filter_map(Frame::arp);
            let its = arps.filter(|arp| arp.operation == 2 && arp.sender.octets() == addr);
            its.map(|arp| arp.sender_mac).collect()
        };
        eventually("both are captured", || {
            !answers([10, 0, 0, 9]).is_empty() && !answers([10, 0, 0, 2]).is_empty()
        });
        // Time for a second answer, which there must not be.
        std::thread::sleep(SILENCE);
        let own = link("eth0").unwrap()["address"]
            .as_str()
            .unwrap()
            .to_owned();
        let own: Vec<u8> = own
            .split(':')
            .map(|byte| u8::from_str_radix(byte, 16).unwrap())
            .collect();
        assert_eq!(answers([10, 0, 0, 9]), [[0, 0, 0x5e, 0, 1, 51]].into());
        assert_eq!(answers([10, 0, 0, 2]), [own.try_into().unwrap()].into());
        Ok(())
    })
    .unwrap();
}

#[test]
fn arp_ignore_is_set_back_when_the_last_macvlan_goes() {
    isolated(|| {
        interface("eth0");
        let first = with_virtual_mac("first");
        let mut second = with_virtual_mac("second");
        second.name = "W".to_owned();
        second.router_id = 52;
        second.addresses = vec![address("10.3.0.9/24", "eth0")];
        let managed = Managed::looked(vec![first.clone(), second]);
        eventually("both are there", || {
            link("first").is_some() && link("second").is_some()
        });
        eventually("it is set", || setting("ipv4/conf/eth0/arp_ignore") == "1");
        eventually("it is set, too", || {
            setting("ipv4/conf/eth0/arp_announce") == "2"
        });

        managed.configure(vec![first]);
        eventually("one is gone", || link("second").is_none());
        std::thread::sleep(SILENCE);
        assert_eq!(setting("ipv4/conf/eth0/arp_ignore"), "1");
        managed.configure(Vec::new());
        eventually("it is as before", || {
            link("first").is_none() && setting("ipv4/conf/eth0/arp_ignore") == "0"
        });
        Ok(())
    })
    .unwrap();
}

#[test]
fn an_interface_of_someone_else_with_that_name_is_left_alone() {
    isolated(|| {
        interface("eth0");
        interface("vrrp51");
        let managed = Managed::looked(vec![with_virtual_mac("vrrp51")]);
        assert_eq!(
            managed.problem().unwrap(),
            "no virtual MAC address: there is an interface \"vrrp51\" already"
        );
        assert_eq!(link("vrrp51").unwrap()["ifalias"], Value::Null);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_macvlan_that_goes_with_its_interface_comes_back_with_it() {
    isolated(|| {
        interface("eth0");
        let mut four = instance("V", vec![address("10.0.0.9/24", "eth0")]);
        four.virtual_mac = Some("vrrp51".to_owned());
        let managed = Managed::looked(vec![four]);
        managed.hold("V");

        ip("link del eth0");
        // Both go, one after the other.
        while !managed
            .problem()
            .is_some_and(|text| text.contains("no interface \"eth0\""))
        {}
        // What is not there can be given up.
        managed.request_release("V");
        while managed.next() != released("V") {}
        managed.request_hold("V");
        interface("eth0");

        // What is wrong changes on the way.
        while managed.next() != held("V") {}
        assert_eq!(addresses("vrrp51"), set(["10.0.0.9/24"]));
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_virtual_mac_that_another_interface_has_is_a_problem_in_words() {
    isolated(|| {
        interface("eth0");
        ip("link add link eth0 name left address 00:00:5e:00:01:33 type macvlan mode private");
        ip("link set left up");
        let mut four = instance("V", vec![address("10.0.0.9/24", "eth0")]);
        four.virtual_mac = Some("vrrp51".to_owned());
        let managed = Managed::looked(vec![four]);

        managed.request_hold("V");

        // Its address is there, and can be given up or announced; but nobody reaches it.
        managed.wait(&held("V"));
        assert_eq!(
            managed.problem().unwrap(),
            "cannot set up vrrp51: another interface has the same virtual MAC address \
             (did another VRRP leave it?)"
        );
        ip("link del left");
        assert_eq!(managed.problem(), None);
        let up = link("vrrp51").unwrap();
        assert!(up["flags"].as_array().unwrap().contains(&"UP".into()));
        Ok(())
    })
    .unwrap();
}
