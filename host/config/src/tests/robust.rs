//! Whatever the file holds: no panic, and places that exist.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::fixture::Shelf;
use super::vrrp::FULL;
use crate::{AnyMachine, Diagnostic, parse_bytes, parse_translated};
use evenkeel_core::model::{
    DataPlaneKind, Family, Forward, IpvsTimeouts, Model, PluginRef, Protocol, Tracked, Vrrp,
    VrrpVersion,
};

const VALID: &str = r#"plugin_dirs = ["plugins", "/usr/lib/evenkeel/plugins"]
native_plugins = ["native/rr.so"]
resync = "10s"
[sandbox]
memory = "128MiB"
pick_time = "5ms"
[[service]]
name = "größe" # not right, on purpose
listen = "192.0.2.25:25"
snat = true
on_down = "kill"
interface = "eth0"
prefix = 24
scheduler = { plugin = "hash", settings = { by = "flow", slots = 9 } }
decision = "per-connection"
persistence = { timeout = "5m", prefix = 24 }
check = ["tcp", { plugin = "http", port = 91, settings = { path = "/ready", wait = "1s" } }]
[[service.server]]
address = "10.0.0.31:25"
labels = { zone = "a" }
[[service.server]]
address = "10.0.0.32:25"
weight = 0
upper_threshold = 500
lower_threshold = 400
check = "none"
[[service]]
name = "v6"
listen = "[2001:db8::1]:53"
protocol = "udp"
scheduler = "native/rr.so"
persistence = "1h"
server = [{ address = "[2001:db8::2]:53" }]
"#;

/// What only IPVS does.
const IPVS: &str = r#"dataplane = "ipvs"
offload = "off"
[[service]]
name = "direct"
listen = "192.0.2.25:25"
forward = "dr"
inhibit_on_failure = true
server = [{ address = "10.0.0.31:25" }, { address = "10.0.0.32:2525", forward = "nat" }]
[[service]]
name = "marked"
fwmark = 7
family = "ipv6"
forward = "tun"
check = { plugin = "tcp", port = 80 }
[[service.server]]
address = "[2001:db8::31]"
inhibit_on_failure = true
[[service.server]]
address = "[2001:db8::32]:443"
forward = "dr"
[[service]]
name = "sigtran"
listen = "192.0.2.25:2905"
protocol = "sctp"
snat = true
server = [{ address = "10.0.0.31:2905" }]
[[vrrp]]
name = "pair"
interface = "eth0"
router_id = 51
address = "192.0.2.25/24"
[connection_sync]
vrrp = "pair"
interface = "eth1"
group = "224.0.0.82"
id = 3
port = 8849
ttl = 2
max_len = 1400
[ipvs_timeouts]
tcp = "2h"
tcp_fin = "1m"
udp = "30s"
"#;

/// Reads and resolves; every diagnostic must have a place in the text, and they must come in order.
fn read(bytes: &[u8]) -> Vec<Diagnostic> {
    let text = String::from_utf8_lossy(bytes);
    let parsed = parse_bytes("lb.toml", bytes);
    assert!(
        !parsed
            .daemon()
            .plugin_dirs
            .iter()
            .any(|dir| dir.as_os_str().is_empty())
    );
    let _ = parsed.plugin_refs();
    let diagnostics = match parsed.resolve(&Shelf::new(), &AnyMachine) {
        Ok((model, warnings)) => {
            keeps_its_promises(&model);
            warnings
        }
        Err(report) => {
            assert!(report.errors().count() > 0);
            report.diagnostics
        }
    };
    let lines: Vec<&str> = text.split('\n').collect();
    for found in &diagnostics {
        let line = lines.get(found.line - 1).copied();
        let columns = line.map(|line| line.chars().count() + 1);
        assert!(
            columns.is_some_and(|columns| (1..=columns).contains(&found.column)),
            "{found}"
        );
        assert!(text.get(found.span.clone()).is_some(), "{found}");
        assert!(
            !found.message.is_empty() && !found.message.contains('\n'),
            "{found}"
        );
        assert!(
            found
                .render()
                .starts_with(&format!("lb.toml:{}:{}: ", found.line, found.column))
        );
    }
    assert!(diagnostics.is_sorted_by_key(|found| found.span.start));
    diagnostics
}

