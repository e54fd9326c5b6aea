//! Virtual servers and their checks.

use std::time::Duration;

use super::fixture::{SCHEDULERS, model, note, notes, resolved, translated};
use crate::manifest::{Setting, SettingValue};
use crate::model::{OnDown, Persistence, PluginRef, Protocol, Service};

/// A virtual server with more lines in it, and in its real server.
fn around(lines: &str, server: &str) -> String {
    format!(
        "virtual_server 192.0.2.1 80 {{\n protocol TCP\n lb_algo rr\n lb_kind NAT\n {lines}\n real_server 10.0.0.1 8080 {{\n {server}\n }}\n}}\n"
    )
}

fn service(lines: &str, server: &str) -> Service {
    let mut services = model(&translated(&around(lines, server))).services;
    assert_eq!(services.len(), 1);
    services.remove(0)
}

fn said(lines: &str, server: &str, part: &str) -> String {
    note(&translated(&around(lines, server)), part)
}

#[test]
fn defaults_are_keepaliveds_own() {
    let found = service("", "TCP_CHECK {\n }");
    let timing = found.servers[0].checks[0].timing;
    assert_eq!(
        (timing.interval, timing.timeout),
        (Duration::from_secs(60), Duration::from_secs(5))
    );
    assert_eq!(
        (timing.retries, timing.retry_delay),
        (1, Duration::from_secs(1))
    );
    assert!(!timing.alpha);
    assert_eq!(
        (found.quorum, found.hysteresis, found.ha_suspend),
        (1, 0, false)
    );
    assert_eq!(found.servers[0].weight, 1);
    let http = service("", "HTTP_GET {\n url {\n path /x\n }\n }");
    assert_eq!(
        http.servers[0].checks[0].timing.retry_delay,
        Duration::from_secs(3)
    );
}

#[test]
fn times_are_inherited_from_the_virtual_server_and_the_real_one() {
    let lines = "delay_loop 6\n connect_timeout 2\n retry 4\n delay_before_retry 3\n alpha";
    let found = service(
        lines,
        "connect_timeout 1.5\n TCP_CHECK {\n retry 2\n alpha off\n connect_ip 10.9.9.9\n connect_port 81\n }",
    );
    let check = &found.servers[0].checks[0];
    assert_eq!(
        (check.timing.interval, check.timing.timeout),
        (Duration::from_secs(6), Duration::from_millis(1500))
    );
    assert_eq!(
        (check.timing.retries, check.timing.retry_delay),
        (2, Duration::from_secs(3))
    );
    assert!(!check.timing.alpha);
    assert_eq!(check.target.to_string(), "10.9.9.9:81");
    assert!(
        service(lines, "TCP_CHECK {\n }").servers[0].checks[0]
            .timing
            .alpha
    );
}

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

#[test]
fn what_is_not_nat_is_said_to_become_nat() {
    for method in ["DR", "TUN"] {
        let found = translated(&around("", "").replace("NAT", method));
        assert!(note(&found, "lb_kind").contains("Evenkeel does NAT"));
        assert_eq!(model(&found).services.len(), 1);
    }
}

#[test]
fn no_protocol_is_udp_as_keepalived_has_it() {
    let found = translated(&around("", "").replace("protocol TCP", ""));
    assert_eq!(model(&found).services[0].key.protocol, Protocol::Udp);
    assert!(note(&found, "UDP").starts_with("k.conf:1: virtual_server: warning"));
    let found = translated(&around("", "").replace("TCP", "SCTP"));
    assert!(note(&found, "TCP and UDP").contains("not carried over"));
    assert!(model(&found).services.is_empty());
}

