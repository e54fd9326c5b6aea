//! Established connections and new ones survive whatever happens to the daemon, its configuration and the plan.

use std::time::Duration;

use crate::support::{PATIENCE, Service, assert_repeats, servers, tcp_backends};
use anyhow::Result;
use evenkeel_tests::{
    Article, Client, Download, DownloadServer, Evenkeel, isolated, on_slow_kernel,
};

const LENGTH: usize = 30_000_000;

/// How long a download takes.
fn time() -> Duration {
    Duration::from_secs(if on_slow_kernel() { 20 } else { 4 })
}

/// A download through the service on port 80, while `meanwhile` happens.
fn download_survives(
    config: impl Fn(&Article) -> String,
    meanwhile: impl FnOnce(&Article, &mut Evenkeel, &Download) -> Result<()>,
) -> Result<()> {
    let net = Article::new(2)?;
    let addresses = servers(&net, 80);
    let _servers: Vec<DownloadServer> = net
        .servers
        .iter()
        .zip(&addresses)
        .map(|(node, address)| DownloadServer::new(node, *address, node.name(), LENGTH, time()))
        .collect::<Result<_>>()?;
    let mut evenkeel = Evenkeel::new(&net.director, &config(&net))?;
    evenkeel.start()?;
    let download = Download::start(&Client::new(&net.client), net.vip(80), LENGTH)?;
    meanwhile(&net, &mut evenkeel, &download)?;
    assert!(
        !download.progress().ended,
        "it ended before anything could go wrong"
    );
    download.finish()
}

fn web(net: &Article) -> Service {
    Service::new("web", net.vip(80)).with("scheduler = \"wrr\"")
}

fn plain(net: &Article) -> String {
    web(net).servers(servers(net, 80)).text()
}

#[test]
fn a_download_survives_changes_of_the_plan_and_reloads() -> Result<()> {
    isolated(|| {
        download_survives(plain, |net, evenkeel, _| {
            let [first, second] = servers(net, 80)[..] else {
                unreachable!()
            };
            for weight in [7, 2, 13, 1, 30] {
                let config = web(net)
                    .server(first, &format!("weight = {weight}"))
                    .server(second, "weight = 3")
                    .text();
                evenkeel.reload(&config)?;
                evenkeel.wait_status("the new weight", PATIENCE, |status| {
                    status["services"][0]["servers"][0]["weight"] == weight
                        && status["settled"] == true
                })?;
            }
            // The scheduler itself, and another service beside.
            let other = Service::new("other", net.vip(81))
                .servers(servers(net, 80))
                .text();
            evenkeel.reload(&(plain(net).replace("wrr", "rr") + &other))?;
            evenkeel.wait_status("two services", PATIENCE, |status| {
                status["services"]
                    .as_array()
                    .is_some_and(|all| all.len() == 2)
            })?;
            Ok(())
        })
    })
}

#[test]
fn a_download_survives_kill_9_and_a_restart_of_the_daemon() -> Result<()> {
    isolated(|| {
        download_survives(plain, |_, evenkeel, _| {
            evenkeel.kill9()?;
            std::thread::sleep(Duration::from_millis(300));
            evenkeel.start()
        })
    })
}

#[test]
fn a_download_survives_the_draining_of_its_server() -> Result<()> {
    isolated(|| {
        download_survives(plain, |net, evenkeel, download| {
            let draining = net
                .servers
                .iter()
                .position(|node| node.name() == download.from())
                .unwrap();
            let mut service = web(net);
            for (number, address) in servers(net, 80).into_iter().enumerate() {
                service = service.server(
                    address,
                    if number == draining {
                        "weight = 0"
                    } else {
                        "weight = 1"
                    },
                );
            }
            evenkeel.reload(&service.text())?;
            let address = servers(net, 80)[draining].to_string();
            evenkeel.wait_health("web", &address, "drain", PATIENCE)?;
            let other = Download::start(&Client::new(&net.client), net.vip(80), LENGTH)?;
            assert_ne!(other.from(), download.from());
            Ok(())
        })
    })
}

#[test]
fn new_connections_succeed_all_the_time_while_the_daemon_is_killed_and_started() -> Result<()> {
    isolated(|| {
        let net = Article::new(3)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let config = Service::new("web", net.vip(80))
            .checked()
            .servers(addresses)
            .text();
        let mut evenkeel = Evenkeel::new(&net.director, &config)?;
        evenkeel.start()?;
        let stream = Client::new(&net.client).keep_asking(net.vip(80), Duration::from_millis(1))?;
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(300));
            evenkeel.kill9()?;
            std::thread::sleep(Duration::from_millis(300));
            evenkeel.start()?;
        }
        evenkeel.sigterm()?;
        std::thread::sleep(Duration::from_millis(300));
        let record = stream.stop()?;
        assert_eq!(
            record.failures().count(),
            0,
            "{:?}",
            record.failures().next()
        );
        let answers: Vec<String> = record
            .answers
            .iter()
            .filter_map(|a| a.result.as_ref().ok().cloned())
            .collect();
        assert!(answers.len() > 300, "{}", answers.len());
        assert_repeats(&answers, &["0", "1", "2"]);
        Ok(())
    })
}

#[test]
fn a_server_that_was_out_when_the_daemon_died_stays_out_until_its_check_passes() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let mut backends = tcp_backends(&net, &addresses)?;
        let config = Service::new("web", net.vip(80))
            .checked()
            .servers(addresses.clone())
            .text();
        let mut evenkeel = Evenkeel::new(&net.director, &config)?;
        evenkeel.start()?;
        drop(backends.pop());
        evenkeel.wait_health("web", "172.16.50.159:80", "down", PATIENCE)?;
        let stream = Client::new(&net.client).keep_asking(net.vip(80), Duration::from_millis(2))?;
        evenkeel.kill9()?;
        evenkeel.start()?;
        std::thread::sleep(Duration::from_millis(500));
        let record = stream.stop()?;
        assert_eq!(
            record.failures().count(),
            0,
            "{:?}",
            record.failures().next()
        );
        assert_eq!(
            evenkeel.server("web", "172.16.50.159:80")?.unwrap()["health"],
            "down"
        );
        backends.extend(tcp_backends(&net, &addresses).into_iter().flatten().skip(2));
        Ok(())
    })
}
