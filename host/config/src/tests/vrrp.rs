//! Virtual routers that are right.

use std::path::PathBuf;
use std::time::Duration;

use super::fixture::{model, resolve};
use crate::schema::PAGES;
use evenkeel_core::model::{
    Announce, Checksum, Family, Notify, Password, Script, SyncGroup, Track, Tracked,
    VirtualAddress, VirtualRoute, VirtualRule, Vrrp, VrrpInstance, VrrpVersion,
};

/// Every key of every table about virtual routers, each on a line of its own, and none with its default.
pub(super) const FULL: &str = r#"
[[service]]
name = "web"
listen = "192.0.2.10:80"
quorum = 2
hysteresis = 1
ha_suspend = true
server = [{ address = "10.0.0.2:80", weight = 3 }]

[[vrrp]]
name = "outside"
interface = "eth0"
router_id = 51
version = 2
priority = 150
advert_interval = "2s"
preempt_delay = "1m"
source = "192.0.2.2"
peers = ["192.0.2.3", "192.0.2.4"]
checksum = "message-only"
virtual_mac = "vip0"
address_lifetime = "30s"

[[vrrp.address]]
address = "192.0.2.10/24"
label = "eth0:1"
scope = "site"

[[vrrp.address]]
address = "172.16.50.254/24"
interface = "eth1"
advertised = false

[[vrrp.route]]
to = "default"
via = "192.0.2.1"
interface = "eth0"
source = "192.0.2.10"
metric = 7
table = 100
scope = 3

[[vrrp.rule]]
from = "172.16.50.0/24"
to = "10.0.0.0/8"
input = "eth1"
output = "eth0"
mark = 9
priority = 1000
table = 100

[[vrrp.rule]]
family = "ipv6"
table = "local"

[vrrp.announce]
repeat = 3
delay = "4s"
refresh = "1m"
refresh_repeat = 2
lower_priority_repeat = 0
lower_priority_delay = "6s"

[[vrrp.track]]
interface = "eth1"
weight = -20
reverse = true

[[vrrp.track]]
script = "gateway"

[[vrrp.track]]
file = "drain"

[[vrrp.track]]
process = "bird"

[[vrrp.track]]
service = "web"

[vrrp.notify]
master = "./notify.sh 'now master'"
backup = ["/bin/notify", "backup"]
fault = "notify fault"
stop = "notify stop"
any = "notify"

[[vrrp]]
name = "inside"
interface = "eth1"
family = "ipv6"
router_id = 52
preempt = false
address = ["fe80::52", "10.0.0.1/8"]

[[vrrp]]
name = "old"
interface = "eth2"
router_id = 53
password = "s3cret"
address = "198.51.100.1"

[[sync_group]]
name = "both"
members = ["outside", "inside"]

[sync_group.notify]
any = "notify group"

[[script]]
name = "gateway"
command = "ping -c 1 192.0.2.1"
interval = "5s"
timeout = "2s"
rise = 2
fall = 3
"#;

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn address(addr: &str, prefix: u8, interface: &str) -> VirtualAddress {
    VirtualAddress {
        addr: addr.parse().unwrap(),
        prefix,
        interface: interface.to_owned(),
        label: None,
        scope: 0,
        advertised: true,
    }
}

fn track(what: Tracked) -> Track {
    Track {
        what,
        weight: 0,
        reverse: false,
    }
}

