//! A failed server is taken out in time and put back.

use std::process::Command;
use std::time::Duration;

use crate::support::{PATIENCE, QUICK, Service, assert_repeats, servers, tcp_backends};
use anyhow::Result;
use evenkeel_tests::{
    Article, Backend, Client, Evenkeel, Nginx, eventually, http_get, isolated, isolated_with,
    on_slow_kernel,
};

#[test]
fn a_killed_server_is_out_within_its_bound_and_back_when_it_returns() -> Result<()> {
    isolated(|| {
        let net = Article::new(3)?;
        let addresses = servers(&net, 80);
        let mut backends = tcp_backends(&net, &addresses)?;
        // interval + retries x retry_delay + timeout = 0.5 + 2 x 0.3 + 0.2 s
        let bound = Duration::from_millis(1_300);
        let service = Service::new("web", net.vip(80))
            .with(r#"check = { plugin = "tcp", interval = "500ms", timeout = "200ms", retries = 2, retry_delay = "300ms" }"#)
            .servers(addresses.iter().copied());
        let mut evenkeel = Evenkeel::new(&net.director, &service.text())?;
        evenkeel.start()?;
        evenkeel.wait_health("web", "172.16.50.161:80", "up", PATIENCE)?;
        let client = Client::new(&net.client);
        let stream = client.keep_asking(net.vip(80), Duration::from_millis(5))?;
        std::thread::sleep(Duration::from_millis(700));
        drop(backends.remove(1));
        evenkeel.wait_health("web", "172.16.50.159:80", "down", PATIENCE)?;
        let record = stream.stop()?;
        assert_repeats(&client.ask_times(net.vip(80), 10)?, &["0", "2"]);
        // Clients see failures for no longer than the bound; the machine is given some time to do its work.
        let outage = record.outage();
        assert!(outage > Duration::ZERO, "nobody noticed");
        let work = Duration::from_millis(if on_slow_kernel() { 2_000 } else { 1_000 });
        assert!(outage < bound + work, "{outage:?}");

        let back = Backend::tcp(&net.servers[1], addresses[1], "1")?;
        evenkeel.wait_health("web", "172.16.50.159:80", "up", PATIENCE)?;
        assert_repeats(&client.ask_times(net.vip(80), 30)?, &["0", "1", "2"]);
        assert!(back.answered() > 0);
        assert!(
            evenkeel.log().contains("connection refused"),
            "{}",
            evenkeel.log()
        );
        Ok(())
    })
}

#[test]
fn a_silent_server_is_out_too_and_a_single_lost_check_is_not_enough() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let service = Service::new("web", net.vip(80))
            .with(r#"check = { plugin = "tcp", interval = "300ms", timeout = "300ms", retries = 3, retry_delay = "300ms" }"#)
            .servers(addresses);
        let mut evenkeel = Evenkeel::new(&net.director, &service.text())?;
        evenkeel.start()?;
        evenkeel.wait_health("web", "172.16.50.159:80", "up", PATIENCE)?;
        evenkeel.wait_status("each server checked", PATIENCE, |status| {
            let servers = status["services"][0]["servers"].as_array();
            servers.is_some_and(|all| {
                all.iter()
                    .all(|s| s["checks"][0]["checks"].as_u64() > Some(0))
            })
        })?;
        // Down for less than two intervals.
        net.servers[1].link_down("eth0")?;
        std::thread::sleep(Duration::from_millis(450));
        net.servers[1].link_up("eth0")?;
        std::thread::sleep(Duration::from_secs(2));
        assert!(!evenkeel.log().contains("is down"), "{}", evenkeel.log());

        net.servers[1].link_down("eth0")?;
        evenkeel.wait_health("web", "172.16.50.159:80", "down", PATIENCE)?;
        assert_repeats(
            &Client::new(&net.client).ask_times(net.vip(80), 10)?,
            &["0"],
        );
        Ok(())
    })
}

