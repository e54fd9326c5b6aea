//! Connections are spread as the scheduler says, exactly, by the kernel.

use std::io::ErrorKind;
use std::net::Ipv4Addr;

use crate::support::{
    PATIENCE, Service, ask_udp_from_new_ports, assert_repeats, count, servers, servers6,
    tcp_backends, udp_backends,
};
use anyhow::Result;
use evenkeel_tests::{Article, Backend, Client, Evenkeel, Paths, isolated};

#[test]
fn rr_gives_four_servers_a_hundred_of_400_connections_each_and_in_order() -> Result<()> {
    isolated(|| {
        let net = Article::new(4)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let service = Service::new("web", net.vip(80)).with("scheduler = \"rr\"");
        let mut evenkeel = Evenkeel::new(&net.director, &service.servers(addresses).text())?;
        evenkeel.start()?;
        let answers = Client::new(&net.client).ask_times(net.vip(80), 400)?;
        assert_eq!(
            count(&answers),
            [("0", 100), ("1", 100), ("2", 100), ("3", 100)].into()
        );
        assert_repeats(&answers, &["0", "1", "2", "3"]);
        // IPVS adds its counters up every two seconds.
        evenkeel.wait_status("each server has had 100 connections", PATIENCE, |status| {
            let servers = status["services"][0]["servers"].as_array();
            let servers = servers.map_or(&[][..], Vec::as_slice);
            servers.len() == 4 && servers.iter().all(|it| it["connections"] == 100)
        })?;
        Ok(())
    })
}

#[test]
fn udp_is_spread_as_tcp_is() -> Result<()> {
    isolated(|| {
        let net = Article::new(4)?;
        let addresses = servers(&net, 53);
        let _backends = udp_backends(&net, &addresses)?;
        let service = Service::new("dns", net.vip(53)).with("protocol = \"udp\"");
        let mut evenkeel = Evenkeel::new(&net.director, &service.servers(addresses).text())?;
        evenkeel.start()?;
        let client = Client::new(&net.client);
        let source = Ipv4Addr::new(10, 10, 54, 10).into();
        let answers = ask_udp_from_new_ports(&client, source, net.vip(53), 400)?;
        assert_eq!(
            count(&answers),
            [("0", 100), ("1", 100), ("2", 100), ("3", 100)].into()
        );
        assert_repeats(&answers, &["0", "1", "2", "3"]);
        Ok(())
    })
}

#[test]
fn ipv6_is_spread_as_ipv4_is_over_tcp_and_udp() -> Result<()> {
    isolated(|| {
        let net = Article::new(4)?;
        let addresses = servers6(&net, 80);
        let _tcp = tcp_backends(&net, &addresses)?;
        let _udp = udp_backends(&net, &addresses)?;
        let weighted = Service::new("web6", net.vip6(80))
            .with("scheduler = \"wrr\"")
            .server(addresses[0], "weight = 5")
            .servers(addresses[1..].iter().copied());
        let udp = Service::new("udp6", net.vip6(80))
            .with("protocol = \"udp\"")
            .servers(addresses.iter().copied());
        let mut evenkeel = Evenkeel::new(&net.director, &(weighted.text() + &udp.text()))?;
        evenkeel.start()?;
        let client = Client::new(&net.client);
        let answers = client.ask_times(net.vip6(80), 400)?;
        assert_eq!(
            count(&answers),
            [("0", 250), ("1", 50), ("2", 50), ("3", 50)].into()
        );
        let source = "fd00:54::10".parse()?;
        let answers = ask_udp_from_new_ports(&client, source, net.vip6(80), 400)?;
        assert_repeats(&answers, &["0", "1", "2", "3"]);
        Ok(())
    })
}

#[test]
fn a_source_hash_keeps_a_client_at_its_server_and_a_random_choice_does_not() -> Result<()> {
    isolated(|| {
        let net = Article::new(4)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let by = |selector: &str, port: u16| {
            Service::new(selector, net.vip(port))
                .with(&format!(
                    "scheduler = {{ plugin = \"spread\", settings = {{ selector = \"{selector}\" }} }}"
                ))
                .servers(addresses.iter().copied())
                .text()
        };
        let config = by("hash-source", 80) + &by("random", 81) + &by("hash-flow", 82);
        let mut evenkeel =
            Evenkeel::new(&net.director, &config)?.plugin_dir(Paths::default().test_plugins);
        evenkeel.start()?;
        let mut first_of_each = Vec::new();
        for last in 10..20 {
            let client =
                Client::new(&net.client).from_address(Ipv4Addr::new(10, 10, 54, last).into());
            let answers = client.ask_times(net.vip(80), 10)?;
            assert_eq!(count(&answers).len(), 1, "client {last}: {answers:?}");
            first_of_each.extend(answers.into_iter().next());
        }
        assert!(
            count(&first_of_each).len() > 1,
            "ten clients, one server: {first_of_each:?}"
        );
        for port in [81, 82] {
            let answers = Client::new(&net.client).ask_times(net.vip(port), 200)?;
            let counts = count(&answers);
            assert!(
                counts.len() == 4 && counts.values().all(|n| *n > 10),
                "{counts:?}"
            );
        }
        Ok(())
    })
}

#[test]
fn with_snat_servers_need_no_route_through_the_director() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        for node in &net.servers {
            node.ip(&["route", "del", "default"])?;
        }
        let gateway = Service::new("gateway", net.vip(80)).servers(addresses.iter().copied());
        let full = Service::new("full", net.vip(81))
            .with("snat = true")
            .servers(addresses.iter().copied());
        let mut evenkeel = Evenkeel::new(&net.director, &(gateway.text() + &full.text()))?;
        evenkeel.start()?;
        let client = Client::new(&net.client).timeout(std::time::Duration::from_millis(500));
        assert_eq!(
            client.ask(net.vip(80)).unwrap_err().kind(),
            ErrorKind::TimedOut
        );
        assert_repeats(&client.ask_times(net.vip(81), 20)?, &["0", "1"]);
        Ok(())
    })
}

#[test]
fn a_service_without_a_server_left_resets_tcp_and_answers_udp_with_icmp() -> Result<()> {
    isolated(|| {
        let net = Article::new(1)?;
        let web = Service::new("web", net.vip(80)).server(net.server(0, 80), "weight = 0");
        let dns = Service::new("dns", net.vip6(53))
            .with("protocol = \"udp\"")
            .server(net.server6(0, 53), "weight = 0");
        let mut evenkeel = Evenkeel::new(&net.director, &(web.text() + &dns.text()))?;
        evenkeel.start()?;
        let client = Client::new(&net.client);
        assert_eq!(
            client.ask(net.vip(80)).unwrap_err().kind(),
            ErrorKind::ConnectionRefused
        );
        assert_eq!(
            client.ask_udp(net.vip6(53)).unwrap_err().kind(),
            ErrorKind::ConnectionRefused
        );
        Ok(())
    })
}

#[test]
fn a_port_of_the_director_that_is_no_service_is_left_alone() -> Result<()> {
    isolated(|| {
        let net = Article::new(1)?;
        let _backend = Backend::tcp(&net.servers[0], net.server(0, 80), "server")?;
        let _own = Backend::tcp(&net.director, net.vip(22), "director")?;
        let service = Service::new("web", net.vip(80)).servers([net.server(0, 80)]);
        let mut evenkeel = Evenkeel::new(&net.director, &service.text())?;
        evenkeel.start()?;
        let client = Client::new(&net.client);
        assert_eq!(client.ask(net.vip(22))?, "director");
        assert_eq!(client.ask(net.vip(80))?, "server");
        Ok(())
    })
}