fn outside() -> VrrpInstance {
    VrrpInstance {
        name: "outside".to_owned(),
        interface: "eth0".to_owned(),
        router_id: 51,
        version: VrrpVersion::V2,
        family: Family::V4,
        priority: 150,
        advert_interval: Duration::from_secs(2),
        preempt: true,
        preempt_delay: Duration::from_secs(60),
        password: None,
        checksum: Checksum::MessageOnly,
        source: Some("192.0.2.2".parse().unwrap()),
        peers: vec!["192.0.2.3".parse().unwrap(), "192.0.2.4".parse().unwrap()],
        addresses: vec![
            VirtualAddress {
                label: Some("eth0:1".to_owned()),
                scope: 200,
                ..address("192.0.2.10", 24, "eth0")
            },
            VirtualAddress {
                advertised: false,
                ..address("172.16.50.254", 24, "eth1")
            },
        ],
        routes: vec![VirtualRoute {
            to: "0.0.0.0/0".parse().unwrap(),
            via: Some("192.0.2.1".parse().unwrap()),
            interface: Some("eth0".to_owned()),
            source: Some("192.0.2.10".parse().unwrap()),
            metric: Some(7),
            table: 100,
            scope: Some(3),
        }],
        rules: vec![
            VirtualRule {
                family: Family::V4,
                from: Some("172.16.50.0/24".parse().unwrap()),
                to: Some("10.0.0.0/8".parse().unwrap()),
                input: Some("eth1".to_owned()),
                output: Some("eth0".to_owned()),
                mark: Some(9),
                priority: Some(1000),
                table: 100,
            },
            VirtualRule {
                family: Family::V6,
                from: None,
                to: None,
                input: None,
                output: None,
                mark: None,
                priority: None,
                table: 255,
            },
        ],
        announce: Announce {
            repeat: 3,
            delay: Duration::from_secs(4),
            refresh: Some(Duration::from_secs(60)),
            refresh_repeat: 2,
            lower_priority_repeat: 0,
            lower_priority_delay: Duration::from_secs(6),
        },
        virtual_mac: Some("vip0".to_owned()),
        address_lifetime: Some(Duration::from_secs(30)),
        track: vec![
            Track {
                weight: -20,
                reverse: true,
                ..track(Tracked::Interface("eth1".to_owned()))
            },
            track(Tracked::Script("gateway".to_owned())),
            track(Tracked::File(PathBuf::from("/etc/drain"))),
            track(Tracked::Process("bird".to_owned())),
            track(Tracked::Service("web".to_owned())),
        ],
        notify: Notify {
            master: words(&["/etc/notify.sh", "now master"]),
            backup: words(&["/bin/notify", "backup"]),
            fault: words(&["notify", "fault"]),
            stop: words(&["notify", "stop"]),
            any: words(&["notify"]),
        },
    }
}

fn inside() -> VrrpInstance {
    VrrpInstance {
        name: "inside".to_owned(),
        interface: "eth1".to_owned(),
        router_id: 52,
        version: VrrpVersion::V3,
        family: Family::V6,
        priority: 100,
        advert_interval: Duration::from_secs(1),
        preempt: false,
        preempt_delay: Duration::ZERO,
        password: None,
        checksum: Checksum::PseudoHeader,
        source: None,
        peers: vec![],
        addresses: vec![
            address("fe80::52", 128, "eth1"),
            VirtualAddress {
                advertised: false,
                ..address("10.0.0.1", 8, "eth1")
            },
        ],
        routes: vec![],
        rules: vec![],
        announce: Announce::default(),
        virtual_mac: None,
        address_lifetime: None,
        track: vec![],
        notify: Notify::default(),
    }
}

fn old() -> VrrpInstance {
    VrrpInstance {
        name: "old".to_owned(),
        interface: "eth2".to_owned(),
        router_id: 53,
        version: VrrpVersion::V2,
        family: Family::V4,
        preempt: true,
        password: Some(Password(*b"s3cret\0\0")),
        addresses: vec![address("198.51.100.1", 32, "eth2")],
        ..inside()
    }
}

#[test]
fn every_key_is_read_into_the_model() {
    let model = model(FULL);
    let service = &model.services[0];
    assert_eq!(
        (service.quorum, service.hysteresis, service.ha_suspend),
        (2, 1, true)
    );
    let vrrp = Vrrp {
        instances: vec![outside(), inside(), old()],
        groups: vec![SyncGroup {
            name: "both".to_owned(),
            members: words(&["outside", "inside"]),
            notify: Notify {
                any: words(&["notify", "group"]),
                ..Notify::default()
            },
        }],
        scripts: vec![Script {
            name: "gateway".to_owned(),
            command: words(&["ping", "-c", "1", "192.0.2.1"]),
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            rise: 2,
            fall: 3,
        }],
    };
    assert_eq!(model.vrrp, vrrp);
}

#[test]
fn no_key_is_read_without_a_meaning() {
    let whole = model(FULL);
    let lines: Vec<&str> = FULL.lines().collect();
    for (i, line) in lines
        .iter()
        .enumerate()
        .filter(|(_, line)| line.contains('='))
    {
        let without: Vec<&str> = [&lines[..i], &lines[i + 1..]].concat();
        if let Ok((model, _)) = resolve(&without.join("\n")) {
            assert!(model != whole, "{line}");
        }
    }
}

