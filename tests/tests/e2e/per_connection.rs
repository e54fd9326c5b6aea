//! Schedulers that decide each connection.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use crate::support::{
    PATIENCE, Service, hold, holding_backends, names, servers, servers6, tcp_backends,
    udp_backends, wait_counts,
};
use anyhow::Result;
use evenkeel_tests::{Article, Client, Evenkeel, Paths, isolated, on_slow_kernel, wait_until};

const LC: &str = "scheduler = \"lc\"\ndecision = \"per-connection\"";
/// Always the first server, which no plan would do.
const FIRST: &str = "scheduler = { plugin = \"misbehave-pick\" }";

/// What `status` shows, a scheduler is told a moment later: at most 40 times a second, and by a thread that may have
/// to wait.
const TOLD: Duration = Duration::from_millis(200);

/// How many connections of the first service its scheduler has decided, if it is asked.
fn decided(evenkeel: &Evenkeel) -> Result<Option<u64>> {
    Ok(evenkeel.status()?["services"][0]["queue"]["decided"].as_u64())
}

/// A daemon with one service, about whose connections it is asked.
fn started(net: &Article, service: Service, addresses: &[SocketAddr]) -> Result<Evenkeel> {
    let config = service.servers(addresses.iter().copied()).text();
    let mut evenkeel = Evenkeel::new(&net.director, &config)?;
    evenkeel.start()?;
    wait_asked(&evenkeel)?;
    Ok(evenkeel)
}

/// Waits until the scheduler of every service is asked.
fn wait_asked(evenkeel: &Evenkeel) -> Result<()> {
    evenkeel.wait_status("the schedulers are asked", PATIENCE, |status| {
        let services = status["services"].as_array();
        status["settled"] == true
            && services.is_some_and(|all| all.iter().all(|it| it["queue"].is_object()))
    })?;
    Ok(())
}

#[test]
fn least_connections_is_exact() -> Result<()> {
    isolated(|| {
        let net = Article::new(3)?;
        let addresses = servers(&net, 80);
        let _backends = holding_backends(&net, &addresses)?;
        let service = Service::new("web", net.vip(80)).with(LC);
        let evenkeel = started(&net, service, &addresses)?;
        let client = Client::new(&net.client);
        let mut held = Vec::new();
        for _ in 0..9 {
            held.extend(hold(&client, net.vip(80), 1)?);
            if on_slow_kernel() {
                // IPVS's counts are read now and then; what was read before a decision may be told after it.
                std::thread::sleep(TOLD);
            }
        }
        assert_eq!(names(&held), ["0", "1", "2", "0", "1", "2", "0", "1", "2"]);
        wait_counts(&evenkeel, &[(3, 0), (3, 0), (3, 0)])?;
        // Server 1 loses all of its connections: closed ones count a 256th, so it gets the next three.
        held.retain(|(name, _)| name != "1");
        wait_counts(&evenkeel, &[(3, 0), (0, 3), (3, 0)])?;
        std::thread::sleep(TOLD);
        assert_eq!(names(&hold(&client, net.vip(80), 2)?), ["1", "1"]);
        let status = evenkeel.status()?;
        let queue = &status["services"][0]["queue"];
        assert_eq!(
            (&queue["decided"], &queue["passed"]),
            (&11.into(), &0.into()),
            "{queue}"
        );
        assert!(
            evenkeel
                .status_table()?
                .contains("each connection decided: 11 by the scheduler")
        );
        Ok(())
    })
}

#[test]
fn udp_ipv6_full_nat_and_the_directors_own_connections_are_decided_too() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let (four, six, dns) = (servers(&net, 80), servers6(&net, 80), servers(&net, 53));
        let _backends = [tcp_backends(&net, &four)?, tcp_backends(&net, &six)?];
        let _dns = udp_backends(&net, &dns)?;
        let config = [
            Service::new("web", net.vip(80))
                .with(FIRST)
                .with("snat = true")
                .servers(four),
            Service::new("web6", net.vip6(80)).with(FIRST).servers(six),
            Service::new("dns", net.vip(53))
                .with("protocol = \"udp\"")
                .with(FIRST)
                .servers(dns),
        ]
        .map(Service::text)
        .concat();
        let mut evenkeel =
            Evenkeel::new(&net.director, &config)?.plugin_dir(Paths::default().test_plugins);
        evenkeel.start()?;
        wait_asked(&evenkeel)?;
        let client = Client::new(&net.client);
        assert_eq!(client.ask_times(net.vip(80), 6)?, ["0"; 6]);
        assert_eq!(client.ask_times(net.vip6(80), 6)?, ["0"; 6]);
        let source = Ipv4Addr::new(10, 10, 54, 10).into();
        let answers = crate::support::ask_udp_from_new_ports(&client, source, net.vip(53), 6)?;
        assert_eq!(answers, ["0"; 6]);
        assert_eq!(
            Client::new(&net.director).ask_times(net.vip(80), 6)?,
            ["0"; 6]
        );
        let status = evenkeel.status()?;
        for (service, decided) in [(0, 12), (1, 6), (2, 6)] {
            let queue = &status["services"][service]["queue"];
            assert_eq!(queue["decided"], decided, "{status}");
        }
        Ok(())
    })
}

