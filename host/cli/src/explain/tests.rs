//! The texts of `evenkeel explain`.

use evenkeel_config::{AnyMachine, Found, PluginCatalogue, parse};
use evenkeel_core::manifest::{Abilities, Decision, Facts, Manifest, PluginKind};
use evenkeel_core::model::{Model, PluginRef};
use evenkeel_core::plan::{Plan, Run};
use evenkeel_core::state::{BackendId, Selector};

use super::*;

/// Any plugin: `tcp` checks, `ask` decides each connection, all others plan.
struct Any(Vec<(String, PluginKind, Manifest)>);

impl Any {
    fn new() -> Self {
        let one = |name: &str, kind, decision| {
            let manifest = Manifest {
                abilities: Some(Abilities {
                    decisions: vec![decision],
                    facts: Facts::default(),
                    deterministic: false,
                    stateless: false,
                    labels: Vec::new(),
                    delegates: Vec::new(),
                }),
                name: name.to_owned(),
                version: "1.0.0".to_owned(),
                summary: String::new(),
                settings: Vec::new(),
            };
            (name.to_owned(), kind, manifest)
        };
        Self(vec![
            one("rr", PluginKind::Scheduler, Decision::Plan),
            one("wrr", PluginKind::Scheduler, Decision::Plan),
            one("ask", PluginKind::Scheduler, Decision::PerConnection),
            one("tcp", PluginKind::Checker, Decision::Plan),
        ])
    }
}

impl PluginCatalogue for Any {
    fn find(&self, plugin: &PluginRef) -> Found<'_> {
        let name = plugin.to_string();
        match self.0.iter().find(|(known, ..)| *known == name) {
            Some((_, kind, manifest)) => Found::One {
                kind: *kind,
                manifest,
            },
            None => Found::Missing {
                available: Vec::new(),
                searched: Vec::new(),
            },
        }
    }
}

fn model(text: &str) -> Model {
    match parse("lb.toml", text).resolve(&Any::new(), &AnyMachine) {
        Ok((model, _)) => model,
        Err(report) => panic!("{}", report.render()),
    }
}

/// A plan of runs: a server's place in the configuration and its slots.
fn plan(selector: Selector, runs: &[(u32, u32)]) -> Plan {
    Plan::Table {
        slots: runs
            .iter()
            .map(|(n, width)| Run {
                id: BackendId::new(*n).unwrap(),
                width: *width,
            })
            .collect(),
        selector,
        refresh_ms: None,
    }
}

fn explained(text: &str, plan: &Plan) -> String {
    let model = model(text);
    let service = &model.services[0];
    super::text(&model, service, &Planned::of(service, plan))
}

const PAIR: &str = r#"
[[vrrp]]
name = "pair"
interface = "eth0"
router_id = 51
address = ["192.0.2.10/24", { address = "10.0.0.254/24", interface = "eth1" }, "2001:db8::10/64"]
"#;

#[test]
fn nat_behind_a_pair_of_directors() {
    let text = PAIR.to_owned()
        + r#"
[[service]]
name = "web"
listen = "192.0.2.10:80"
scheduler = "wrr"
check = "tcp"
server = [
    { name = "a", address = "10.0.0.11:8080", weight = 3 },
    { name = "b", address = "10.0.0.12:8080" },
    { name = "far", address = "10.9.0.12:8080", check = "none" },
]
"#;
    let plan = plan(Selector::Sequence, &[(1, 2), (2, 1), (1, 1), (3, 1)]);
    insta::assert_snapshot!(explained(&text, &plan));
    let on_ipvs = "dataplane = \"ipvs\"\n".to_owned() + &text;
    insta::assert_snapshot!(explained(&on_ipvs, &plan));
}

