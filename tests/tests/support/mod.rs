//! What several end-to-end tests need.

#![allow(
    dead_code,
    reason = "compiled into each test file, and none uses all of it"
)]

pub(crate) mod pair;
pub(crate) mod vrrp;

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Result;
use evenkeel_tests::{Article, Backend, Client, Evenkeel};

/// Long enough for what is a matter of a second at most on an idle machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A check that notices a dead server within 200 + 1 x 200 + 200 ms.
pub(crate) const QUICK: &str =
    r#"interval = "200ms", timeout = "200ms", retries = 1, retry_delay = "200ms""#;

/// A `[[service]]` in the making.
pub(crate) struct Service {
    text: String,
}

impl Service {
    /// With no check: its servers are always taken as up.
    pub(crate) fn new(name: &str, listen: SocketAddr) -> Self {
        Self {
            text: format!("[[service]]\nname = \"{name}\"\nlisten = \"{listen}\"\n"),
        }
    }

    /// Adds a line such as `snat = true`.
    pub(crate) fn with(mut self, line: &str) -> Self {
        self.text.push_str(line);
        self.text.push('\n');
        self
    }

    /// With a check by connecting, every 200 ms.
    pub(crate) fn checked(self) -> Self {
        self.with(&format!("check = {{ plugin = \"tcp\", {QUICK} }}"))
    }

    /// Adds servers of weight 1. Only after all other lines.
    pub(crate) fn servers(self, servers: impl IntoIterator<Item = SocketAddr>) -> Self {
        servers
            .into_iter()
            .fold(self, |service, server| service.server(server, "weight = 1"))
    }

    /// Adds a server with a line of its own. Only after all other lines.
    pub(crate) fn server(mut self, address: SocketAddr, line: &str) -> Self {
        let _ = write!(
            self.text,
            "[[service.server]]\naddress = \"{address}\"\n{line}\n"
        );
        self
    }

    /// The text.
    pub(crate) fn text(self) -> String {
        self.text
    }
}

/// The addresses of all servers of the article's network on a port.
pub(crate) fn servers(net: &Article, port: u16) -> Vec<SocketAddr> {
    (0..net.servers.len())
        .map(|number| net.server(number, port))
        .collect()
}

/// The IPv6 addresses of all servers of the article's network on a port.
pub(crate) fn servers6(net: &Article, port: u16) -> Vec<SocketAddr> {
    (0..net.servers.len())
        .map(|number| net.server6(number, port))
        .collect()
}

/// A TCP server with its number as its name on each machine.
pub(crate) fn tcp_backends(net: &Article, addresses: &[SocketAddr]) -> Result<Vec<Backend>> {
    backends(net, addresses, Backend::tcp)
}

/// A TCP server on each machine that greets with its number and keeps connections open.
pub(crate) fn holding_backends(net: &Article, addresses: &[SocketAddr]) -> Result<Vec<Backend>> {
    backends(net, addresses, Backend::holding)
}

/// Opens connections that stay open; which servers have them, in order.
pub(crate) fn hold(
    client: &Client,
    to: SocketAddr,
    times: usize,
) -> Result<Vec<(String, TcpStream)>> {
    (0..times).map(|_| Ok(client.hold(to)?)).collect()
}

/// The names alone.
pub(crate) fn names(held: &[(String, TcpStream)]) -> Vec<&str> {
    held.iter().map(|(name, _)| name.as_str()).collect()
}

/// Waits until `status` says that the servers of the first service have so many active and inactive connections.
pub(crate) fn wait_counts(evenkeel: &Evenkeel, wanted: &[(u64, u64)]) -> Result<()> {
    let what = format!("active and inactive connections {wanted:?}");
    evenkeel.wait_status(&what, PATIENCE, |status| {
        let servers = status["services"][0]["servers"].as_array();
        servers.is_some_and(|servers| {
            let found = servers
                .iter()
                .map(|it| (it["active"].as_u64(), it["inactive"].as_u64()));
            found.eq(wanted.iter().map(|(a, i)| (Some(*a), Some(*i))))
        })
    })?;
    Ok(())
}

/// A UDP server with its number as its name on each machine.
pub(crate) fn udp_backends(net: &Article, addresses: &[SocketAddr]) -> Result<Vec<Backend>> {
    backends(net, addresses, Backend::udp)
}

fn backends(
    net: &Article,
    addresses: &[SocketAddr],
    start: fn(&evenkeel_tests::Node, SocketAddr, &str) -> Result<Backend>,
) -> Result<Vec<Backend>> {
    net.servers
        .iter()
        .zip(addresses)
        .enumerate()
        .map(|(number, (node, address))| start(node, *address, &number.to_string()))
        .collect()
}

/// Asks over UDP, each time from another port: a port that is used again belongs to a flow that the kernel knows
/// already.
pub(crate) fn ask_udp_from_new_ports(
    client: &Client,
    source: IpAddr,
    to: SocketAddr,
    times: u16,
) -> Result<Vec<String>> {
    (0..times)
        .map(|n| {
            let source = SocketAddr::new(source, 20_000 + n);
            Ok(client.clone().from_socket(source).ask_udp(to)?)
        })
        .collect()
}

/// How often each server answered.
pub(crate) fn count(answers: &[String]) -> std::collections::BTreeMap<&str, usize> {
    let mut counts = std::collections::BTreeMap::new();
    for answer in answers {
        *counts.entry(answer.as_str()).or_default() += 1;
    }
    counts
}

/// Panics unless the answers repeat `cycle`, beginning anywhere in it; forwards or backwards, since IPVS begins with
/// the newest server.
pub(crate) fn assert_repeats(answers: &[String], cycle: &[&str]) {
    let backwards: Vec<&str> = cycle.iter().rev().copied().collect();
    let fits = |cycle: &[&str]| {
        let from = |start: usize| {
            let mut pairs = answers.iter().zip(cycle.iter().cycle().skip(start));
            pairs.all(|(answer, wanted)| answer == wanted)
        };
        (0..cycle.len()).any(from)
    };
    assert!(
        fits(cycle) || fits(&backwards),
        "not the cycle {cycle:?}: {:?}",
        answers.iter().take(3 * cycle.len()).collect::<Vec<_>>()
    );
}
