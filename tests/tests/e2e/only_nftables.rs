//! What nftables does, and IPVS does otherwise: it has an order of its own for weights, keeps a client for as long as
//! it keeps the client's last connection, remembers clients without asking anybody, has no marks, and serves clients
//! on the servers' own networks only where it tracks connections anyway.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::support::{
    PATIENCE, Service, assert_repeats, count, hold, holding_backends, names, servers, servers6,
    tcp_backends, wait_counts,
};
use anyhow::Result;
use evenkeel_tests::{Article, Client, Evenkeel, isolated, wait_until};

#[test]
fn wrr_with_weights_5_1_1_1_is_smooth() -> Result<()> {
    isolated(|| {
        let net = Article::new(4)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let service = Service::new("web", net.vip(80))
            .with("scheduler = \"wrr\"")
            .server(addresses[0], "weight = 5")
            .servers(addresses[1..].iter().copied());
        let mut evenkeel = Evenkeel::new(&net.director, &service.text())?;
        evenkeel.start()?;
        let answers = Client::new(&net.client).ask_times(net.vip(80), 400)?;
        assert_eq!(
            count(&answers),
            [("0", 250), ("1", 50), ("2", 50), ("3", 50)].into()
        );
        assert_repeats(&answers, &["0", "0", "1", "0", "2", "0", "3", "0"]);
        Ok(())
    })
}

#[test]
fn the_connections_mark_is_the_servers_number() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let service = Service::new("web", net.vip(80)).servers(addresses);
        let mut evenkeel = Evenkeel::new(&net.director, &service.text())?;
        evenkeel.start()?;
        Client::new(&net.client).ask_times(net.vip(80), 10)?;
        let status = evenkeel.status()?;
        for server in status["services"][0]["servers"].as_array().unwrap() {
            let list = net
                .director
                .run("conntrack", &["-L", "-m", &server["id"].to_string()])?;
            assert_eq!(list.lines().count(), 5, "{list}");
            let (ip, _) = server["address"].as_str().unwrap().split_once(':').unwrap();
            assert!(
                list.lines().all(|line| line.contains(&format!("src={ip}"))),
                "{list}"
            );
        }
        Ok(())
    })
}

#[test]
fn a_client_that_was_away_longer_than_the_timeout_is_forgotten() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let service = Service::new("web", net.vip(80)).with("persistence = \"2s\"");
        let mut evenkeel = Evenkeel::new(&net.director, &service.servers(addresses).text())?;
        evenkeel.start()?;
        let client = Client::new(&net.client).from_address(Ipv4Addr::new(10, 10, 54, 10).into());
        // Each connection refreshes it: longer than the timeout in all.
        let mut first = Vec::new();
        for _ in 0..6 {
            first.push(client.ask(net.vip(80))?);
            std::thread::sleep(Duration::from_millis(500));
        }
        assert_eq!(count(&first).len(), 1, "{first:?}");
        wait_until(
            "it goes to the other server after a while away",
            PATIENCE,
            || {
                std::thread::sleep(Duration::from_millis(2_500));
                Ok(client.ask(net.vip(80))? != first[0])
            },
        )?;
        Ok(())
    })
}

#[test]
fn clients_on_the_director_and_on_the_servers_own_network_are_served_too() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let addresses6 = servers6(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let _backends6 = tcp_backends(&net, &addresses6)?;
        let config = Service::new("web", net.vip(80)).servers(addresses).text()
            + &Service::new("web6", net.vip6(80))
                .servers(addresses6)
                .text();
        let mut evenkeel = Evenkeel::new(&net.director, &config)?;
        evenkeel.start()?;
        for node in [&net.director, &net.servers[0], &net.servers[1]] {
            for vip in [net.vip(80), net.vip6(80)] {
                let answers = Client::new(node).ask_times(vip, 10)?;
                assert_repeats(&answers, &["0", "1"]);
            }
        }
        Ok(())
    })
}

#[test]
fn a_client_that_is_remembered_is_not_asked_about() -> Result<()> {
    isolated(|| {
        let net = Article::new(3)?;
        let addresses = servers(&net, 80);
        let _backends = holding_backends(&net, &addresses)?;
        let service = Service::new("web", net.vip(80))
            .with("scheduler = \"lc\"\ndecision = \"per-connection\"")
            .with("persistence = \"10m\"");
        let mut evenkeel = Evenkeel::new(&net.director, &service.servers(addresses).text())?;
        evenkeel.start()?;
        let decided = || -> Result<Option<u64>> {
            Ok(evenkeel.status()?["services"][0]["queue"]["decided"].as_u64())
        };
        wait_until("the scheduler is asked", PATIENCE, || {
            Ok(decided()?.is_some())
        })?;
        let from = |last: u8| {
            Client::new(&net.client).from_address(Ipv4Addr::new(10, 10, 54, last).into())
        };
        let first = hold(&from(10), net.vip(80), 5)?;
        assert_eq!(names(&first), ["0"; 5]);
        assert_eq!(decided()?, Some(1));
        wait_counts(&evenkeel, &[(5, 0), (0, 0), (0, 0)])?;
        let second = hold(&from(11), net.vip(80), 2)?;
        assert_eq!(names(&second), ["1"; 2]);
        assert_eq!(decided()?, Some(2));
        Ok(())
    })
}

#[test]
fn udp_flows_of_a_failed_server_that_is_inhibited_move_to_another() -> Result<()> {
    isolated(|| crate::health::udp_flows_move("on_down = \"kill\"", "inhibit_on_failure = true"))
}
