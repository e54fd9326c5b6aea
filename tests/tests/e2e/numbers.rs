//! Servers keep their numbers and their counts, whatever becomes of them, of the daemon and of its disk.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::support::{
    PATIENCE, Service, hold, holding_backends, names, servers, tcp_backends, udp_backends,
};
use anyhow::{Context as _, Result};
use evenkeel_tests::{Article, Client, Evenkeel, eventually, isolated};
use nix::sys::stat::Mode;
use serde_json::Value;

/// Number, open connections and connections so far of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    id: u64,
    active: u64,
    connections: u64,
}

fn seen(evenkeel: &Evenkeel, server: SocketAddr) -> Result<Seen> {
    let found = evenkeel.server("web", &server.to_string())?;
    let found = found.with_context(|| format!("{server} is not in the status"))?;
    let number = |key: &str| found[key].as_u64().with_context(|| format!("no {key}"));
    Ok(Seen {
        id: number("id")?,
        active: number("active")?,
        connections: number("connections")?,
    })
}

fn reloaded(evenkeel: &mut Evenkeel, config: &str, servers: usize) -> Result<()> {
    evenkeel.reload(config)?;
    evenkeel.wait_status("the new configuration", PATIENCE, |status| {
        let found = status["services"][0]["servers"].as_array();
        found.is_some_and(|found| found.len() == servers) && status["settled"] == true
    })?;
    Ok(())
}

fn web(net: &Article, scheduler: &str, servers: &[SocketAddr]) -> String {
    Service::new("web", net.vip(80))
        .with(&format!("scheduler = \"{scheduler}\""))
        .servers(servers.iter().copied())
        .text()
}

#[test]
fn a_server_that_is_removed_and_added_again_has_its_number_its_connections_and_its_share()
-> Result<()> {
    isolated(|| {
        let net = Article::new(3)?;
        let addresses = servers(&net, 80);
        let _backends = holding_backends(&net, &addresses)?;
        let mut evenkeel = Evenkeel::new(&net.director, &web(&net, "lc", &addresses[..2]))?;
        evenkeel.start()?;
        let client = Client::new(&net.client);
        let mut held = Vec::new();
        for _ in 0..20 {
            held.extend(hold(&client, net.vip(80), 1)?);
            // The plan follows within some hundredths of a second.
            std::thread::sleep(Duration::from_millis(60));
        }
        evenkeel.wait_status("all are counted", PATIENCE, |status| {
            let servers = status["services"][0]["servers"].as_array();
            let active = |it: &Value| it["active"].as_u64().unwrap_or(0);
            servers.is_some_and(|all| all.iter().map(active).sum::<u64>() == 20)
        })?;
        let before = seen(&evenkeel, addresses[1])?;
        assert!(before.active >= 8, "{before:?}");
        reloaded(&mut evenkeel, &web(&net, "lc", &addresses[..1]), 1)?;
        // A new one meanwhile, which has none of its connections.
        let both = [addresses[0], addresses[2]];
        reloaded(&mut evenkeel, &web(&net, "lc", &both), 2)?;
        let new = seen(&evenkeel, addresses[2])?;
        assert_ne!(new.id, before.id);
        assert_eq!((new.active, new.connections), (0, 0));
        reloaded(&mut evenkeel, &web(&net, "lc", &addresses), 3)?;
        assert_eq!(seen(&evenkeel, addresses[1])?, before);
        // Those that have fewer catch up before it gets another.
        let more = hold(&client, net.vip(80), 1)?;
        assert_eq!(names(&more), ["2"]);
        assert_eq!(seen(&evenkeel, addresses[1])?.active, before.active);
        Ok(())
    })
}

#[test]
fn a_server_that_is_down_during_a_restart_keeps_its_number_and_its_count() -> Result<()> {
    isolated(|| {
        let net = Article::new(3)?;
        let addresses = servers(&net, 80);
        let mut backends = tcp_backends(&net, &addresses)?;
        let config = |servers: &[SocketAddr]| {
            Service::new("web", net.vip(80))
                .checked()
                .servers(servers.iter().copied())
                .text()
        };
        let mut evenkeel = Evenkeel::new(&net.director, &config(&addresses[..2]))?;
        evenkeel.start()?;
        let client = Client::new(&net.client);
        client.ask_times(net.vip(80), 10)?;
        let number = |n: usize| format!("{}", addresses[n]);
        let before = seen(&evenkeel, addresses[1])?;
        assert_eq!(before.connections, 5);
        // The last one given, so that nothing in the kernel tells that it is taken.
        assert!(before.id > seen(&evenkeel, addresses[0])?.id);
        drop(backends.remove(1));
        evenkeel.wait_health("web", &number(1), "down", PATIENCE)?;
        kept(&evenkeel, &addresses[1], before.connections)?;
        evenkeel.kill9()?;
        evenkeel.configure(&config(&[addresses[2], addresses[0], addresses[1]]))?;
        evenkeel.start()?;
        let now = seen(&evenkeel, addresses[1])?;
        assert_eq!((now.id, now.connections), (before.id, before.connections));
        let new = seen(&evenkeel, addresses[2])?;
        assert!(new.id > before.id, "{new:?}");
        assert_eq!(new.connections, 0);
        // Stopped in order, and the table removed by somebody: nothing is counted backwards either.
        let first = seen(&evenkeel, addresses[0])?;
        evenkeel.sigterm()?;
        evenkeel.flush()?;
        evenkeel.start()?;
        assert_eq!(
            seen(&evenkeel, addresses[0])?.connections,
            first.connections
        );
        assert_eq!(seen(&evenkeel, addresses[0])?.id, first.id);
        assert_eq!(
            seen(&evenkeel, addresses[1])?.connections,
            before.connections
        );
        Ok(())
    })
}