#[test]
fn the_http_check_looks_at_status_host_and_body_of_a_real_nginx() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let good = Nginx::start(&net.servers[0], &[addresses[0]], "good")?;
        let _wrong = Nginx::start(&net.servers[1], &[addresses[1]], "wrong")?;
        let service = Service::new("web", net.vip(80))
            .with(r#"check = { plugin = "http", alpha = true, interval = "200ms", timeout = "2s", retries = 0, settings = { path = "/", status = "200-299", contains = "good" } }"#)
            .servers(addresses.iter().copied());
        let mut evenkeel = Evenkeel::new(&net.director, &service.text())?;
        evenkeel.start()?;
        evenkeel.wait_health("web", "172.16.50.157:80", "up", PATIENCE)?;
        evenkeel.wait_status("the reason", PATIENCE, |status| {
            let server = &status["services"][0]["servers"][1];
            server["health"] == "down"
                && server["reason"]
                    .as_str()
                    .is_some_and(|r| r.contains("good"))
        })?;
        let client = Client::new(&net.client);
        for _ in 0..4 {
            assert!(http_get(&client, net.vip(80), "/")?.contains("good"));
        }
        drop(good);
        evenkeel.wait_health("web", "172.16.50.157:80", "down", PATIENCE)?;
        Ok(())
    })
}

#[test]
fn several_checks_must_all_pass_and_one_may_look_at_another_port() -> Result<()> {
    isolated(|| {
        let net = Article::new(1)?;
        let _web = Backend::tcp(&net.servers[0], net.server(0, 80), "web")?;
        let admin = Backend::tcp(&net.servers[0], net.server(0, 8080), "admin")?;
        let quick = QUICK;
        let service = Service::new("web", net.vip(80))
            .with(&format!(
                r#"check = [ {{ plugin = "tcp", {quick} }}, {{ plugin = "tcp", port = 8080, {quick} }} ]"#
            ))
            .servers([net.server(0, 80)]);
        let mut evenkeel = Evenkeel::new(&net.director, &service.text())?;
        evenkeel.start()?;
        assert_eq!(Client::new(&net.client).ask(net.vip(80))?, "web");
        drop(admin);
        evenkeel.wait_health("web", "172.16.50.157:80", "down", PATIENCE)?;
        assert!(Client::new(&net.client).ask(net.vip(80)).is_err());
        Ok(())
    })
}

#[test]
fn udp_flows_of_a_failed_server_move_to_another() -> Result<()> {
    isolated(|| udp_flows_move("", "weight = 1"))
}

