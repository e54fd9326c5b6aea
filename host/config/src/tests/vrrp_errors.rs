//! Virtual routers that are wrong.

use super::errors::reports;
use super::fixture::{report, resolve};
use super::vrrp::FULL;

/// An instance with these keys.
fn instance(keys: &str) -> String {
    format!("[[vrrp]]\nname = \"a\"\ninterface = \"eth0\"\nrouter_id = 51\n{keys}\n")
}

/// One with an IPv4 address, too.
fn v4(keys: &str) -> String {
    instance(&format!("address = \"192.0.2.1/24\"\n{keys}"))
}

fn warnings(text: &str) -> String {
    let (_, warnings) = resolve(text).unwrap_or_else(|report| panic!("{}", report.render()));
    let texts: Vec<String> = warnings.iter().map(crate::Diagnostic::render).collect();
    texts.join("\n")
}

#[test]
fn every_mistake_of_a_virtual_router_is_reported_at_once() {
    let text = r#"
[[vrrp]]
name = "VI 1"
state = "MASTER"
interface = "an-interface-too-long"
virtual_router_id = 51
router_id = 256
priority = 0
advert_int = 1
advert_interval = 1
nopreempt = true
preempt_delay = "2000s"
auth_pass = "1111"
virtual_ipaddress = ["192.0.2.1/24"]
address = ["192.0.2.0.1", 5, { address = "192.0.2.1/33", label = "eth0:12345678901", scope = "lnk", adverised = true }]
virtual_mac = "yes please"
address_lifetime = "1s"
track = [1, "eth0", { weight = 300 }]
notify = "notify"
announce = { repeat = 0, garp_master_delay = "3s" }

[[sync_group]]
name = "g"
members = "VI 1"

[[script]]
name = "s"
command = ""
interval = 5
weight = 2
"#;
    insta::assert_snapshot!(report(text));
}

#[test]
fn the_protocol_is_one_that_there_is() {
    let cases = [
        v4("version = 1"),
        v4("version = 3\npassword = \"1111\""),
        v4("version = 2\nadvert_interval = \"1500ms\""),
        v4("password = \"1111\"\nadvert_interval = \"100ms\""),
        v4("advert_interval = \"41s\""),
        v4("advert_interval = \"125ms\""),
        v4("advert_interval = \"5ms\""),
        v4("password = \"\""),
        v4("password = \"123456789\""),
        v4("password = \"größe\""),
        v4("password = 1111"),
        v4("checksum = \"message\""),
        instance("address = \"2001:db8::1/64\"\nversion = 2"),
        instance("address = \"2001:db8::1/64\"\npassword = \"1111\""),
        v4("family = \"IPv4\""),
        v4("priority = 255\npreempt = false"),
        v4("preempt = false\npreempt_delay = \"1s\""),
        v4("address_lifetime = \"2500ms\""),
        v4("virtual_mac = \"eth0\""),
        v4("virtual_mac = \"eth1\"")
            + "[[vrrp]]\nname = \"b\"\ninterface = \"eth1\"\nrouter_id = 2\naddress = \"192.0.2.2\"\n",
        v4("virtual_mac = \"true\""),
    ];
    insta::assert_snapshot!(reports(cases));
}

#[test]
fn addresses_are_those_that_a_master_can_have_and_announce() {
    let cases = [
        instance(""),
        instance("address = []"),
        instance("address = 5"),
        instance("address = \"192.0.2.1/0\""),
        instance("address = \"192.0.2.1/+24\""),
        instance("address = \"192.0.2.1/\""),
        instance("address = \"127.0.0.1/8\""),
        instance("address = \"0.0.0.0\""),
        instance("address = \"224.0.0.18\""),
        instance("address = \"::ffff:192.0.2.1\""),
        instance("address = \"web.example\""),
        instance("address = [{ interface = \"eth1\" }]"),
        instance("address = [{ address = \"192.0.2.1\", label = \"eth1:1\" }]"),
        instance("address = [{ address = \"192.0.2.1\", label = \"eth01\" }]"),
        instance("address = [{ address = \"2001:db8::1\", label = \"eth0:1\" }]"),
        instance("address = [{ address = \"192.0.2.1\", scope = 256 }]"),
        instance("address = [\"192.0.2.1\", { address = \"2001:db8::1\", advertised = true }]"),
        instance("address = [{ address = \"192.0.2.1\", advertised = false }]"),
        instance("family = \"ipv6\"\naddress = \"192.0.2.1\""),
        instance("address = [\"192.0.2.1\", \"192.0.2.1/24\"]"),
        v4("")
            + "[[vrrp]]\nname = \"b\"\ninterface = \"eth1\"\nrouter_id = 2\naddress = \"192.0.2.1\"\n",
        v4("")
            + "[[service]]\nname = \"b\"\nlisten = \"192.0.2.1:80\"\ninterface = \"eth0\"\nserver = [{ address = \"10.0.0.2:80\" }]\n",
    ];
    insta::assert_snapshot!(reports(cases));
}

