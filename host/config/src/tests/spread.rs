//! How connections are spread: decisions, persistence, thresholds; and native plugins.

use std::path::PathBuf;
use std::time::Duration;

use super::errors::reports;
use super::fixture::{Shelf, model, resolve};
use crate::parse;
use evenkeel_core::manifest::Decision;
use evenkeel_core::model::{OnDrain, Persistence, PluginRef};

/// A service with these keys.
fn service(keys: &str) -> String {
    format!(
        "[[service]]\nname = \"a\"\nlisten = \"10.0.0.1:80\"\nserver = [{{ address = \"10.9.0.2:80\" }}]\n{keys}\n"
    )
}

/// A service over IPv6.
fn service_v6(keys: &str) -> String {
    service(keys)
        .replace("10.0.0.1", "[2001:db8::1]")
        .replace("10.9.0.2", "[2001:db8::2]")
}

/// A service whose server has these keys.
fn server(keys: &str) -> String {
    format!(
        "[[service]]\nname = \"a\"\nlisten = \"10.0.0.1:80\"\n[[service.server]]\naddress = \"10.9.0.2:80\"\n{keys}\n"
    )
}

#[test]
fn what_a_scheduler_offers_first_is_how_it_is_followed() {
    let cases = [
        ("", Decision::Plan),
        ("decision = \"plan\"", Decision::Plan),
        ("scheduler = \"hash\"", Decision::Plan),
        (
            "scheduler = \"hash\"\ndecision = \"per-connection\"",
            Decision::PerConnection,
        ),
        ("scheduler = \"ask\"", Decision::PerConnection),
        (
            "scheduler = \"ask\"\ndecision = \"per-connection\"",
            Decision::PerConnection,
        ),
    ];
    for (keys, decision) in cases {
        assert_eq!(
            model(&service(keys)).services[0].decision,
            decision,
            "{keys}"
        );
    }
}

#[test]
fn a_decision_that_the_scheduler_does_not_offer_says_what_it_offers() {
    let cases = [
        service("decision = \"per-connection\""),
        service("scheduler = \"wrr\"\ndecision = \"per-connection\""),
        service("scheduler = \"ask\"\ndecision = \"plan\""),
        service("decision = \"per_connection\""),
        service("decision = \"PLAN\""),
        service("decision = true"),
        // What the scheduler is like is not known.
        service("scheduler = \"wlc\"\ndecision = \"per-connection\""),
    ];
    insta::assert_snapshot!(reports(cases));
}

#[test]
fn persistence_is_a_time_or_a_table_with_a_prefix() {
    let cases = [
        (service("persistence = \"5m\""), 300, 32),
        (service("persistence = { timeout = \"5m\" }"), 300, 32),
        (
            service("persistence = { timeout = \"1s\", prefix = 24 }"),
            1,
            24,
        ),
        (
            service("[service.persistence]\ntimeout = \"31d\"\nprefix = 1"),
            31 * 86_400,
            1,
        ),
        (service_v6("persistence = \"1m 30s\""), 90, 128),
        (
            service_v6("persistence = { timeout = \"1h\", prefix = 64 }"),
            3_600,
            64,
        ),
        (
            service("scheduler = \"ask\"\npersistence = \"2000ms\""),
            2,
            32,
        ),
    ];
    for (text, seconds, prefix) in cases {
        let timeout = Duration::from_secs(seconds);
        let expected = Some(Persistence { timeout, prefix });
        assert_eq!(model(&text).services[0].persistence, expected, "{text}");
    }
    assert_eq!(model(&service("")).services[0].persistence, None);
}

#[test]
fn clients_of_a_draining_server_stay_unless_it_is_said() {
    let on_drain = |keys: &str| model(&service(keys)).services[0].on_drain;
    assert_eq!(on_drain(""), OnDrain::Keep);
    assert_eq!(on_drain("persistence = \"5m\""), OnDrain::Keep);
    let written = |value| format!("persistence = {{ timeout = \"5m\", on_drain = \"{value}\" }}");
    assert_eq!(on_drain(&written("keep")), OnDrain::Keep);
    assert_eq!(on_drain(&written("move")), OnDrain::Move);
}

#[test]
fn a_persistence_that_cannot_be_kept_says_why() {
    let cases = [
        service("persistence = 300"),
        service("persistence = \"0s\""),
        service("persistence = \"1500ms\""),
        service("persistence = \"32d\""),
        service("persistence = true"),
        service("persistence = [\"5m\"]"),
        service("persistence = {}"),
        service("persistence = { prefix = 24 }"),
        service("persistence = { timeout = \"5m\", prefix = 33 }"),
        service("persistence = { timeout = \"5m\", prefix = 0 }"),
        service("persistence = { timeout = \"5m\", prefix = \"255.255.255.0\" }"),
        service_v6("persistence = { timeout = \"1500ms\", prefix = 129 }"),
        service("persistence = { timeout = \"1500ms\", prefix = 33 }"),
        service("persistence = { timeout = \"5m\", granularity = 24 }"),
        service("persistence_timeout = 300"),
        service("persistence_granularity = 24"),
    ];
    insta::assert_snapshot!(reports(cases));
}

