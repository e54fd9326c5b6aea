//! Schedulers that choose by a hash: the two directors of a pair agree.

use std::net::Ipv4Addr;

use crate::support::pair::{BACKUP, MASTER, PRIORITIES, Pair};
use crate::support::vrrp::Instance;
use crate::support::{Service, count, servers};
use anyhow::Result;
use evenkeel_tests::{Article, Client, isolated};

/// Scheduler, decision, whether the order of servers makes no difference.
const WAYS: [(&str, &str, bool); 7] = [
    ("maglev", "plan", true),
    ("maglev", "per-connection", true),
    ("mh", "plan", false),
    ("mh", "per-connection", false),
    ("sh", "plan", false),
    ("sh", "per-connection", false),
    ("dh", "per-connection", false),
];
const FIRST_PORT: u16 = 80;
const CLIENTS: std::ops::Range<u8> = 10..40;

/// All ways, each a service; `other` as an administrator might have written the second director's file: something
/// else comes first, so that slots and servers have other numbers, and where that makes no difference the servers
/// come in another order.
fn config(net: &Article, other: bool) -> String {
    let mut text = String::new();
    if other {
        let more = Service::new("more", net.vip(8080)).servers(servers(net, 80));
        text += &more.text();
    }
    for (port, (plugin, decision, any_order)) in (FIRST_PORT..).zip(WAYS) {
        let mut servers = servers(net, 80);
        if other && any_order {
            servers.reverse();
        }
        let service = Service::new(&format!("{plugin}-{decision}"), net.vip(port))
            .with(&format!("scheduler = \"{plugin}\""))
            .with(&format!("decision = \"{decision}\""));
        text += &service.servers(servers).text();
    }
    text
}

/// The server of every client, for each way.
fn placed(net: &Article) -> Result<Vec<Vec<String>>> {
    let ask = |port| {
        CLIENTS
            .map(|last| {
                let source = Ipv4Addr::new(10, 10, 54, last);
                let client = Client::new(&net.client).from_address(source.into());
                Ok(client.ask(net.vip(port))?)
            })
            .collect()
    };
    (FIRST_PORT..)
        .zip(WAYS)
        .map(|(port, _)| ask(port))
        .collect()
}

#[test]
fn both_directors_of_a_pair_choose_the_same_server_for_a_client() -> Result<()> {
    isolated(|| {
        let net = Article::pair(4)?;
        for last in CLIENTS.skip(10) {
            net.client
                .add_address("eth0", &format!("10.10.54.{last}/24"))?;
        }
        let instance = |priority| Instance::v3(priority);
        let configs = [false, true].map(|other| {
            let priority = PRIORITIES[usize::from(other)];
            instance(priority).toml() + &config(&net, other)
        });
        let pair = Pair::start(net, &configs, &instance(1).held())?;
        let before = placed(&pair.net)?;
        for (way, placed) in WAYS.iter().zip(&before) {
            // A destination hash has one server for the one address.
            let most = if way.0 == "dh" { 1 } else { 4 };
            let least = most.min(3);
            assert!(
                (least..=most).contains(&count(placed).len()),
                "{way:?}: {placed:?}"
            );
        }
        pair.directors[MASTER].vrrp("resign", None)?;
        pair.wait(BACKUP)?;
        let after = placed(&pair.net)?;
        for ((way, before), after) in WAYS.iter().zip(&before).zip(&after) {
            assert_eq!(before, after, "{way:?}");
        }
        Ok(())
    })
}