#[test]
fn each_url_is_a_check() {
    let found = service(
        "virtualhost www.example.org",
        "HTTP_GET {\n url {\n path /a\n status_code 200-299 301\n }\n url {\n path /b\n virtualhost b.example.org\n regex hello world\n digest 0123\n }\n }",
    );
    let shown: Vec<String> = found.servers[0]
        .checks
        .iter()
        .map(|check| {
            check
                .plugin
                .settings
                .iter()
                .map(|s| match &s.value {
                    SettingValue::Text(text) => format!("{}={text}", s.key),
                    other => format!("{}={other:?}", s.key),
                })
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    assert_eq!(
        shown,
        [
            "path=/a host=www.example.org status=200-299,301",
            "path=/b host=b.example.org status=200-299 contains=hello",
        ]
    );
}

#[test]
fn https_is_checked_without_looking_at_the_certificate() {
    let server = "SSL_GET {\n url {\n path /\n digest 0123\n }\n }";
    let found = service("", server);
    let settings = &found.servers[0].checks[0].plugin.settings;
    let value = |key: &str| {
        settings
            .iter()
            .find(|s| s.key == key)
            .map(|s| s.value.clone())
    };
    assert_eq!(value("tls"), Some(SettingValue::Boolean(true)));
    assert_eq!(value("tls-verify"), Some(SettingValue::Boolean(false)));
    assert!(said("", server, "digest").starts_with("k.conf:10: digest: not carried over"));
}

#[test]
fn a_server_without_a_check_that_is_carried_over_is_said_loudly() {
    let found = translated(&around("", "MISC_CHECK {\n misc_path /bin/x\n }"));
    assert!(note(&found, "ALWAYS").starts_with("k.conf:6: real_server: carried over, but"));
    assert!(note(&found, "MISC_CHECK").starts_with("k.conf:7: "));
    assert!(model(&found).services[0].servers[0].checks.is_empty());
    // With another check, or without one in keepalived either, nothing is lost.
    let found = translated(&around("", "PING_CHECK {\n }\n TCP_CHECK {\n }"));
    assert!(!notes(&found).iter().any(|note| note.contains("ALWAYS")));
    assert!(notes(&translated(&around("", ""))).is_empty());
}

#[test]
fn checks_that_all_servers_have_are_written_once() {
    let server = |n: u8, more: &str| {
        format!("real_server 10.0.0.{n} 80 {{\n TCP_CHECK {{\n retry 3 {more}\n }}\n }}")
    };
    let text = |more: &str| {
        format!(
            "virtual_server 192.0.2.1 80 {{\n protocol TCP\n lb_algo rr\n {}\n {}\n}}\n",
            server(1, ""),
            server(2, more)
        )
    };
    let toml = translated(&text("")).toml;
    assert_eq!(
        (
            toml.matches("[service.check]").count(),
            toml.matches("[service.server.check]").count()
        ),
        (1, 0)
    );
    let toml = translated(&text("# why")).toml;
    assert_eq!(
        (
            toml.matches("[service.check]").count(),
            toml.matches("[service.server.check]").count()
        ),
        (0, 2)
    );
    assert!(toml.contains("retries = 3 # why"));
    for server in &model(&translated(&text(""))).services[0].servers {
        assert_eq!(server.checks[0].timing.retries, 3);
    }
}

#[test]
fn quorum_and_hysteresis_are_held_as_keepalived_does() {
    let found = service("quorum 1\n ha_suspend", "weight 3");
    assert_eq!((found.quorum, found.ha_suspend), (1, true));
    let found = service("quorum 3\n hysteresis 2", "weight 3");
    assert_eq!((found.quorum, found.hysteresis), (3, 2));
    let found = service("quorum 9\n hysteresis 5", "weight 3");
    assert_eq!((found.quorum, found.hysteresis), (3, 0));
    assert!(said("quorum 9", "weight 3", "quorum 9").contains("weigh 3"));
}

#[test]
fn inhibit_on_failure_keeps_connections() {
    assert_eq!(service("inhibit_on_failure", "").on_down, OnDown::Keep);
    assert!(said("", "inhibit_on_failure", "inhibit").contains("whole service"));
}

#[test]
fn a_port_that_is_left_out_is_that_of_the_virtual_server() {
    let text = around("", "").replace("10.0.0.1 8080", "10.0.0.1");
    assert_eq!(
        model(&translated(&text)).services[0].servers[0]
            .address
            .to_string(),
        "10.0.0.1:80"
    );
}

#[test]
fn ipv6_services_have_brackets() {
    let text = around("", "")
        .replace("192.0.2.1", "2001:db8::1")
        .replace("10.0.0.1", "2001:db8::2");
    let found = model(&translated(&text));
    assert_eq!(
        found.services[0].key.socket_addr().to_string(),
        "[2001:db8::1]:80"
    );
    assert_eq!(found.services[0].name, "2001-db8--1-80");
}

#[test]
fn marks_and_all_ports_are_not_carried_over() {
    for (header, part) in [
        ("fwmark 5", "firewall mark"),
        ("192.0.2.1", "all ports"),
        ("192.0.2.1 0", "all ports"),
        ("group none", "no virtual_server_group"),
    ] {
        let text = around("", "").replace("192.0.2.1 80", header);
        assert!(
            note(&translated(&text), part)
                .starts_with("k.conf:1: virtual_server: not carried over"),
            "{header}"
        );
    }
}

#[test]
fn a_group_of_addresses_is_a_service_for_each() {
    let group = "virtual_server_group G {\n 192.0.2.5 80\n 192.0.2.7-9 81 # three\n fwmark 3\n}\n";
    let text = format!(
        "{group}{}",
        around("", "TCP_CHECK {\n }").replace("192.0.2.1 80", "group G")
    );
    let found = translated(&text);
    let services = model(&found).services;
    let shown: Vec<String> = services
        .iter()
        .map(|s| format!("{} {}", s.name, s.key))
        .collect();
    assert_eq!(
        shown,
        [
            "G-192.0.2.5-80 tcp 192.0.2.5:80",
            "G-192.0.2.7-81 tcp 192.0.2.7:81",
            "G-192.0.2.8-81 tcp 192.0.2.8:81",
            "G-192.0.2.9-81 tcp 192.0.2.9:81",
        ]
    );
    assert!(note(&found, "fwmark").starts_with("k.conf:4: virtual_server_group"));
}

#[test]
fn mistakes_in_values_are_reported_with_keepaliveds_own_lines() {
    let found = translated(&around("", "weight 70000"));
    let wrong = resolved(found).unwrap_err().render();
    assert!(wrong.starts_with("k.conf:7: weight = 70000: "), "{wrong}");
}
