//! Virtual servers and their checks.

use std::slice;
use std::time::Duration;

use super::fixture::{model, note, notes, resolved, translated};
use evenkeel_core::manifest::{Setting, SettingValue};
use evenkeel_core::model::{Protocol, Service};

/// A virtual server with more lines in it, and in its real server.
pub(super) fn around(lines: &str, server: &str) -> String {
    format!(
        "virtual_server 192.0.2.1 80 {{\n protocol TCP\n lb_algo rr\n lb_kind NAT\n {lines}\n real_server 10.0.0.1 8080 {{\n {server}\n }}\n}}\n"
    )
}

pub(super) fn service(lines: &str, server: &str) -> Service {
    let mut services = model(&translated(&around(lines, server))).services;
    assert_eq!(services.len(), 1);
    services.remove(0)
}

pub(super) fn said(lines: &str, server: &str, part: &str) -> String {
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

#[test]
fn no_protocol_is_udp_as_keepalived_has_it() {
    let found = translated(&around("", "").replace("protocol TCP", ""));
    assert_eq!(model(&found).services[0].key.protocol, Protocol::Udp);
    assert!(note(&found, "UDP").starts_with("k.conf:1: virtual_server: warning"));
    let found = translated(&around("", "").replace("TCP", "SCTP"));
    assert!(notes(&found).is_empty());
    let service = &model(&found).services[0];
    assert_eq!(service.key.protocol, Protocol::Sctp);
    assert_eq!(service.name, "192.0.2.1-80-sctp");
    let found = translated(&around("", "").replace("TCP", "ICMP"));
    assert!(note(&found, "TCP, UDP and SCTP").contains("not carried over"));
    assert!(model(&found).services.is_empty());
}

#[test]
fn several_urls_are_one_check_with_time_for_all() {
    let checker = "HTTP_GET {\n connect_timeout 2\n url {\n path /a\n status_code 200-299 301\n }\n url {\n path /b\n virtualhost b.example.org\n regex hello world\n digest 0123\n }\n }";
    let found = service("virtualhost www.example.org", checker);
    let [check] = &found.servers[0].checks[..] else {
        panic!("{:?}", found.servers[0].checks);
    };
    assert_eq!(check.timing.timeout, Duration::from_secs(4));
    let shown = |settings: &[Setting]| {
        let shown: Vec<String> = settings
            .iter()
            .map(|it| match &it.value {
                SettingValue::Text(text) => format!("{}={text}", it.key),
                other => format!("{}={other:?}", it.key),
            })
            .collect();
        shown.join(" ")
    };
    let [host, urls] = &check.plugin.settings[..] else {
        panic!("{:?}", check.plugin.settings);
    };
    assert_eq!(shown(slice::from_ref(host)), "host=www.example.org");
    let SettingValue::Tables(tables) = &urls.value else {
        panic!("{urls:?}");
    };
    let tables: Vec<String> = tables.iter().map(|it| shown(it)).collect();
    assert_eq!(
        tables,
        [
            "path=/a status=200-299,301",
            "path=/b host=b.example.org status=200-299 contains=hello",
        ]
    );
    // One alone is said without a list.
    let found = service("", "HTTP_GET {\n url {\n path /x\n }\n }");
    let check = &found.servers[0].checks[0];
    assert_eq!(shown(&check.plugin.settings), "path=/x status=200-299");
    assert_eq!(check.timing.timeout, Duration::from_secs(5));
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
    let found = translated(&around("", "BFD_CHECK {\n name x\n }"));
    assert!(note(&found, "ALWAYS").starts_with("k.conf:6: real_server: carried over, but"));
    assert!(note(&found, "BFD_CHECK").starts_with("k.conf:7: "));
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
fn what_has_no_port_or_is_no_mark_is_not_carried_over() {
    for (header, part) in [
        ("fwmark", "not a firewall mark"),
        ("fwmark 0", "not a firewall mark"),
        ("fwmark x", "not a firewall mark"),
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
            "G-fwmark-3 fwmark 3 (IPv4)",
        ]
    );
}

#[test]
fn mistakes_in_values_are_reported_with_keepaliveds_own_lines() {
    let found = translated(&around("", "weight 70000"));
    let wrong = resolved(found).unwrap_err().render();
    assert!(wrong.starts_with("k.conf:7: weight = 70000: "), "{wrong}");
}

#[test]
fn checkers_of_other_protocols_have_plugins_of_their_own() {
    let of = |checker: &str| {
        let translation = translated(&format!(
            "virtual_server 192.0.2.10 53 {{\nprotocol UDP\nsorry_server 10.0.0.9 5353\nwarmup 3\nreal_server 10.0.0.1 53 {{\n{checker}\n}}\n}}\n"
        ));
        assert!(notes(&translation).is_empty(), "{:?}", notes(&translation));
        let model = model(&translation);
        let service = &model.services[0];
        assert_eq!(
            service.servers[1].role,
            evenkeel_core::model::ServerRole::Sorry
        );
        assert_eq!(service.servers[1].address.to_string(), "10.0.0.9:5353");
        let check = &service.servers[0].checks[0];
        assert_eq!(check.timing.warmup, Some(Duration::from_secs(3)));
        let settings = check.plugin.settings.iter();
        let settings: Vec<String> = settings
            .map(|it| format!("{}={:?}", it.key, it.value))
            .collect();
        let timing = &check.timing;
        format!(
            "{} {} retries {} after {:?}",
            check.plugin.plugin,
            settings.join(" "),
            timing.retries,
            timing.retry_delay
        )
    };
    assert_eq!(
        of("DNS_CHECK {\ntype a\nname www.example.org\n}"),
        "dns name=Text(\"www.example.org\") record=Text(\"A\") retries 3 after 60s"
    );
    assert_eq!(
        of("UDP_CHECK {\npayload 0a ff\nrequire_reply 0b xx\nmin_reply_length 2\n}"),
        "udp payload-hex=Text(\"0a ff\") require=Text(\"reply\") expect-hex=Text(\"0b xx\") min-length=Integer(2) retries 1 after 1s"
    );
    assert_eq!(of("PING_CHECK {\n}"), "ping  retries 1 after 1s");
    assert_eq!(
        of("SMTP_CHECK {\nhelo_name mx.example.org\n}"),
        "smtp helo=Text(\"mx.example.org\") retries 1 after 1s"
    );
}

#[test]
fn bodies_are_compared_by_patterns_and_digests() {
    let url = |lines: &str| {
        let text = around(
            "",
            &format!("HTTP_GET {{ \n url {{\n path /\n {lines}\n }}\n }}"),
        );
        let translation = translated(&text);
        let found = model(&translation);
        let settings = &found.services[0].servers[0].checks[0].plugin.settings;
        let wanted = settings
            .iter()
            .find(|it| ["contains", "regex", "regex-absent", "md5"].contains(&it.key.as_str()));
        let told = notes(&translation).join("\n");
        (wanted.map(|it| format!("{}={:?}", it.key, it.value)), told)
    };
    let is = |lines: &str, wanted: &str| {
        let (found, told) = url(lines);
        assert_eq!(found.as_deref(), Some(wanted), "{told}");
        assert!(told.is_empty(), "{told}");
    };
    is("regex hello", "contains=Text(\"hello\")");
    is("regex ^a.*b$", "regex=Text(\"^a.*b$\")");
    is(
        "regex ^a.*b$\n regex_no_match",
        "regex-absent=Text(\"^a.*b$\")",
    );
    is(
        "digest 9b1deb4d3b7d4bad9bdd2b0d7b3dcb6d",
        "md5=Text(\"9b1deb4d3b7d4bad9bdd2b0d7b3dcb6d\")",
    );
    for pcre in ["regex a(?=b)", "regex (a)\\1"] {
        let (found, told) = url(pcre);
        assert_eq!(found, None);
        assert!(told.contains("look-around"), "{told}");
    }
    let (found, told) = url("digest abc");
    assert_eq!(found, None);
    assert!(told.contains("32 hexadecimal digits"), "{told}");
}