#[test]
fn no_connection_fails_while_servers_fail_and_return_and_the_configuration_changes() -> Result<()> {
    isolated(|| {
        let net = Article::new(3)?;
        let addresses = servers(&net, 80);
        let mut backends = tcp_backends(&net, &addresses)?;
        let config = |line: &str| {
            Service::new("web", net.vip(80))
                .with(line)
                .checked()
                .servers(addresses.iter().copied())
                .text()
        };
        let mut evenkeel = Evenkeel::new(&net.director, &config(LC))?;
        evenkeel.start()?;
        wait_asked(&evenkeel)?;
        let last = addresses[2].to_string();
        // Its connections are refused until the check has noticed: that is the server's failure and not ours.
        let client = Client::new(&net.client);
        drop(backends.pop());
        evenkeel.wait_health("web", &last, "down", PATIENCE)?;
        let stream = client.keep_asking(net.vip(80), Duration::from_millis(1))?;
        backends.push(evenkeel_tests::Backend::tcp(
            &net.servers[2],
            addresses[2],
            "2",
        )?);
        evenkeel.wait_health("web", &last, "up", PATIENCE)?;
        for line in ["scheduler = \"lc\"", LC, "scheduler = \"rr\"", LC] {
            evenkeel.reload(&config(line))?;
            std::thread::sleep(Duration::from_millis(200));
        }
        wait_asked(&evenkeel)?;
        evenkeel.kill9()?;
        std::thread::sleep(Duration::from_millis(300));
        evenkeel.start()?;
        wait_asked(&evenkeel)?;
        let record = stream.stop()?;
        let failed: Vec<_> = record.failures().collect();
        assert!(
            failed.is_empty(),
            "{} of {}: {failed:?}",
            failed.len(),
            record.answers.len()
        );
        assert!(decided(&evenkeel)? > Some(0));
        Ok(())
    })
}

#[test]
fn while_the_daemon_hangs_new_connections_go_by_the_plan_and_afterwards_they_are_decided_again()
-> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let config = Service::new("web", net.vip(80))
            .with(FIRST)
            .servers(addresses)
            .text();
        let mut evenkeel =
            Evenkeel::new(&net.director, &config)?.plugin_dir(Paths::default().test_plugins);
        evenkeel.start()?;
        wait_asked(&evenkeel)?;
        let client = Client::new(&net.client);
        assert_eq!(client.ask_times(net.vip(80), 4)?, ["0"; 4]);
        evenkeel.pause()?;
        // The kernel notices after 150 ms.
        wait_until("a connection goes by the plan", PATIENCE, || {
            let quick = client.clone().timeout(Duration::from_millis(100));
            Ok(quick.ask(net.vip(80)).is_ok_and(|it| it == "1"))
        })?;
        let answers = client.ask_times(net.vip(80), 20)?;
        assert_eq!(
            crate::support::count(&answers),
            [("0", 10), ("1", 10)].into()
        );
        evenkeel.resume()?;
        wait_until("the scheduler is asked again", PATIENCE, || {
            Ok(client.ask_times(net.vip(80), 4)? == ["0"; 4])
        })?;
        evenkeel.kill9()?;
        wait_until("a connection goes by the plan", PATIENCE, || {
            Ok(client.ask(net.vip(80)).is_ok_and(|it| it == "1"))
        })?;
        evenkeel.start()?;
        wait_asked(&evenkeel)?;
        assert_eq!(client.ask_times(net.vip(80), 4)?, ["0"; 4]);
        Ok(())
    })
}

#[test]
fn datagrams_that_a_client_sends_back_to_back_from_a_new_port_all_go_to_one_server() -> Result<()> {
    const FLOWS: usize = 500;
    isolated(|| {
        let net = Article::new(3)?;
        let addresses = servers(&net, 53);
        let _backends = udp_backends(&net, &addresses)?;
        let service = Service::new("dns", net.vip(53))
            .with("protocol = \"udp\"")
            .with(LC);
        let evenkeel = started(&net, service, &addresses)?;
        let vip = net.vip(53);
        let answers = net.client.enter(|| -> std::io::Result<Vec<Vec<String>>> {
            let ask = |_| {
                let socket = UdpSocket::bind("0.0.0.0:0")?;
                socket.set_read_timeout(Some(PATIENCE))?;
                socket.connect(vip)?;
                for datagram in 0..3 {
                    socket.send(&[datagram])?;
                }
                (0..3)
                    .map(|_| {
                        let mut answer = [0; 64];
                        let length = socket.recv(&mut answer)?;
                        let text = String::from_utf8_lossy(&answer[..length.saturating_sub(2)]);
                        Ok(text.into_owned())
                    })
                    .collect()
            };
            (0..FLOWS).map(ask).collect()
        })??;
        let split: Vec<_> = answers
            .iter()
            .filter(|it| it.iter().any(|name| *name != it[0]))
            .collect();
        assert!(split.is_empty(), "{} flows: {split:?}", split.len());
        assert!(decided(&evenkeel)? >= Some(500));
        Ok(())
    })
}