#[test]
fn the_key_test_leaves_no_key_out() {
    let header = |place: &str| {
        FULL.split("\n[")
            .filter(|part| format!("[{part}").starts_with(place))
            .collect::<String>()
    };
    let about = |place: &str| {
        ["vrrp", "sync_group", "script"]
            .iter()
            .any(|t| place.contains(t))
    };
    let mut places = 0;
    for page in PAGES.iter().filter(|page| about(page.place)) {
        places += 1;
        let parts = header(page.place);
        for key in &page.keys {
            let inner = format!(".{}]", key.name);
            let written = parts.contains(&format!("\n{} = ", key.name)) || FULL.contains(&inner);
            assert!(written, "{} of {}", key.name, page.place);
        }
    }
    assert_eq!(places, 9);
}

fn instance(keys: &str) -> VrrpInstance {
    let text = format!("[[vrrp]]\nname = \"a\"\ninterface = \"eth0\"\nrouter_id = 51\n{keys}\n");
    model(&text).vrrp.instances.remove(0)
}

#[test]
fn the_shortest_instance_has_every_default() {
    let expected = VrrpInstance {
        name: "a".to_owned(),
        interface: "eth0".to_owned(),
        router_id: 51,
        family: Family::V4,
        preempt: true,
        addresses: vec![address("192.0.2.1", 32, "eth0")],
        ..inside()
    };
    assert_eq!(instance("address = \"192.0.2.1\""), expected);
    assert_eq!(model("").vrrp, Vrrp::default());
}

