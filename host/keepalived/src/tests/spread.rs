//! Schedulers with their flags, persistence, thresholds.

use std::time::Duration;

use super::fixture::{SCHEDULERS, model, note, notes, resolved, translated};
use super::services::{around, said, service};
use evenkeel_core::manifest::{Setting, SettingValue};
use evenkeel_core::model::{Persistence, PluginRef};

/// The plugin of a translation's only service, with those settings that are set.
fn scheduler(lines: &str) -> (String, Vec<String>) {
    let text = around(lines, "").replacen(" lb_algo rr\n", "", 1);
    let found = model(&translated(&text)).services.remove(0).scheduler;
    let on = |s: &&Setting| s.value == SettingValue::Boolean(true);
    let settings = found.settings.iter().filter(on).map(|s| s.key.clone());
    (found.plugin.to_string(), settings.collect())
}

#[test]
fn every_scheduler_of_ipvs_is_the_plugin_with_its_name() {
    for algorithm in SCHEDULERS {
        for keyword in ["lb_algo", "lvs_sched"] {
            let line = format!("{keyword} {algorithm}");
            assert_eq!(scheduler(&line), (algorithm.to_owned(), vec![]), "{line}");
        }
        let found = translated(&around("", "").replace("rr", algorithm));
        assert_eq!(notes(&found), Vec::<String>::new());
    }
}

#[test]
fn without_a_scheduler_it_is_wlc_as_keepalived_has_it() {
    assert_eq!(scheduler("").0, "wlc");
    let found = translated(&around("", "").replace(" lb_algo rr\n", ""));
    assert!(
        found
            .toml
            .contains("scheduler = \"wlc\" # keepalived's default")
    );
    assert!(notes(&found).is_empty());
    assert_eq!(scheduler("lb_algo rr\n lb_algo wlc").0, "wlc");
}

#[test]
fn a_scheduler_that_keepalived_does_not_have_is_wlc_and_listed_with_its_line() {
    let found = translated(&around("", "").replace("lb_algo rr", "lb_algo wlcc"));
    assert!(note(&found, "wlcc").starts_with("k.conf:3: lb_algo: carried over, but"));
    assert_eq!(
        model(&found).services[0].scheduler.plugin,
        PluginRef::Name("wlc".to_owned())
    );
}

#[test]
fn flags_of_schedulers_are_settings_wherever_they_stand() {
    let cases = [
        ("lb_algo sh\n sh-port", "sh", vec!["port"]),
        ("sh-fallback\n lb_algo sh", "sh", vec!["fallback"]),
        (
            "lb_algo mh # why\n mh-fallback # here\n mh-port",
            "mh",
            vec!["port", "fallback"],
        ),
        (
            "lb_algo sh\n flag-1\n flag-2\n sh-port",
            "sh",
            vec!["port", "fallback"],
        ),
        ("lb_algo mh\n flag-2", "mh", vec!["port"]),
    ];
    for (lines, plugin, settings) in cases {
        let settings: Vec<String> = settings.into_iter().map(str::to_owned).collect();
        assert_eq!(scheduler(lines), (plugin.to_owned(), settings), "{lines}");
    }
    let lines = "lb_algo mh # why\n mh-fallback # here";
    let toml = translated(&around(lines, "")).toml;
    assert!(
        toml.contains("scheduler = { plugin = \"mh\", settings = { fallback = true } } # why\n")
            && toml.contains("# here\n"),
        "{toml}"
    );
}

#[test]
fn flags_of_another_scheduler_are_listed() {
    for (lines, part) in [
        ("mh-port", "mh-port: not carried over: only for mh"),
        ("flag-1", "flag-1: not carried over: only for sh and mh"),
        (
            "lb_algo sh\n mh-fallback",
            "mh-fallback: not carried over: only for mh",
        ),
        ("lb_algo mh\n flag-3", "flag-3: not carried over"),
    ] {
        assert!(said(lines, "", part).starts_with("k.conf:"), "{lines}");
        assert!(scheduler(lines).1.is_empty());
    }
}

#[test]
fn persistence_is_carried_over_with_its_granularity() {
    let v6 = |lines: &str| {
        around(lines, "")
            .replace("192.0.2.1", "2001:db8::1")
            .replace("10.0.0.1", "2001:db8::2")
    };
    let cases = [
        (around("persistence_timeout 50", ""), 50, 32),
        (around("persistence_timeout", ""), 360, 32),
        (around("persistence_timeout 2678400", ""), 2_678_400, 32),
        (
            around(
                "persistence_granularity 255.255.255.0\n persistence_timeout 600",
                "",
            ),
            600,
            24,
        ),
        (around("persistence_granularity 255.255.0.0", ""), 360, 16),
        (
            around("persistence_timeout 60\n granularity 255.255.255.255", ""),
            60,
            32,
        ),
        (v6("persistence_timeout 60"), 60, 128),
        (
            v6("persistence_timeout 60\n persistence_granularity 64"),
            60,
            64,
        ),
    ];
    for (text, seconds, prefix) in cases {
        let found = translated(&text);
        assert!(notes(&found).is_empty(), "{:?}", notes(&found));
        let timeout = Duration::from_secs(seconds);
        let expected = Some(Persistence { timeout, prefix });
        assert_eq!(model(&found).services[0].persistence, expected, "{text}");
    }
    assert_eq!(service("", "").persistence, None);
    let two = "persistence_timeout 60\n persistence_timeout 120";
    assert!(said(two, "", "takes the place").starts_with("k.conf:6: persistence_timeout"));
    assert_eq!(
        service(two, "").persistence.map(|p| p.timeout),
        Some(Duration::from_secs(120))
    );
}

#[test]
fn a_persistence_that_keepalived_would_not_take_is_an_error() {
    for lines in [
        "persistence_timeout 0",
        "persistence_timeout 1.5",
        "persistence_timeout x",
        "persistence_granularity 24",
        "persistence_granularity 255.0.255.0",
        "persistence_granularity 0.0.0.0",
        "persistence_granularity",
    ] {
        let found = translated(&around(lines, ""));
        assert!(found.has_errors(), "{lines}");
        assert!(note(&found, ": error: ").starts_with("k.conf:5: persistence_"));
    }
    // What keepalived takes and Evenkeel does not is told with the line, too.
    let found = translated(&around("persistence_timeout 2678401", ""));
    let wrong = resolved(found).unwrap_err().render();
    assert!(
        wrong.starts_with("k.conf:5: timeout = \"2678401s\": not from 1s to 31days"),
        "{wrong}"
    );
}

#[test]
fn thresholds_are_carried_over_unless_ipvs_would_refuse_them() {
    let thresholds = |lines: &str| {
        let server = service("", lines).servers.remove(0);
        (server.upper_threshold, server.lower_threshold)
    };
    assert_eq!(thresholds(""), (None, None));
    assert_eq!(thresholds("uthreshold 100"), (Some(100), None));
    assert_eq!(
        thresholds("lthreshold 80\n uthreshold 100"),
        (Some(100), Some(80))
    );
    assert_eq!(thresholds("lthreshold 0\n uthreshold 0"), (None, None));
    for (lines, upper) in [
        ("lthreshold 80", None),
        ("lthreshold 101\n uthreshold 100", Some(100)),
    ] {
        assert_eq!(thresholds(lines), (upper, None));
        assert!(
            said("", lines, "lthreshold").starts_with("k.conf:6: real_server: carried over, but")
        );
    }
}
