//! `evenkeel why`: where connections of a client go, and why.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::support::{PATIENCE, Service, hold, holding_backends, servers, servers6, tcp_backends};
use anyhow::{Context as _, Result};
use evenkeel_tests::{Article, Client, Evenkeel, isolated, wait_until};
use serde_json::Value;

/// One of the client machine's addresses, 10 to 19.
fn address(last: u8) -> IpAddr {
    Ipv4Addr::new(10, 10, 54, last).into()
}

fn from(net: &Article, last: u8) -> Client {
    Client::new(&net.client).from_address(address(last))
}

/// The answer as JSON.
pub(crate) fn why(evenkeel: &Evenkeel, client: &str, service: Option<&str>) -> Result<Value> {
    let mut command = evenkeel.command("why");
    command.args(["--json", "--socket"]).arg(evenkeel.socket());
    let output = command.arg(client).args(service).output()?;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout).with_context(|| error)
}

/// The answer as text, or the error.
fn text(evenkeel: &Evenkeel, words: &[&str]) -> Result<String> {
    let mut command = evenkeel.command("why");
    command.arg("--socket").arg(evenkeel.socket()).args(words);
    let output = command.output()?;
    let all = [output.stdout, output.stderr].concat();
    Ok(String::from_utf8_lossy(&all).into_owned())
}

/// The one service of an answer.
pub(crate) fn only(answer: &Value) -> &Value {
    assert_eq!(
        answer["services"].as_array().map(Vec::len),
        Some(1),
        "{answer}"
    );
    &answer["services"][0]
}

/// A service whose servers are called as they answer.
fn service(name: &str, to: SocketAddr, lines: &str, addresses: &[SocketAddr]) -> String {
    let service = Service::new(name, to).with(lines);
    let named = addresses.iter().enumerate();
    named
        .fold(service, |service, (n, server)| {
            service.server(*server, &format!("name = \"{n}\""))
        })
        .text()
}

#[test]
fn the_slot_that_a_client_is_said_to_have_is_the_one_that_the_kernel_gives_it() -> Result<()> {
    isolated(|| {
        let net = Article::new(4)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let config = [
            service("source", net.vip(80), "scheduler = \"maglev\"", &addresses),
            service(
                "flow",
                net.vip(81),
                "scheduler = { plugin = \"maglev\", settings = { port = true, size = 251 } }",
                &addresses,
            ),
            service("small", net.vip(82), "scheduler = \"sh\"", &addresses),
        ]
        .concat();
        let mut evenkeel = Evenkeel::new(&net.director, &config)?;
        evenkeel.start()?;
        for last in 10..20 {
            for (name, port) in [("source", 80), ("small", 82)] {
                let answer = why(&evenkeel, &address(last).to_string(), Some(name))?;
                let next = &only(&answer)["next"];
                let went = from(&net, last).ask(net.vip(port))?;
                assert_eq!(
                    (&next["how"], &next["server"]),
                    (&"hash".into(), &went.into()),
                    "{answer}"
                );
                assert!(next["slot"].is_u64());
            }
            let source = SocketAddr::new(address(last), 20_000);
            let answer = why(&evenkeel, &source.to_string(), Some("flow"))?;
            let went = Client::new(&net.client)
                .from_socket(source)
                .ask(net.vip(81))?;
            assert_eq!(only(&answer)["next"]["server"], went, "{answer}");
            let unknown = why(&evenkeel, &address(last).to_string(), Some("flow"))?;
            assert_eq!(only(&unknown)["next"]["how"], "hash-port");
        }
        Ok(())
    })
}