/// Every way in which a decision can go wrong, each in a service of its own, beside one that behaves.
#[test]
fn a_decision_that_goes_wrong_costs_its_own_service_its_scheduler_and_others_nothing() -> Result<()>
{
    isolated(|| {
        let ways = ["spin", "panic", "bad-backend"];
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let mut config = Service::new("fine", net.vip(80))
            .with(LC)
            .servers(addresses.iter().copied())
            .text();
        for (number, how) in (0_u16..).zip(ways) {
            let line = format!(
                "scheduler = {{ plugin = \"misbehave-pick\", settings = {{ how = \"{how}\", after = 5 }} }}"
            );
            let service = Service::new(how, net.vip(81 + number)).with(&line);
            config += &service.servers(addresses.iter().copied()).text();
        }
        let mut evenkeel =
            Evenkeel::new(&net.director, &config)?.plugin_dir(Paths::default().test_plugins);
        evenkeel.start()?;
        wait_asked(&evenkeel)?;
        let client = Client::new(&net.client);
        let beside = client.keep_asking(net.vip(80), Duration::from_millis(1))?;
        for (number, how) in (0_u16..).zip(ways) {
            let vip = net.vip(81 + number);
            assert_eq!(client.ask_times(vip, 5)?, ["0"; 5], "{how}");
            // The sixth goes by the plan, as do all others until the plugin is started again.
            let answers = client.ask_times(vip, 6)?;
            assert!(answers.iter().any(|it| it == "1"), "{how}: {answers:?}");
            // In the log, which keeps it: in the status it stands for a second, until the plugin is started again.
            let failed = format!(
                "the scheduler failed; it has given no plan that could stay: servers take turns, by weight service=\"{how}\""
            );
            evenkeel.wait_log(&failed, PATIENCE)?;
        }
        let record = beside.stop()?;
        assert_eq!(record.failures().count(), 0);
        // It is asked again, and decides five more.
        wait_until("it is asked again", PATIENCE, || {
            Ok(client.ask_times(net.vip(82), 4)? == ["0"; 4])
        })?;
        Ok(())
    })
}

#[test]
fn a_slow_decision_delays_its_own_service_only() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let slow = "scheduler = { plugin = \"misbehave-pick\", settings = { how = \"slow\", time = \"150ms\" } }";
        let config = "[sandbox]\npick_time = \"1s\"\n".to_owned()
            + &Service::new("slow", net.vip(81))
                .with(slow)
                .servers(addresses.iter().copied())
                .text()
            + &Service::new("web", net.vip(80))
                .with(LC)
                .servers(addresses)
                .text();
        let mut evenkeel =
            Evenkeel::new(&net.director, &config)?.plugin_dir(Paths::default().test_plugins);
        evenkeel.start()?;
        wait_asked(&evenkeel)?;
        let client = Client::new(&net.client);
        let slow = client.keep_asking(net.vip(81), Duration::ZERO)?;
        let quick = client.keep_asking(net.vip(80), Duration::from_millis(1))?;
        std::thread::sleep(Duration::from_secs(2));
        let (slow, quick) = (slow.stop()?, quick.stop()?);
        assert_eq!(slow.failures().count() + quick.failures().count(), 0);
        // If each of them waited for a slow decision, there would be as many of the one as of the other.
        let (slow_ones, quick_ones) = (slow.answers.len(), quick.answers.len());
        assert!(
            quick_ones > 2 * slow_ones,
            "{quick_ones} beside {slow_ones}"
        );
        assert!(
            slow.answers
                .iter()
                .all(|it| it.took >= Duration::from_millis(140))
        );
        Ok(())
    })
}

#[test]
fn a_scheduler_that_refuses_a_connection_is_obeyed() -> Result<()> {
    isolated(|| {
        let net = Article::new(1)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let line = "scheduler = { plugin = \"misbehave-pick\", settings = { how = \"refuse\", after = 3 } }";
        let config = Service::new("web", net.vip(80))
            .with(line)
            .servers(addresses)
            .text();
        let mut evenkeel =
            Evenkeel::new(&net.director, &config)?.plugin_dir(Paths::default().test_plugins);
        evenkeel.start()?;
        wait_asked(&evenkeel)?;
        let client = Client::new(&net.client);
        assert_eq!(client.ask_times(net.vip(80), 3)?, ["0"; 3]);
        let refused = client.connect(net.vip(80)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        Ok(())
    })
}

#[test]
fn a_scheduler_that_only_plans_cannot_be_asked_about_each_connection() -> Result<()> {
    isolated(|| {
        let net = Article::new(1)?;
        let service = Service::new("web", net.vip(80))
            .with("scheduler = \"rr\"")
            .with("decision = \"per-connection\"");
        let evenkeel = Evenkeel::new(&net.director, &service.servers(servers(&net, 80)).text())?;
        let output = evenkeel.check()?;
        assert_eq!(output.status.code(), Some(3));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            said.contains(":6:12: ") && said.contains("scheduler rr decides by plan only"),
            "{said}"
        );
        Ok(())
    })
}