#[test]
fn thresholds_are_limits_and_0_is_none() {
    let cases = [
        ("", None, None),
        ("upper_threshold = 0", None, None),
        ("upper_threshold = 0\nlower_threshold = 0", None, None),
        ("upper_threshold = 100", Some(100), None),
        (
            "upper_threshold = 100\nlower_threshold = 0",
            Some(100),
            None,
        ),
        (
            "upper_threshold = 100\nlower_threshold = 80",
            Some(100),
            Some(80),
        ),
        ("upper_threshold = 1\nlower_threshold = 1", Some(1), Some(1)),
        ("upper_threshold = 4294967295", Some(u32::MAX), None),
    ];
    for (keys, upper, lower) in cases {
        let server = model(&server(keys)).services[0].servers[0].clone();
        assert_eq!(
            (server.upper_threshold, server.lower_threshold),
            (upper, lower),
            "{keys}"
        );
    }
}

#[test]
fn thresholds_that_contradict_each_other_say_so() {
    let cases = [
        server("lower_threshold = 5"),
        server("upper_threshold = 0\nlower_threshold = 5"),
        server("upper_threshold = 4\nlower_threshold = 5"),
        server("upper_threshold = -1\nlower_threshold = 5"),
        server("upper_threshold = 4294967296"),
        server("upper_threshold = \"100\""),
        server("uthreshold = 100\nlthreshold = 80"),
        service("upper_threshold = 100"),
    ];
    insta::assert_snapshot!(reports(cases));
}

#[test]
fn native_plugins_are_those_that_are_listed_each_once() {
    let text = "native_plugins = [\"/opt/rr.so\", \"native/./rr.so\", \"/opt/rr.so\"]\n".to_owned()
        + &service("scheduler = \"native/rr.so\"");
    let model = model(&text);
    let rr = PathBuf::from("/etc/native/rr.so");
    assert_eq!(
        model.daemon.native_plugins,
        [PathBuf::from("/opt/rr.so"), rr.clone()]
    );
    assert_eq!(model.services[0].scheduler.plugin, PluginRef::File(rr));
    assert!(super::fixture::model("").daemon.native_plugins.is_empty());
}

#[test]
fn a_native_plugin_that_is_not_listed_is_neither_loaded_nor_used() {
    let listed = "native_plugins = [\"/opt/other.so\"]\n";
    let text = listed.to_owned() + &service("scheduler = \"./rr.so\"\ncheck = \"rr.so\"");
    assert_eq!(parse("/etc/lb.toml", &text).plugin_refs(), []);
    let cases = [
        text,
        service(
            "scheduler = \"/usr/lib/evenkeel/native/rr.so\"\ncheck = \"/usr/../usr/lib/rr.so\"",
        ),
        // A way round the list would be one to run any code as root.
        "native_plugins = [\"/opt/../opt/rr.so\"]\n".to_owned()
            + &service("scheduler = \"/opt/rr.so\""),
    ];
    insta::assert_snapshot!(reports(cases));
}

#[test]
fn only_shared_objects_can_be_listed_as_native_plugins() {
    let values = [
        "\"/opt/rr.so\"",
        "[\"/opt/rr.wasm\"]",
        "[\"/opt\", \"\", 3]",
        "[\"rr\"]",
        "[\"/opt/rr.so.1\"]",
        "true",
    ];
    insta::assert_snapshot!(reports(
        values.map(|value| format!("native_plugins = {value}\n"))
    ));
}

#[test]
fn the_time_of_one_decision_is_read() {
    let pick_time = |text: &str| model(text).daemon.sandbox.pick_time;
    assert_eq!(pick_time(""), Duration::from_millis(20));
    assert_eq!(
        pick_time("[sandbox]\npick_time = \"1ms\"\n"),
        Duration::from_millis(1)
    );
    for wrong in ["\"2s\"", "\"0ms\"", "5"] {
        let text = format!("[sandbox]\npick_time = {wrong}\n");
        assert!(resolve(&text).is_err(), "{wrong}");
    }
}

#[test]
fn where_the_kernel_cannot_ask_about_each_connection_that_is_said_in_its_place() {
    let mut shelf = Shelf::new();
    shelf.deaf = Some("the kernel has no NFQUEUE".to_owned());
    let reports: Vec<String> = [
        "scheduler = \"hash\"\ndecision = \"per-connection\"",
        "scheduler = \"ask\"",
    ]
    .into_iter()
    .map(|keys| {
        let parsed = parse("lb.toml", &service(keys));
        parsed.resolve(&shelf, &shelf).unwrap_err().render()
    })
    .collect();
    insta::assert_snapshot!(reports.join("\n"));
    assert!(
        parse("lb.toml", &service("scheduler = \"hash\""))
            .resolve(&shelf, &shelf)
            .is_ok()
    );
}
