//! A failed server is taken out in time and put back.

use std::time::Duration;

use crate::support::{PATIENCE, Service, assert_repeats, servers, tcp_backends};
use anyhow::Result;
use evenkeel_tests::{
    Article, Backend, Client, Evenkeel, Nginx, eventually, http_get, isolated, on_slow_kernel,
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
        let quick = crate::support::QUICK;
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