#[test]
fn the_adverts_are_of_the_family_of_the_addresses_that_they_list() {
    for (addresses, family, listed) in [
        (r#"["2001:db8::1/64"]"#, Family::V6, vec![true]),
        (
            r#"["2001:db8::1/64", "192.0.2.1/24"]"#,
            Family::V4,
            vec![false, true],
        ),
        (
            r#"["2001:db8::1/64", { address = "192.0.2.1/24", advertised = false }]"#,
            Family::V6,
            vec![true, false],
        ),
    ] {
        let read = instance(&format!("address = {addresses}"));
        assert_eq!(read.family, family, "{addresses}");
        let advertised: Vec<bool> = read.addresses.iter().map(|a| a.advertised).collect();
        assert_eq!(advertised, listed, "{addresses}");
    }
    let read = instance("family = \"ipv6\"\naddress = [\"192.0.2.1/24\", \"2001:db8::1/64\"]");
    assert_eq!(read.family, Family::V6);
}

#[test]
fn a_password_means_version_2() {
    let read = instance("address = \"192.0.2.1\"\npassword = \"1111\"");
    assert_eq!(read.version, VrrpVersion::V2);
    assert_eq!(read.password, Some(Password(*b"1111\0\0\0\0")));
    let read = instance("address = \"192.0.2.1\"\nversion = 2\nadvert_interval = \"255s\"");
    assert_eq!((read.version, read.password), (VrrpVersion::V2, None));
    assert_eq!(read.advert_interval, Duration::from_secs(255));
}

#[test]
fn version_3_has_steps_of_ten_milliseconds_up_to_twelve_bits() {
    for (written, millis) in [("10ms", 10), ("1s 10ms", 1_010), ("40s 950ms", 40_950)] {
        let read = instance(&format!(
            "address = \"192.0.2.1\"\nadvert_interval = \"{written}\""
        ));
        assert_eq!(read.advert_interval, Duration::from_millis(millis));
    }
}

#[test]
fn a_virtual_mac_address_has_an_interface_named_after_the_router() {
    let read = |keys: &str| instance(keys).virtual_mac;
    assert_eq!(
        read("virtual_mac = true\naddress = \"192.0.2.1\"").as_deref(),
        Some("vrrp.51")
    );
    assert_eq!(
        read("virtual_mac = true\naddress = \"2001:db8::1\"").as_deref(),
        Some("vrrp6.51")
    );
    assert_eq!(read("virtual_mac = false\naddress = \"192.0.2.1\""), None);
}

#[test]
fn announcements_after_a_lower_advert_are_those_of_a_new_master_unless_the_file_says_otherwise() {
    let read = |keys: &str| {
        instance(&format!("address = \"192.0.2.1\"\nannounce = {{ {keys} }}")).announce
    };
    let announce = read("repeat = 2, delay = \"1s\"");
    assert_eq!(announce.lower_priority_repeat, 2);
    assert_eq!(announce.lower_priority_delay, Duration::from_secs(1));
    assert_eq!(read("refresh = \"0s\""), Announce::default());
}

#[test]
fn a_default_route_is_of_the_family_of_its_other_addresses() {
    let to = |keys: &str| {
        let text = format!("address = \"192.0.2.1\"\nroute = [{{ to = \"default\", {keys} }}]");
        instance(&text).routes[0].to.to_string()
    };
    assert_eq!(to("interface = \"eth0\""), "0.0.0.0/0");
    assert_eq!(to("via = \"192.0.2.9\""), "0.0.0.0/0");
    assert_eq!(to("via = \"fe80::1\", interface = \"eth0\""), "::/0");
    assert_eq!(to("interface = \"eth0\", source = \"2001:db8::1\""), "::/0");
}

#[test]
fn a_rule_is_of_the_family_of_its_networks_or_of_the_adverts() {
    let family = |keys: &str| {
        let text = format!("address = \"2001:db8::1\"\nrule = [{{ table = \"main\", {keys} }}]");
        instance(&text).rules[0].family
    };
    assert_eq!(family("mark = 1"), Family::V6);
    assert_eq!(family("from = \"10.0.0.0/8\""), Family::V4);
    assert_eq!(family("to = \"10.0.0.1\""), Family::V4);
    assert_eq!(family("family = \"ipv4\", input = \"eth0\""), Family::V4);
}

#[test]
fn things_to_be_watched_may_be_interfaces_names() {
    let read = instance(
        "address = \"192.0.2.1\"\ntrack = [\"eth1\", { process = \"/usr/sbin/bird\", weight = 253 }]",
    );
    let bird = Track {
        what: Tracked::Process("/usr/sbin/bird".to_owned()),
        weight: 253,
        reverse: false,
    };
    assert_eq!(
        read.track,
        [track(Tracked::Interface("eth1".to_owned())), bird]
    );
    let read = instance("address = \"192.0.2.1\"\ntrack = \"eth1\"");
    assert_eq!(read.track.len(), 1);
    let read =
        instance("address = \"192.0.2.1\"\ntrack = { interface = \"eth1\", reverse = true }");
    assert!(read.track[0].reverse);
}

#[test]
fn a_command_is_split_as_a_shell_does_and_starts_from_the_files_directory() {
    for (written, expected) in [
        (r#""notify a b""#, words(&["notify", "a", "b"])),
        (
            r#""notify 'a b' \"c d\" e\\ f""#,
            words(&["notify", "a b", "c d", "e f"]),
        ),
        (
            r#""/usr/bin/notify $HOME *""#,
            words(&["/usr/bin/notify", "$HOME", "*"]),
        ),
        (
            r#""scripts/notify ./x""#,
            words(&["/etc/scripts/notify", "./x"]),
        ),
        (
            r#"["./notify", "", "a b"]"#,
            words(&["/etc/notify", "", "a b"]),
        ),
    ] {
        let read = instance(&format!(
            "address = \"192.0.2.1\"\nnotify = {{ any = {written} }}"
        ));
        assert_eq!(read.notify.any, expected, "{written}");
    }
}

#[test]
fn a_script_may_take_as_long_as_its_interval() {
    let text = "[[script]]\nname = \"a\"\ncommand = \"true\"\ninterval = \"3s\"\n[[vrrp]]\nname = \"a\"\ninterface = \"eth0\"\n\
                router_id = 1\naddress = \"192.0.2.1\"\ntrack = [{ script = \"a\" }]\n";
    let script = &model(text).vrrp.scripts[0];
    assert_eq!(script.timeout, Duration::from_secs(3));
    assert_eq!((script.rise, script.fall), (1, 1));
}

#[test]
fn one_router_id_may_be_of_both_families_and_of_several_interfaces() {
    let one = |name: &str, interface: &str, address: &str| {
        format!(
            "[[vrrp]]\nname = \"{name}\"\ninterface = \"{interface}\"\nrouter_id = 9\naddress = \"{address}\"\n"
        )
    };
    let text =
        one("a", "eth0", "192.0.2.1") + &one("b", "eth0", "fe80::1") + &one("c", "eth1", "fe80::1");
    assert_eq!(model(&text).vrrp.instances.len(), 3);
}

#[test]
fn a_service_may_be_drained_although_its_quorum_is_written() {
    let text = "[[service]]\nname = \"a\"\nlisten = \"192.0.2.1:80\"\nquorum = 1\nserver = [{ address = \"10.0.0.2:80\", weight = 0 }]\n";
    assert_eq!(model(text).services[0].quorum, 1);
}