#[test]
fn direct_routing_with_a_tunnel_to_the_other_site() {
    let text = PAIR.to_owned()
        + r#"
[[service]]
name = "shop"
listen = "192.0.2.10:443"
forward = "dr"
inhibit_on_failure = true
persistence = { timeout = "5m", prefix = 24 }
check = { plugin = "tcp", interval = "2s", timeout = "1s" }
server = [
    { name = "a", address = "192.0.2.11:443" },
    { name = "b", address = "192.0.2.12:443" },
    { name = "far", address = "198.51.100.3:443", forward = "tun" },
]
[connection_sync]
vrrp = "pair"
interface = "eth0"
"#;
    let plan = plan(Selector::Sequence, &[(1, 1), (2, 1), (3, 1)]);
    insta::assert_snapshot!(explained(&text, &plan));
}

#[test]
fn ipv6_by_direct_routing_and_tunnels() {
    let text = PAIR.to_owned()
        + r#"
[[service]]
name = "six"
listen = "[2001:db8::10]:80"
forward = "tun"
server = [
    { name = "a", address = "[2001:db8:1::11]:80" },
    { name = "b", address = "[2001:db8::12]:80", forward = "dr" },
]
"#;
    let plan = plan(Selector::HashFlow, &[(1, 128), (2, 128)]);
    insta::assert_snapshot!(explained(&text, &plan));
}

#[test]
fn a_firewall_mark_needs_rules_of_the_director() {
    let text = r#"
[[service]]
name = "marked"
fwmark = 7
server = [
    { name = "a", address = "10.0.0.11", forward = "dr" },
    { name = "b", address = "10.0.0.12", inhibit_on_failure = true },
]
"#;
    let plan = plan(Selector::HashSource, &[(1, 1000), (2, 500)]);
    insta::assert_snapshot!(explained(text, &plan));
}

#[test]
fn full_nat_needs_nothing_of_servers() {
    let text = r#"
[[service]]
name = "mail"
listen = "192.0.2.25:25"
interface = "eth0"
prefix = 24
snat = true
on_down = "kill"
scheduler = "ask"
persistence = "1h"
server = [{ address = "10.0.0.31:25" }, { address = "10.0.0.32:25", weight = 0 }]
"#;
    insta::assert_snapshot!(explained(text, &Plan::PerConnection));
}

#[test]
fn a_plan_that_cannot_be_followed_is_said() {
    let text = r#"
[[service]]
name = "web"
listen = "192.0.2.10:80"
server = [{ name = "a", address = "10.0.0.31:80" }]
"#;
    let lines = |text: &str, plan: &Plan| {
        let model = model(text);
        let service = &model.services[0];
        Planned::of(service, plan).lines(service, model.dataplane.kind)
    };
    let wrong = lines(text, &plan(Selector::Sequence, &[(9, 1)]));
    assert!(wrong[0].starts_with("it has no plan now: "), "{wrong:?}");
    let none = text.replace("31:80\"", "31:80\", weight = 0");
    let none = lines(&none, &plan(Selector::Sequence, &[]));
    assert_eq!(none, ["new connections are refused: no server takes any"]);
}

#[test]
fn a_second_scheduler_has_a_line() {
    let line = |second: &str| {
        let text = format!(
            "[[service]]\nname = \"web\"\nlisten = \"192.0.2.10:80\"\nscheduler = {{ plugin = \"rr\", {second} }}\n\
             server = [{{ address = \"10.0.0.31:80\" }}]\n"
        );
        second::line(&model(&text).services[0]).unwrap()
    };
    assert_eq!(
        line("shadow = \"ask\""),
        (
            "Shadow",
            "ask makes plans beside it, which nobody follows; `evenkeel status` says how much they differ".to_owned()
        )
    );
    assert_eq!(
        line("canary = { plugin = \"wrr\", share = 5, max_call = \"5ms\" }"),
        (
            "Canary",
            "wrr decides for 5% of the slots; rr does for all again if it fails, if more than one of 100 calls takes \
             longer than 5ms, or if its plan is more uneven by more than 10%"
                .to_owned()
        )
    );
}
