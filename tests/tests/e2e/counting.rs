//! How many connections each server has, and what goes by it.

use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::support::{
    PATIENCE, Service, hold, holding_backends, names, servers, udp_backends, wait_counts,
};
use anyhow::{Context as _, Result};
use evenkeel_tests::{Article, Client, Evenkeel, isolated, on_slow_kernel, wait_until};
use serde_json::Value;
use socket2::SockRef;

/// Conntrack does not always tell at once that a connection's time has run out. So often the daemon lists them all.
const LISTED: Duration = Duration::from_secs(30);

/// A reset in place of an orderly end.
fn reset(connection: std::net::TcpStream) -> Result<()> {
    SockRef::from(&connection).set_linger(Some(Duration::ZERO))?;
    drop(connection);
    Ok(())
}

/// Opens, closes and resets connections of a service with two servers, and looks at `status` all the time.
fn counts_are_right_with(scheduler: &str) -> Result<()> {
    let net = Article::new(2)?;
    let addresses = servers(&net, 80);
    let _backends = holding_backends(&net, &addresses)?;
    let service = Service::new("web", net.vip(80)).with(&format!("scheduler = \"{scheduler}\""));
    let mut evenkeel = Evenkeel::new(&net.director, &service.servers(addresses).text())?;
    evenkeel.start()?;
    let client = Client::new(&net.client);
    let mut held = hold(&client, net.vip(80), 6)?;
    // A plan of `lc` that comes between two of them may give one server a connection more.
    let a = u64::try_from(names(&held).iter().filter(|it| **it == "0").count())?;
    let b = 6 - a;
    assert!((2..=4).contains(&a), "{:?}", names(&held));
    wait_counts(&evenkeel, &[(a, 0), (b, 0)])?;
    held.sort_by(|a, b| a.0.cmp(&b.0));
    // Closed by the client, and reset.
    drop(held.remove(0));
    wait_counts(&evenkeel, &[(a - 1, 1), (b, 0)])?;
    let (_, last) = held.pop().context("five are left")?;
    reset(last)?;
    wait_counts(&evenkeel, &[(a - 1, 1), (b - 1, 1)])?;
    // The daemon dies; connections end while nobody counts.
    evenkeel.kill9()?;
    drop(held.remove(0));
    evenkeel.start()?;
    wait_counts(&evenkeel, &[(a - 2, 2), (b - 1, 1)])?;
    drop(held);
    wait_counts(&evenkeel, &[(0, a), (0, b)])?;
    Ok(())
}

#[test]
fn status_counts_connections_as_ipvs_does_where_nobody_else_wants_to_know() -> Result<()> {
    isolated(|| counts_are_right_with("rr"))
}

#[test]
fn status_counts_connections_as_ipvs_does_where_a_scheduler_goes_by_them() -> Result<()> {
    isolated(|| counts_are_right_with("lc"))
}

#[test]
fn udp_flows_are_counted_too() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 53);
        let _backends = udp_backends(&net, &addresses)?;
        let service = Service::new("dns", net.vip(53))
            .with("protocol = \"udp\"")
            .with("scheduler = \"lc\"");
        let mut evenkeel = Evenkeel::new(&net.director, &service.servers(addresses).text())?;
        evenkeel.start()?;
        let source = Ipv4Addr::new(10, 10, 54, 10).into();
        crate::support::ask_udp_from_new_ports(&Client::new(&net.client), source, net.vip(53), 6)?;
        evenkeel.wait_status("six flows, three at each server", PATIENCE, |status| {
            let flows =
                |it: &Value| it["active"].as_u64().unwrap() + it["inactive"].as_u64().unwrap();
            let servers = status["services"][0]["servers"].as_array().unwrap();
            servers.iter().map(flows).eq([3, 3])
        })?;
        Ok(())
    })
}