/// A client's UDP flow goes to another server when its own fails. `line`: of the service; `server`: of each server.
pub(crate) fn udp_flows_move(line: &str, server: &str) -> Result<()> {
    let net = Article::new(2)?;
    let addresses = servers(&net, 53);
    let mut backends = crate::support::udp_backends(&net, &addresses)?;
    let _checked: Vec<_> = tcp_backends(&net, &addresses)?;
    let service = Service::new("dns", net.vip(53))
        .with("protocol = \"udp\"")
        .with(line)
        .with(r#"check = { plugin = "tcp", interval = "200ms", timeout = "200ms", retries = 0 }"#);
    let servers = addresses.iter();
    let service = servers.fold(service, |service, it| service.server(*it, server));
    let mut evenkeel = Evenkeel::new(&net.director, &service.text())?;
    evenkeel.start()?;
    // A client that keeps its port, as resolvers and game clients do.
    let client = Client::new(&net.client)
        .from_socket("10.10.54.10:5000".parse()?)
        .timeout(Duration::from_millis(300));
    let before = client.ask_udp(net.vip(53))?;
    assert_eq!(client.ask_udp(net.vip(53))?, before, "one flow, one server");
    let number: usize = before.parse()?;
    drop(backends.remove(number));
    net.servers[number].link_down("eth0")?;
    evenkeel.wait_health("dns", &addresses[number].to_string(), "down", PATIENCE)?;
    let after = eventually("an answer", PATIENCE, || {
        Ok(client.ask_udp(net.vip(53)).ok())
    })?;
    assert_ne!(after, before);
    Ok(())
}

/// Certificates as OpenSSL makes them: what is written, the key, and whether it is of version 1.
const CERTIFICATES: [(&str, &[&str], bool); 3] = [
    ("rsa-1024", &["rsa:1024"], false),
    (
        "p-521",
        &["ec", "-pkeyopt", "ec_paramgen_curve:secp521r1"],
        false,
    ),
    (
        "v1",
        &["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
        true,
    ),
];

#[test]
fn without_verification_a_server_is_up_whatever_its_certificate_is() -> Result<()> {
    isolated_with(&["openssl"], || {
        let net = Article::new(CERTIFICATES.len())?;
        let addresses = servers(&net, 443);
        let mut running = Vec::new();
        for (node, (name, key, first_version)) in net.servers.iter().zip(CERTIFICATES) {
            let (keys, cert) = (format!("{name}.key"), format!("{name}.pem"));
            let at = |file: &str| node.dir().join(file).display().to_string();
            let (keys, cert) = (at(&keys), at(&cert));
            let subject = ["-subj", "/CN=server.test", "-nodes", "-keyout", &keys];
            let made = ["req", "-newkey"].iter().chain(key).chain(&subject);
            let mut made: Vec<&str> = made.copied().collect();
            let request = at("request");
            if first_version {
                made.extend(["-out", &request]);
                node.run("openssl", &made)?;
                // Without extensions, so of version 1.
                let sign = [
                    "x509", "-req", "-in", &request, "-signkey", &keys, "-out", &cert,
                ];
                node.run("openssl", &sign)?;
            } else {
                made.extend(["-x509", "-out", &cert]);
                node.run("openssl", &made)?;
            }
            let mut server = Command::new("openssl");
            server
                .args(["s_server", "-quiet", "-www", "-accept", "443"])
                .args([
                    "-cipher",
                    "DEFAULT@SECLEVEL=0",
                    "-key",
                    &keys,
                    "-cert",
                    &cert,
                ]);
            running.push(node.spawn("s_server", server)?);
        }
        let check = format!(
            r#"check = {{ plugin = "http", settings = {{ tls = true, tls-verify = false }}, alpha = true, {QUICK} }}"#
        );
        let service = Service::new("web", net.vip(443))
            .with(&check)
            .servers(addresses.clone());
        let mut evenkeel = Evenkeel::new(&net.director, &service.text())?;
        evenkeel.start()?;
        for address in addresses {
            evenkeel.wait_health("web", &address.to_string(), "up", PATIENCE)?;
        }
        drop(running);
        Ok(())
    })
}

#[test]
fn a_director_without_a_local_port_left_takes_no_server_out() -> Result<()> {
    isolated(|| {
        let net = Article::new(1)?;
        let addresses = servers(&net, 80);
        let _backends = crate::support::holding_backends(&net, &addresses)?;
        let service = Service::new("web", net.vip(80))
            .checked()
            .servers(addresses.iter().copied());
        let mut evenkeel = Evenkeel::new(&net.director, &service.text())?;
        evenkeel.start()?;
        evenkeel.wait_health("web", "172.16.50.157:80", "up", PATIENCE)?;
        let checks = |evenkeel: &Evenkeel| -> Result<serde_json::Value> {
            Ok(evenkeel.status()?["services"][0]["servers"][0]["checks"][0].clone())
        };
        // Another program of the director has connections to the server by all ports that there are.
        net.director
            .sysctl("net.ipv4.ip_local_port_range", "40000 40003")?;
        let other = Client::new(&net.director);
        let mut held = Vec::new();
        eventually("no port is left", PATIENCE, || {
            held.extend(other.hold(addresses[0]).ok());
            Ok((held.len() == 4).then_some(()))
        })?;
        let before = checks(&evenkeel)?["unknown"].as_u64();
        evenkeel.wait_status("checks say nothing, and why", PATIENCE, |status| {
            let check = &status["services"][0]["servers"][0]["checks"][0];
            let why = check["reason"].as_str().unwrap_or_default();
            // More in a row than its retries.
            check["state"] == "unknown"
                && why.contains("no local port")
                && check["unknown"].as_u64() > before.map(|it| it + 4)
        })?;
        assert!(!evenkeel.log().contains("is down"), "{}", evenkeel.log());
        evenkeel.wait_log("cannot check servers", PATIENCE)?;
        // Clients need no port of the director's.
        assert_eq!(Client::new(&net.client).hold(net.vip(80))?.0, "0");
        // The ports of connections that were closed stay taken for a minute.
        net.director
            .sysctl("net.ipv4.ip_local_port_range", "40000 40999")?;
        evenkeel.wait_status("it is checked again", PATIENCE, |status| {
            status["services"][0]["servers"][0]["checks"][0]["state"] == "up"
        })?;
        drop(held);
        Ok(())
    })
}
