//! On IPVS, too, a scheduler can be asked about each new connection, and connections are counted, by the kernel itself.

mod support;

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Result;
use evenkeel_tests::{Article, Client, Evenkeel, on_uml};
use support::{
    PATIENCE, Service, hold, holding_backends, names, servers, tcp_backends, udp_backends,
    wait_counts,
};

const LC: &str = "scheduler = \"lc\"\ndecision = \"per-connection\"";

/// Waits until the scheduler of every service is asked.
fn wait_asked(evenkeel: &Evenkeel) -> Result<()> {
    evenkeel.wait_status("the schedulers are asked", PATIENCE, |status| {
        let services = status["services"].as_array().map_or(&[][..], Vec::as_slice);
        status["settled"] == true
            && !services.is_empty()
            && services.iter().all(|it| it["queue"].is_object())
    })?;
    Ok(())
}

#[test]
fn each_connection_is_decided_and_counted() -> Result<()> {
    on_uml(|| {
        let net = Article::new(3)?;
        let addresses = servers(&net, 80);
        let _backends = holding_backends(&net, &addresses)?;
        let config = Service::new("web", net.vip(80)).with(LC).servers(addresses);
        let mut evenkeel = Evenkeel::new(&net.director, &config.text())?;
        evenkeel.start()?;
        wait_asked(&evenkeel)?;
        let client = Client::new(&net.client);
        let held = hold(&client, net.vip(80), 9)?;
        let mut seen = names(&held);
        seen.sort_unstable();
        assert_eq!(seen, ["0", "0", "0", "1", "1", "1", "2", "2", "2"]);
        wait_counts(&evenkeel, &[(3, 0), (3, 0), (3, 0)])?;
        let queue = evenkeel.status()?["services"][0]["queue"].clone();
        assert_eq!(
            (&queue["decided"], &queue["passed"]),
            (&9.into(), &0.into()),
            "{queue}"
        );
        // Without anybody to ask, the kernel goes by the plan.
        evenkeel.kill9()?;
        std::thread::sleep(Duration::from_secs(1));
        let answers = hold(&client, net.vip(80), 3)?;
        assert_eq!(answers.len(), 3);
        Ok(())
    })
}

#[test]
fn full_nat_and_udp_are_decided_too() -> Result<()> {
    on_uml(|| {
        let net = Article::new(2)?;
        let (web, dns) = (servers(&net, 80), servers(&net, 53));
        let _backends = tcp_backends(&net, &web)?;
        let _dns = udp_backends(&net, &dns)?;
        let config = [
            Service::new("web", net.vip(80))
                .with(LC)
                .with("snat = true")
                .servers(web),
            Service::new("dns", net.vip(53))
                .with("protocol = \"udp\"")
                .with(LC)
                .servers(dns),
        ]
        .map(Service::text)
        .concat();
        let mut evenkeel = Evenkeel::new(&net.director, &config)?;
        evenkeel.start()?;
        wait_asked(&evenkeel)?;
        let client = Client::new(&net.client);
        assert_eq!(client.ask_times(net.vip(80), 6)?.len(), 6);
        let source = Ipv4Addr::new(10, 10, 54, 10).into();
        let answers = support::ask_udp_from_new_ports(&client, source, net.vip(53), 6)?;
        let ones = answers.iter().filter(|it| *it == "1").count();
        assert_eq!((answers.len(), ones), (6, 3), "{answers:?}");
        let status = evenkeel.status()?;
        for service in [0, 1] {
            assert_eq!(
                status["services"][service]["queue"]["decided"], 6,
                "{status}"
            );
        }
        Ok(())
    })
}