#[test]
fn least_connections_by_plan_sends_new_ones_where_there_are_fewest() -> Result<()> {
    isolated(|| {
        let net = Article::new(3)?;
        let addresses = servers(&net, 80);
        let _backends = holding_backends(&net, &addresses)?;
        let lc = |servers: &[std::net::SocketAddr]| {
            Service::new("web", net.vip(80))
                .with("scheduler = \"lc\"")
                .with("decision = \"plan\"")
                .servers(servers.iter().copied())
                .text()
        };
        let mut evenkeel = Evenkeel::new(&net.director, &lc(&addresses[..1]))?;
        evenkeel.start()?;
        let client = Client::new(&net.client);
        let _first = hold(&client, net.vip(80), 20)?;
        wait_counts(&evenkeel, &[(20, 0)])?;
        // Two servers join: they catch up before the first gets one more.
        evenkeel.reload(&lc(&addresses))?;
        evenkeel.wait_status("a plan without the first", PATIENCE, |status| {
            status["settled"] == true && status["services"][0]["slots"].as_u64() > Some(1)
        })?;
        let mut more = Vec::new();
        for _ in 0..20 {
            more.extend(hold(&client, net.vip(80), 2)?);
            // The plan follows within some hundredths of a second.
            std::thread::sleep(Duration::from_millis(60));
        }
        assert!(!names(&more[..30]).contains(&"0"), "{:?}", names(&more));
        let of = |name: &str| names(&more).iter().filter(|it| **it == name).count();
        assert!(of("1").abs_diff(of("2")) <= 4, "{:?}", names(&more));
        Ok(())
    })
}

#[test]
fn the_kernel_is_changed_only_when_a_plan_differs() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _backends = holding_backends(&net, &addresses)?;
        let service = Service::new("web", net.vip(80)).with("scheduler = \"wlc\"");
        let mut evenkeel = Evenkeel::new(&net.director, &service.servers(addresses).text())?;
        evenkeel.start()?;
        let _held = hold(&Client::new(&net.client), net.vip(80), 4)?;
        wait_counts(&evenkeel, &[(2, 0), (2, 0)])?;
        std::thread::sleep(Duration::from_millis(500));
        let changes = |status: Value| status["kernel"]["changes"].as_u64();
        let before = changes(evenkeel.status()?);
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(changes(evenkeel.status()?), before);
        Ok(())
    })
}

#[test]
fn a_server_at_its_upper_threshold_gets_no_more_until_it_is_below_its_lower_one() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _backends = holding_backends(&net, &addresses)?;
        // Closed connections count for as long as the kernel knows them. IPVS has its own times.
        for state in ["time_wait", "close", "fin_wait", "last_ack", "close_wait"] {
            let key = format!("net.netfilter.nf_conntrack_tcp_timeout_{state}");
            net.director.sysctl(&key, "1")?;
        }
        let service = Service::new("web", net.vip(80))
            .server(addresses[0], "upper_threshold = 3\nlower_threshold = 2")
            .server(addresses[1], "upper_threshold = 5");
        let mut evenkeel = Evenkeel::new(&net.director, &service.text())?;
        evenkeel.start()?;
        let client = Client::new(&net.client);
        let mut held = hold(&client, net.vip(80), 6)?;
        wait_counts(&evenkeel, &[(3, 0), (3, 0)])?;
        evenkeel.wait_health("web", &addresses[0].to_string(), "full", PATIENCE)?;
        let more = hold(&client, net.vip(80), 2)?;
        assert_eq!(names(&more), ["1", "1"]);
        wait_until("both are full", PATIENCE, || {
            let answer = client.connect(net.vip(80));
            Ok(matches!(answer, Err(error) if error.kind() == ErrorKind::ConnectionRefused))
        })?;
        // Two of three end: one is left, which is below two.
        let first: Vec<usize> = (0..6).filter(|it| held[*it].0 == "0").collect();
        for at in first.into_iter().rev().take(2) {
            let (_, connection) = held.remove(at);
            // IPVS keeps one that was closed for two minutes. Conntrack has seen too little of an offloaded one to
            // believe in a reset.
            if on_slow_kernel() {
                reset(connection)?;
            }
        }
        evenkeel.wait_health("web", &addresses[0].to_string(), "up", LISTED * 2)?;
        assert_eq!(client.hold(net.vip(80))?.0, "0");
        Ok(())
    })
}