#[test]
fn an_advert_has_room_for_255_addresses() {
    let addresses = |count: usize| {
        let all: Vec<String> = (0..count)
            .map(|n| format!("\"10.0.{}.{}\"", n / 200, n % 200 + 1))
            .collect();
        instance(&format!("address = [{}]", all.join(", ")))
    };
    assert!(resolve(&addresses(255)).is_ok());
    let report = resolve(&addresses(256)).unwrap_err();
    assert_eq!(
        report.diagnostics[0].to_string(),
        "/etc/lb.toml:5:11: 256 addresses are to be advertised"
    );
}

#[test]
fn peers_are_other_directors_of_the_adverts_family() {
    let cases = [
        v4("peers = \"192.0.2.3\""),
        v4("peers = [\"192.0.2.3/24\"]"),
        v4("peers = [\"192.0.2.3\", \"2001:db8::3\"]"),
        v4("source = \"2001:db8::3\""),
        v4("source = \"192.0.2.3\"\npeers = [\"192.0.2.3\"]"),
        v4("peers = [\"192.0.2.3\", \"192.0.2.3\"]"),
        v4("peers = [\"192.0.2.300\"]"),
    ];
    insta::assert_snapshot!(reports(cases));
}

#[test]
fn routes_and_rules_make_sense_to_the_kernel() {
    let route = |keys: &str| v4(&format!("route = [{{ {keys} }}]"));
    let rule = |keys: &str| v4(&format!("rule = [{{ {keys} }}]"));
    let cases = [
        route("via = \"192.0.2.9\""),
        route("to = \"default\""),
        route("to = \"defualt\", interface = \"eth0\""),
        route("to = \"10.0.0.1/8\", interface = \"eth0\""),
        route("to = \"10.0.0.0/33\", interface = \"eth0\""),
        route("to = \"10.0.0.0/8\", via = \"2001:db8::1\", source = \"2001:db8::2\""),
        route("to = \"default\", via = \"fe80::1\""),
        route("to = \"default\", via = \"192.0.2.9\", table = \"mian\", metric = -1"),
        route("to = \"default\", via = \"192.0.2.9\", table = \"vpn\", scope = \"universe\""),
        route("to = \"default\", via = \"192.0.2.9\", table = 0"),
        v4("route = [5]"),
        v4("[vrrp.route]"),
        rule("from = \"10.0.0.0/8\""),
        rule("from = \"10.0.0.0/8\", to = \"2001:db8::/32\", table = 1"),
        rule("from = \"10.0.0.0/8\", family = \"ipv6\", table = 1"),
        rule("from = \"default\", table = 1"),
        rule("iif = \"eth0\", fwmark = 3, table = 1"),
    ];
    insta::assert_snapshot!(reports(cases));
}

#[test]
fn what_is_tracked_exists_and_is_one_thing_at_a_time() {
    let script = "[[script]]\nname = \"gateway\"\ncommand = \"true\"\n";
    let service = "[[service]]\nname = \"web\"\nlisten = \"192.0.2.1:80\"\nserver = [{ address = \"10.0.0.2:80\" }]\n";
    let cases = [
        v4("track = [{}]"),
        v4("track = [{ script = \"gatewy\", weight = 5 }, { script = \"gateway\" }]") + script,
        v4("track = [{ service = \"Web\" }]") + service,
        v4("track = [{ service = \"web\" }, { script = \"gateway\" }]"),
        v4("track = [{ service = \"web\", interface = \"eth1\" }]") + service,
        v4("track = [\"eth1\", { interface = \"eth1\", weight = 3 }]"),
        v4("track = [{ process = \"bin/bird\" }, { file = \"\" }]"),
        v4("track = [{ process = \"bird\", weight = 254 }]"),
        v4("track = [{ process = \"bird\", weight = \"5\" }]"),
        v4(
            "notify = { master = \"notify 'a\", backup = [], fault = [\"notify\", 5], stop = 3, any = \"a\\u0000b\" }",
        ),
    ];
    insta::assert_snapshot!(reports(cases));
}