#[test]
fn the_slot_of_an_ipv6_client_is_the_kernel_s_too() -> Result<()> {
    isolated(|| {
        let net = Article::new(4)?;
        let addresses = servers6(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let config = [
            service("source", net.vip6(80), "scheduler = \"maglev\"", &addresses),
            service(
                "flow",
                net.vip6(81),
                "scheduler = { plugin = \"maglev\", settings = { port = true } }",
                &addresses,
            ),
        ]
        .concat();
        let mut evenkeel = Evenkeel::new(&net.director, &config)?;
        evenkeel.start()?;
        let client = Client::new(&net.client);
        for port in 20_000..20_010 {
            for (name, to) in [("source", net.vip6(80)), ("flow", net.vip6(81))] {
                let client = client
                    .clone()
                    .from_socket((Ipv6Addr::UNSPECIFIED, port).into());
                let connection = client.connect(to)?;
                let source = connection.local_addr()?;
                drop(connection);
                let answer = why(&evenkeel, &source.to_string(), Some(name))?;
                let it = only(&answer);
                let [went] = it["connections"]
                    .as_array()
                    .map(Vec::as_slice)
                    .unwrap_or_default()
                else {
                    anyhow::bail!("not one connection: {answer}");
                };
                assert_eq!(it["next"]["server"], went["server"], "{answer}");
            }
        }
        Ok(())
    })
}

#[test]
fn an_open_connection_is_shown_with_its_server_its_plugin_and_its_plan() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _backends = holding_backends(&net, &addresses)?;
        let config = [
            service("web", net.vip(80), "scheduler = \"lc\"", &addresses),
            service("other", net.vip(81), "scheduler = \"rr\"", &addresses),
        ]
        .concat();
        let mut evenkeel = Evenkeel::new(&net.director, &config)?;
        evenkeel.start()?;
        let held = hold(&from(&net, 10), net.vip(80), 3)?;
        let told = |it: &Value| -> u64 {
            let servers = it["servers"].as_array().into_iter().flatten();
            servers
                .filter_map(|server| server["told"]["active"].as_u64())
                .sum()
        };
        wait_until("the scheduler was told of all three", PATIENCE, || {
            let answer = why(&evenkeel, &address(10).to_string(), Some("web"))?;
            Ok(told(only(&answer)) == 3)
        })?;
        let mut counts = [0, 0];
        for (name, connection) in &held {
            let client = connection.local_addr()?.to_string();
            let answer = why(&evenkeel, &client, None)?;
            let it = only(&answer);
            assert_eq!(it["service"], "web");
            let connections = it["connections"].as_array().context("no connections")?;
            assert_eq!(connections.len(), 1, "{answer}");
            assert_eq!(connections[0]["server"], **name, "{answer}");
            assert_eq!(connections[0]["client"], client);
            assert_eq!(connections[0]["state"], "established");
            counts[name.parse::<usize>()?] += 1;
            let status = evenkeel.status()?;
            let of_status = &status["services"][0];
            assert_eq!(it["plugin"]["name"], "lc");
            assert_eq!(it["plugin"]["sha256"], of_status["plugin"]["sha256"]);
            assert!(
                it["plugin"]["sha256"]
                    .as_str()
                    .is_some_and(|it| it.len() == 64)
            );
            assert!(it["plan"].as_u64() >= Some(2), "{answer}");
            assert!(of_status["plan"].as_u64() >= it["plan"].as_u64());
        }
        assert!(counts.contains(&1) && counts.contains(&2), "{counts:?}");
        let all = text(&evenkeel, &[&address(10).to_string()])?;
        assert_eq!(all.matches("  connection  ").count(), 3, "{all}");
        assert!(all.contains("decided by  lc "), "{all}");
        let nobody = text(&evenkeel, &[&address(19).to_string()])?;
        assert!(nobody.contains("has no connection here"), "{nobody}");
        let turn = text(&evenkeel, &[&address(19).to_string(), "other"])?;
        assert!(turn.contains("whose turn it is"), "{turn}");
        assert!(turn.contains("50.0%"), "{turn}");
        // Its connections go on when the service is gone.
        evenkeel.reload(&service(
            "other",
            net.vip(81),
            "scheduler = \"rr\"",
            &addresses,
        ))?;
        let gone = text(&evenkeel, &[&address(10).to_string()])?;
        assert!(gone.contains("configured no more"), "{gone}");
        Ok(())
    })
}

#[test]
fn what_a_service_remembers_of_a_client_is_told() -> Result<()> {
    isolated(|| {
        let net = Article::new(3)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let lines = "persistence = { timeout = \"10m\", prefix = 30 }";
        let mut evenkeel = Evenkeel::new(
            &net.director,
            &service("web", net.vip(80), lines, &addresses),
        )?;
        evenkeel.start()?;
        let went = from(&net, 12).ask(net.vip(80))?;
        // The same network, and another client.
        for (last, same) in [(12, true), (15, true), (16, false)] {
            let answer = why(&evenkeel, &address(last).to_string(), Some("web"))?;
            let it = only(&answer);
            if same {
                assert_eq!(it["remembered"]["server"], *went, "{answer}");
                assert_eq!(it["next"]["how"], "remembered");
                let left = it["remembered"]["expires_seconds"].as_f64();
                assert!(
                    left.is_some_and(|left| left > 500.0 && left <= 600.0),
                    "{answer}"
                );
                assert_eq!(it["next"]["server"], from(&net, last).ask(net.vip(80))?);
            } else {
                assert_eq!(it["remembered"], Value::Null, "{answer}");
            }
        }
        Ok(())
    })
}

#[test]
fn where_the_scheduler_is_asked_and_where_nobody_serves_that_is_said() -> Result<()> {
    isolated(|| {
        let net = Article::new(1)?;
        let addresses = servers(&net, 80);
        let config = [
            service(
                "asked",
                net.vip(80),
                "scheduler = \"lc\"\ndecision = \"per-connection\"",
                &addresses,
            ),
            Service::new("none", net.vip(81))
                .checked()
                .servers(addresses.clone())
                .text(),
        ]
        .concat();
        let mut evenkeel = Evenkeel::new(&net.director, &config)?;
        evenkeel.start()?;
        evenkeel.wait_status("asked, and down", PATIENCE, |status| {
            status["services"][0]["queue"].is_object()
                && status["services"][1]["spread"] == "refuse"
        })?;
        let how = |name| {
            Ok::<_, anyhow::Error>(
                only(&why(&evenkeel, "10.10.54.12", Some(name))?)["next"]["how"].clone(),
            )
        };
        assert_eq!(how("asked")?, "asked");
        assert_eq!(how("none")?, "refused");
        for (words, wanted) in [
            (
                &["10.10.54.12", "nobody"][..],
                "there is no service \"nobody\"; there are asked, none",
            ),
            (&["2001:db8::1", "asked"], "whose address is none of IPv6"),
            (&["somebody"], "192.0.2.9:4000"),
        ] {
            let error = text(&evenkeel, words)?;
            assert!(error.contains(wanted), "{error}");
        }
        Ok(())
    })
}
