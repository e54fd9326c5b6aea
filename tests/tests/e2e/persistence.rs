//! Clients that stay with their server.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use crate::support::{PATIENCE, Service, holding_backends, servers, servers6, tcp_backends};
use anyhow::{Context as _, Result};
use evenkeel_tests::{Article, Client, Evenkeel, eventually, isolated};

/// One of the client machine's addresses, 10 to 19.
fn from(net: &Article, last: u8) -> Client {
    Client::new(&net.client).from_address(Ipv4Addr::new(10, 10, 54, last).into())
}

/// The server that all of these connections reach.
fn only(answers: &[String]) -> &str {
    let different: BTreeSet<&str> = answers.iter().map(String::as_str).collect();
    assert_eq!(different.len(), 1, "{answers:?}");
    different.into_iter().next().unwrap_or_default()
}

#[test]
fn a_client_stays_with_its_server_through_reloads_plans_and_the_daemons_death() -> Result<()> {
    isolated(|| {
        let net = Article::new(3)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let config = |weight: u32| {
            Service::new("web", net.vip(80))
                .with("persistence = \"10m\"")
                .with("scheduler = \"wrr\"")
                .server(addresses[0], &format!("weight = {weight}"))
                .servers(addresses[1..].iter().copied())
                .text()
        };
        let mut evenkeel = Evenkeel::new(&net.director, &config(1))?;
        evenkeel.start()?;
        let clients: Vec<Client> = (10..16).map(|last| from(&net, last)).collect();
        let first: Vec<String> = clients
            .iter()
            .map(|client| Ok(only(&client.ask_times(net.vip(80), 4)?).to_owned()))
            .collect::<Result<_>>()?;
        assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 3, "{first:?}");
        let all_stay = || -> Result<()> {
            for (client, first) in clients.iter().zip(&first) {
                assert_eq!(only(&client.ask_times(net.vip(80), 3)?), first);
            }
            Ok(())
        };
        evenkeel.reload(&config(5))?;
        all_stay()?;
        evenkeel.kill9()?;
        all_stay()?;
        evenkeel.start()?;
        all_stay()?;
        // Draining: whoever is there stays.
        evenkeel.reload(&config(0))?;
        all_stay()
    })
}

#[test]
fn clients_of_one_network_stay_together_and_another_network_goes_elsewhere() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let service = Service::new("web", net.vip(80))
            .with("persistence = { timeout = \"10m\", prefix = 30 }");
        let mut evenkeel = Evenkeel::new(&net.director, &service.servers(addresses).text())?;
        evenkeel.start()?;
        // .12 to .15 are one /30, .16 to .19 the next.
        let ask = |last: u8| Ok::<_, anyhow::Error>(from(&net, last).ask(net.vip(80))?);
        let low = ask(12)?;
        let high = ask(16)?;
        assert_ne!(low, high, "in turn");
        for last in 12..16 {
            assert_eq!(ask(last)?, low);
        }
        for last in 16..20 {
            assert_eq!(ask(last)?, high);
        }
        let flags = evenkeel.status_table()?;
        assert!(flags.contains("persistent 600 mask /30"), "{flags}");
        Ok(())
    })
}

#[test]
fn ipv6_clients_stay_too() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers6(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let service = Service::new("web6", net.vip6(80))
            .with("persistence = { timeout = \"10m\", prefix = 127 }");
        let mut evenkeel = Evenkeel::new(&net.director, &service.servers(addresses).text())?;
        evenkeel.start()?;
        let ask = |last: u16| -> Result<Vec<String>> {
            let source: IpAddr = format!("fd00:54::{last:x}").parse()?;
            Ok(Client::new(&net.client)
                .from_address(source)
                .ask_times(net.vip6(80), 3)?)
        };
        let low = only(&ask(0x10)?).to_owned();
        assert_eq!(only(&ask(0x11)?), low);
        assert_ne!(only(&ask(0x12)?), low, "in turn");
        Ok(())
    })
}

#[test]
fn a_client_whose_server_fails_gets_another_one_and_stays_with_that() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let mut backends = tcp_backends(&net, &addresses)?;
        let service = Service::new("web", net.vip(80))
            .with("persistence = \"10m\"")
            .checked();
        let mut evenkeel =
            Evenkeel::new(&net.director, &service.servers(addresses.clone()).text())?;
        evenkeel.start()?;
        let client = from(&net, 10);
        let first = only(&client.ask_times(net.vip(80), 4)?).to_owned();
        let number: usize = first.parse()?;
        drop(backends.remove(number));
        evenkeel.wait_health("web", &addresses[number].to_string(), "down", PATIENCE)?;
        let second = only(&client.ask_times(net.vip(80), 4)?).to_owned();
        assert_ne!(second, first);
        Ok(())
    })
}

#[test]
fn clients_of_a_draining_server_go_elsewhere_with_their_next_connection_where_that_is_wanted()
-> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _backends = holding_backends(&net, &addresses)?;
        let config = |on_drain: &str, weight: u32| {
            Service::new("web", net.vip(80))
                .with(&format!(
                    "persistence = {{ timeout = \"10m\", on_drain = \"{on_drain}\" }}"
                ))
                .server(addresses[0], &format!("weight = {weight}"))
                .server(addresses[1], "weight = 1")
                .text()
        };
        let mut evenkeel = Evenkeel::new(&net.director, &config("keep", 1))?;
        evenkeel.start()?;
        let clients = [from(&net, 10), from(&net, 11)];
        let mut held = Vec::new();
        for client in &clients {
            held.push(client.hold(net.vip(80))?);
        }
        let sticky = held.iter().position(|(name, _)| name == "0").unwrap();
        let drains = |evenkeel: &mut Evenkeel, on_drain| -> Result<()> {
            evenkeel.reload(&config(on_drain, 0))?;
            evenkeel.wait_health("web", &addresses[0].to_string(), "drain", PATIENCE)?;
            evenkeel.wait_status("the kernel knows", PATIENCE, |it| it["settled"] == true)?;
            Ok(())
        };
        drains(&mut evenkeel, "keep")?;
        assert_eq!(clients[sticky].hold(net.vip(80))?.0, "0", "as with IPVS");
        evenkeel.reload(&config("move", 0))?;
        eventually("the client goes elsewhere", PATIENCE, || {
            let (name, _) = clients[sticky].hold(net.vip(80))?;
            Ok((name == "1").then_some(()))
        })?;
        // The connection that is there goes on, and the server is still shown as draining, with its count.
        let (_, connection) = &held[sticky];
        connection.set_nonblocking(true)?;
        let next = std::io::Read::read(&mut &*connection, &mut [0]);
        assert_eq!(next.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        let mut last = String::new();
        // IPVS adds up its connections every two seconds (its estimator, net/netfilter/ipvs/ip_vs_est.c).
        eventually("its connections are counted", PATIENCE, || {
            let server = evenkeel.server("web", &addresses[0].to_string())?.unwrap();
            last = server.to_string();
            let counted = server["connections"].as_u64() >= Some(2);
            let active = server["active"].as_u64() >= Some(1);
            Ok((server["health"] == "drain" && counted && active).then_some(()))
        })
        .with_context(|| last)?;
        // It takes connections again, and keeps the clients that it gets.
        evenkeel.reload(&config("move", 1))?;
        evenkeel.wait_health("web", &addresses[0].to_string(), "up", PATIENCE)?;
        assert_eq!(clients[sticky].hold(net.vip(80))?.0, "1");
        Ok(())
    })
}
