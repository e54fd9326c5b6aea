//! Addresses that a reload adds: clients can come when the kernel has the services' rules, and not before.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use evenkeel_tests::{Article, Client, Evenkeel, isolated, wait_until};

use crate::support::vrrp::Instance;
use crate::support::{PATIENCE, Service, servers, tcp_backends};

/// So many services that their plans and rules take a while.
const SERVICES: u16 = 300;
const NEW: Ipv4Addr = Ipv4Addr::new(10, 10, 54, 170);

/// Many services on the new address.
fn many(net: &Article, line: &str) -> String {
    let service = |port: u16| {
        let service = Service::new(&format!("n{port}"), (NEW, port).into()).with(line);
        service.servers(servers(net, 80)).text()
    };
    (1..=SERVICES).map(service).collect()
}

/// A client tries to connect to a service all the time, while a reload adds it together with its address.
fn nobody_is_refused(net: &Article, before: &str, after: &str) -> Result<()> {
    let _backends = tcp_backends(net, &servers(net, 80))?;
    let mut evenkeel = Evenkeel::new(&net.director, before)?;
    evenkeel.start()?;
    wait_until("the first address", PATIENCE, || {
        Ok(net.director.addresses()?.contains(&Article::VIP.into()))
    })?;
    // Who is asked is known: otherwise the client would ask for that once in a second only.
    let link = net.director.ip_json(&["link", "show", "eth0"])?;
    let mac = link[0]["address"].as_str().context("no MAC address")?;
    let neighbour = [
        "neigh",
        "replace",
        &NEW.to_string(),
        "lladdr",
        mac,
        "dev",
        "eth0",
    ];
    net.client
        .ip(&[&neighbour, ["nud", "permanent"].as_slice()].concat())?;
    let to: SocketAddr = (NEW, SERVICES).into();
    let client = Client::new(&net.client).timeout(Duration::from_millis(50));
    let stream = client.keep_connecting(to, Duration::from_millis(1))?;
    std::thread::sleep(Duration::from_millis(200));
    evenkeel.reload(after)?;
    wait_until("the new service", PATIENCE, || Ok(client.ask(to).is_ok()))
        .with_context(|| evenkeel.log())?;
    let record = stream.stop()?;
    let refused = record.failures().filter(|it| {
        let error = it.result.as_ref().err();
        error.is_some_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    });
    let refused: Vec<_> = refused.collect();
    ensure!(
        refused.is_empty(),
        "{} of {} attempts were refused: {:?}",
        refused.len(),
        record.answers.len(),
        refused.first()
    );
    ensure!(
        record.failures().next().is_some(),
        "the address was there before"
    );
    Ok(())
}

#[test]
fn no_client_of_a_service_that_a_reload_adds_is_refused() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let before = Service::new("web", net.vip(80))
            .servers(servers(&net, 80))
            .text();
        let after = before.clone() + &many(&net, "interface = \"eth0\"");
        nobody_is_refused(&net, &before, &after)
    })
}

#[test]
fn no_client_of_a_virtual_address_that_a_reload_adds_to_a_master_is_refused() -> Result<()> {
    isolated(|| {
        let net = Article::without_virtual_addresses(2)?;
        let web = Service::new("web", net.vip(80))
            .servers(servers(&net, 80))
            .text();
        let instance = Instance::v3(100);
        let mut larger = instance.clone();
        larger.addresses.push((format!("{NEW}/24"), "eth0"));
        let before = instance.toml() + &web;
        let after = larger.toml() + &web + &many(&net, "");
        nobody_is_refused(&net, &before, &after)
    })
}