/// What the model says of itself.
fn keeps_its_promises(model: &Model) {
    for service in &model.services {
        let longest = if service.key.addr.is_ipv4() { 32 } else { 128 };
        assert!(service.persistence.is_none_or(|persistence| {
            let timeout = persistence.timeout;
            timeout.as_secs() >= 1
                && timeout.subsec_nanos() == 0
                && (1..=longest).contains(&persistence.prefix)
        }));
        assert!(service.servers.iter().all(|server| {
            let (upper, lower) = (server.upper_threshold, server.lower_threshold);
            upper != Some(0) && lower != Some(0) && lower.is_none_or(|lower| upper >= Some(lower))
        }));
        let marked = service.key.protocol.fwmark().is_some();
        assert_eq!(marked, service.key.port == 0);
        assert_eq!(marked, service.key.addr.is_unspecified());
        for server in &service.servers {
            let (forward, port) = (server.forward, server.address.port());
            assert!(forward == Forward::Nat || !service.snat);
            assert!(forward == Forward::Nat || marked || port == service.key.port);
            assert!(port != 0 || marked);
            assert!(server.checks.iter().all(|check| check.target.port() != 0));
            assert_eq!(server.address.is_ipv4(), service.key.addr.is_ipv4());
        }
        let only_ipvs = marked
            || service.key.protocol == Protocol::Sctp
            || service.servers.iter().any(|it| it.forward != Forward::Nat);
        assert!(!only_ipvs || model.dataplane.kind == DataPlaneKind::Ipvs);
        if let PluginRef::File(file) = &service.scheduler.plugin
            && file.extension().is_some_and(|e| e == "so")
        {
            assert!(model.daemon.native_plugins.contains(file));
        }
    }
    let IpvsTimeouts {
        tcp, tcp_fin, udp, ..
    } = model.ipvs_timeouts;
    for time in [tcp, tcp_fin, udp].into_iter().flatten() {
        assert!(time.as_secs() >= 1 && time.subsec_nanos() == 0 && time <= IpvsTimeouts::MAX);
    }
    if let Some(sync) = &model.connection_sync {
        assert_eq!(model.dataplane.kind, DataPlaneKind::Ipvs);
        assert!(model.vrrp.instances.iter().any(|it| it.name == sync.vrrp));
        assert!(sync.id > 0 && sync.group.is_none_or(|group| group.is_multicast()));
    }
    let Vrrp {
        instances,
        groups,
        scripts,
    } = &model.vrrp;
    let all_differ = |mut keys: Vec<String>| {
        keys.sort();
        keys.windows(2).all(|pair| pair[0] != pair[1])
    };
    let names: Vec<String> = instances.iter().map(|i| i.name.clone()).collect();
    let routers = instances.iter();
    let routers = routers.map(|i| format!("{} {} {}", i.interface, i.family, i.router_id));
    let members: Vec<String> = groups.iter().flat_map(|g| g.members.clone()).collect();
    assert!(members.iter().all(|member| names.contains(member)));
    assert!(all_differ(routers.collect()) && all_differ(names) && all_differ(members));
    assert!(groups.iter().all(|group| group.members.len() >= 2));
    assert!(scripts.iter().all(|script| !script.command.is_empty()));
    for i in instances {
        let listed = i.addresses.iter().filter(|address| address.advertised);
        assert!((1..=255).contains(&listed.clone().count()));
        assert!(listed.clone().all(|a| Family::of(a.addr) == i.family));
        let ours = i.peers.iter().chain(&i.source);
        assert!(ours.clone().all(|addr| Family::of(*addr) == i.family));
        let millis = i.advert_interval.as_millis();
        assert!(match i.version {
            VrrpVersion::V2 =>
                i.family == Family::V4 && millis >= 1_000 && millis.is_multiple_of(1_000),
            VrrpVersion::V3 =>
                i.password.is_none() && (10..=40_950).contains(&millis) && millis.is_multiple_of(10),
        });
        assert!(i.preempt || (i.preempt_delay.is_zero() && i.priority < 255));
        assert!(
            i.routes
                .iter()
                .all(|r| r.via.is_some() || r.interface.is_some())
        );
        assert!(i.track.iter().all(|track| match &track.what {
            Tracked::Script(name) => scripts.iter().any(|script| script.name == *name),
            Tracked::Service(name) => model.services.iter().any(|service| service.name == *name),
            _ => true,
        }));
    }
}

/// A mutation: at this place (in parts of the text's length), this many bytes are replaced.
fn mutate(text: &str, changes: &[(f64, usize, String)]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for (place, length, with) in changes {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "the place is from 0 to 1 of a short text's length"
        )]
        let at = (place * bytes.len() as f64) as usize;
        let end = (at + length).min(bytes.len());
        bytes.splice(at..end, with.bytes());
    }
    bytes
}