#[test]
fn a_broken_script_is_not_reported_as_missing_too() {
    let text =
        v4("track = [{ script = \"gateway\" }]") + "[[script]]\nname = 5\ncommand = \"true\"\n";
    let report = resolve(&text).unwrap_err();
    let texts: Vec<String> = report.errors().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        ["/etc/lb.toml:8:8: name = 5: expected a name: 1 to 64 of A-Z a-z 0-9 . _ -"]
    );
}

#[test]
fn what_must_be_unique_points_at_the_first() {
    let second = |keys: &str| {
        v4("virtual_mac = \"vip0\"")
            + &format!("[[vrrp]]\ninterface = \"eth0\"\naddress = \"192.0.2.2\"\n{keys}\n")
    };
    let script = "[[script]]\nname = \"x\"\ncommand = \"true\"\n";
    let group = "[[sync_group]]\nname = \"g\"\nmembers = [\"a\", \"b\"]\n";
    let cases = [
        second("name = \"a\"\nrouter_id = 51\nvirtual_mac = \"vip0\""),
        v4("track = [{ script = \"x\" }]") + script + script,
        second("name = \"b\"\nrouter_id = 52") + group + group,
    ];
    insta::assert_snapshot!(reports(cases));
}

#[test]
fn a_sync_group_has_at_least_two_instances_that_exist() {
    let group =
        |members: &str| v4("") + &format!("[[sync_group]]\nname = \"g\"\nmembers = {members}\n");
    let cases = [
        group("[]"),
        group("[\"a\"]"),
        group("[\"a\", \"A\"]"),
        group("[\"a\", \"b b\"]"),
        group("[\"a\", \"x\"]\nnotify = []\nvrrp = 3"),
        v4("") + "[[sync_group]]\nname = \"g\"\n",
    ];
    insta::assert_snapshot!(reports(cases));
}

#[test]
fn a_quorum_is_one_that_the_servers_can_reach() {
    let service = |keys: &str| {
        format!(
            "[[service]]\nname = \"a\"\nlisten = \"192.0.2.1:80\"\nserver = [{{ address = \"10.0.0.2:80\" }}, {{ address = \"10.0.0.3:80\" }}]\n{keys}\n"
        )
    };
    let cases = [
        service("quorum = 0"),
        service("quorum = 3"),
        service("quorum = 2\nhysteresis = 2"),
        service("hysteresis = 1"),
        service("ha_suspend = 1"),
    ];
    insta::assert_snapshot!(reports(cases));
}

#[test]
fn what_works_but_is_hardly_meant_gives_a_warning() {
    let service = |keys: &str| {
        format!(
            "[[service]]\nname = \"web\"\nlisten = \"192.0.2.9:80\"\nserver = [{{ address = \"10.0.0.2:80\", weight = 3 }}]\n{keys}\n"
        )
    };
    let texts = [
        v4("") + "[[script]]\nname = \"unused\"\ncommand = \"true\"\n",
        v4("preempt = false\ntrack = [{ interface = \"eth1\", weight = -5 }]"),
        v4("") + &service("ha_suspend = true"),
        service("quorum = 3\nhysteresis = 1"),
    ]
    .map(|text| warnings(&text));
    insta::assert_snapshot!(texts.join("\n----\n"));
}

#[test]
fn keepalived_keywords_are_explained() {
    let words = [
        ("", "vrrp_instance"),
        ("", "vrrp_script"),
        ("", "virtual_router_id"),
        ("[[vrrp]]\n", "virtual_ipaddress_excluded"),
        ("[[vrrp]]\n", "unicast_peer"),
        ("[[vrrp]]\n", "use_vmac"),
        ("[[vrrp]]\n", "track_script"),
        ("[[vrrp]]\n", "notify_master"),
        ("[[vrrp]]\n", "quorum"),
        ("[[vrrp]]\n[vrrp.announce]\n", "garp_master_refresh"),
        ("[[service]]\n", "virtual_ipaddress"),
        ("[[script]]\n", "weight"),
    ];
    let lines: Vec<String> = words
        .iter()
        .map(|(place, word)| {
            let report = resolve(&format!("{place}{word} = 1\n")).unwrap_err();
            let found = report
                .errors()
                .find(|d| d.message.starts_with("unknown key"));
            let help = found.and_then(|d| d.help.clone()).unwrap_or_default();
            help.lines().next().unwrap_or_default().to_owned()
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn the_full_configuration_gives_no_warning() {
    assert_eq!(warnings(FULL), "");
}