/// Waits until the count of a server is on the disk.
fn kept(evenkeel: &Evenkeel, server: &SocketAddr, connections: u64) -> Result<()> {
    let file = evenkeel.state_dir().join("servers.json");
    eventually("the count is kept", PATIENCE, || {
        let text = fs::read(&file).unwrap_or_default();
        let kept: Value = serde_json::from_slice(&text).unwrap_or_default();
        let servers = kept["servers"].as_array().cloned().unwrap_or_default();
        let found = servers.iter().any(|it| {
            it["server"] == server.to_string() && it["beyond"].as_u64() == Some(connections)
        });
        Ok(found.then_some(()))
    })
}

#[test]
fn whatever_is_in_the_place_of_what_was_kept_the_daemon_starts_says_so_and_goes_on() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _backends = holding_backends(&net, &addresses)?;
        let config = |n: usize| web(&net, "rr", &addresses[..n]);
        let mut evenkeel = Evenkeel::new(&net.director, &config(2))?;
        evenkeel.start()?;
        let client = Client::new(&net.client);
        let _held = hold(&client, net.vip(80), 4)?;
        let before = [0, 1].map(|n| seen(&evenkeel, addresses[n]));
        let before = [
            before[0].as_ref().unwrap().id,
            before[1].as_ref().unwrap().id,
        ];
        let file = evenkeel.state_dir().join("servers.json");
        let mut times = 0;
        let mut damaged =
            |evenkeel: &mut Evenkeel, damage: &dyn Fn() -> Result<()>| -> Result<()> {
                reloaded(evenkeel, &config(1), 1)?;
                evenkeel.kill9()?;
                damage()?;
                evenkeel.start()?;
                reloaded(evenkeel, &config(2), 2)?;
                times += 1;
                let said = evenkeel
                    .log()
                    .matches("what was kept cannot be used")
                    .count();
                assert_eq!(said, times, "{}", evenkeel.log());
                // Conntrack knows it as well, as long as there are connections.
                for (n, id) in before.iter().enumerate() {
                    assert_eq!(seen(evenkeel, addresses[n])?.id, *id);
                }
                Ok(())
            };
        damaged(&mut evenkeel, &|| Ok(fs::write(&file, "")?))?;
        damaged(&mut evenkeel, &|| {
            fs::remove_file(&file)?;
            Ok(nix::unistd::mkfifo(&file, Mode::S_IRWXU)?)
        })?;
        damaged(&mut evenkeel, &|| Ok(fs::write(&file, "{\"version\":")?))?;
        // And where nothing can be written.
        evenkeel.kill9()?;
        fs::remove_dir_all(evenkeel.state_dir())?;
        fs::write(evenkeel.state_dir(), "in the way")?;
        evenkeel.start()?;
        evenkeel.wait_log("what must last cannot be kept", PATIENCE)?;
        reloaded(&mut evenkeel, &config(1), 1)?;
        assert_eq!(seen(&evenkeel, addresses[0])?.id, before[0]);
        assert!(evenkeel.sigterm()?.success());
        Ok(())
    })
}

#[test]
fn udp_flows_of_a_server_that_was_taken_out_while_the_daemon_was_down_go_elsewhere() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 53);
        let mut backends = udp_backends(&net, &addresses)?;
        let config = |servers: &[SocketAddr]| {
            Service::new("dns", net.vip(53))
                .with("protocol = \"udp\"")
                .servers(servers.iter().copied())
                .text()
        };
        let mut evenkeel = Evenkeel::new(&net.director, &config(&addresses))?;
        evenkeel.start()?;
        let source = IpAddr::from(Ipv4Addr::new(10, 10, 54, 10));
        let client = Client::new(&net.client)
            .from_socket((source, 7000).into())
            .timeout(Duration::from_millis(500));
        let first = client.ask_udp(net.vip(53))?;
        assert_eq!(client.ask_udp(net.vip(53))?, first, "one flow");
        let gone: usize = first.parse()?;
        evenkeel.kill9()?;
        drop(backends.remove(gone));
        evenkeel.configure(&config(&[addresses[1 - gone]]))?;
        evenkeel.start()?;
        eventually("the flow has another server", PATIENCE, || {
            Ok(client.ask_udp(net.vip(53)).ok())
        })?;
        Ok(())
    })
}