fn snippet() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[\\[\\]{}=,\"'#\n\r\t 0-9a-z.:_-]{0,12}",
        proptest::sample::select(
            VALID
                .lines()
                .chain(FULL.lines())
                .chain(IPVS.lines())
                .collect::<Vec<_>>()
        )
        .prop_map(|line| format!("\n{line}\n")),
        Just("[[service]]".to_owned()),
        Just("[[vrrp]]".to_owned()),
        Just("\u{feff}".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        read(&bytes);
    }

    #[test]
    fn any_text_of_tomls_characters_is_read_without_a_panic(
        text in "(\\[|\\]|\\{|\\}|=|,|\"|'|#|\n|\r|\t| |\\.|:|-|_|[0-9a-f]|service|server|name|listen|check|é){0,80}"
    ) {
        read(text.as_bytes());
    }

    #[test]
    fn a_damaged_file_is_read_without_a_panic(
        changes in proptest::collection::vec((0.0..1.0_f64, 0_usize..20, snippet()), 1..4)
    ) {
        read(&mutate(VALID, &changes));
    }

    #[test]
    fn damaged_virtual_routers_are_read_without_a_panic(
        changes in proptest::collection::vec((0.0..1.0_f64, 0_usize..20, snippet()), 1..4)
    ) {
        read(&mutate(FULL, &changes));
    }

    #[test]
    fn damaged_services_of_ipvs_are_read_without_a_panic(
        changes in proptest::collection::vec((0.0..1.0_f64, 0_usize..20, snippet()), 1..4)
    ) {
        read(&mutate(IPVS, &changes));
    }

    #[test]
    fn any_value_of_a_virtual_router_is_read_without_a_panic(
        line in 0..FULL.lines().count(),
        value in "[0-9a-z\"./:\\[\\]{}=, -]{0,24}"
    ) {
        let lines = FULL.lines().enumerate().map(|(i, written)| match written.split_once(" = ") {
            Some((key, _)) if i == line => format!("{key} = {value}\n"),
            _ => format!("{written}\n"),
        });
        read(lines.collect::<String>().as_bytes());
    }

    #[test]
    fn a_translated_file_names_only_places_that_it_was_given(
        changes in proptest::collection::vec((0.0..1.0_f64, 0_usize..20, snippet()), 1..4),
        origin in proptest::collection::vec(proptest::option::of(1_usize..1_000), 0..200),
    ) {
        let text = String::from_utf8_lossy(&mutate(FULL, &changes)).into_owned();
        let places: Vec<_> = origin.iter().map(|line| line.map(|n| ("more.conf".to_owned(), n))).collect();
        let known = |line: usize| origin.contains(&Some(line));
        let found = match parse_translated("lb.conf", &text, places).resolve(&Shelf::new(), &AnyMachine) {
            Ok((_, warnings)) => warnings,
            Err(report) => report.diagnostics,
        };
        for found in found {
            let place = found.place();
            let line = place.strip_prefix("more.conf:").and_then(|line| line.parse().ok());
            prop_assert!(place == "lb.conf" || line.is_some_and(known), "{place}");
            let start = format!("{place}: ");
            prop_assert!(found.render().starts_with(&start));
        }
    }
}

#[test]
fn a_message_has_no_control_characters_of_the_file() {
    for name in [
        "\"\"\"a\nb.wasm\"\"\"",
        "\"\\u001b[31m/x\"",
        "{ plugin = \"rr\", settings = { \"\\n\\u001b\" = 1 } }",
    ] {
        let text = format!("[[service]]\nscheduler = {name}\n");
        for found in read(text.as_bytes()) {
            assert!(!found.render().contains('\u{1b}'), "{found}");
        }
    }
}

#[test]
fn a_file_cut_off_anywhere_is_read_without_a_panic() {
    for text in [VALID, FULL, IPVS] {
        for end in 0..=text.len() {
            read(&text.as_bytes()[..end]);
        }
    }
}

#[test]
fn what_only_ipvs_does_is_right_before_it_is_damaged() {
    assert!(read(IPVS.as_bytes()).is_empty());
}

#[test]
fn deep_nesting_is_an_error_and_not_the_end() {
    for (open, close) in [("[", "]"), ("{a=", "}")] {
        let text = format!("table = {}{}\n", open.repeat(20_000), close.repeat(20_000));
        assert!(read(text.as_bytes()).iter().any(Diagnostic::is_error));
    }
}

#[test]
fn a_long_dotted_key_is_an_error_and_not_the_end() {
    let text = format!("a{} = 1\n[b{}]\n", ".a".repeat(20_000), ".b".repeat(20_000));
    assert!(read(text.as_bytes()).iter().any(Diagnostic::is_error));
}

/// `services` services of four servers each.
fn many(services: usize) -> String {
    let mut text = String::new();
    for n in 0..services {
        let (a, b) = (n / 250, n % 250 + 1);
        let _ = write!(
            text,
            "[[service]]\nname = \"service-{n}\"\nlisten = \"10.{a}.0.{b}:80\"\nscheduler = \"wrr\"\n\
             check = {{ plugin = \"http\", interval = \"6s\", settings = {{ path = \"/up\" }} }}\n"
        );
        for server in 1..=4 {
            let _ = write!(
                text,
                "[[service.server]]\naddress = \"172.{a}.{b}.{server}:8080\"\nweight = {server}\n"
            );
        }
    }
    text
}

#[test]
fn ten_thousand_services_are_read_and_resolved() {
    let text = many(10_000);
    let (model, warnings) = parse_bytes("lb.toml", text.as_bytes())
        .resolve(&Shelf::new(), &AnyMachine)
        .expect("it is right");
    assert!(warnings.is_empty());
    assert_eq!(model.services.len(), 10_000);
    assert!(
        model
            .services
            .iter()
            .all(|service| service.servers.len() == 4)
    );
}

#[test]
fn ten_thousand_mistakes_are_all_reported() {
    let text = many(2_000)
        .replace("weight", "wieght")
        .replace("\"6s\"", "6");
    assert_eq!(read(text.as_bytes()).len(), 10_000);
}
