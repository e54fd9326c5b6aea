//! Numbers that checks report beside their verdicts reach schedulers and `status`, and so do plugins' own metrics.

use crate::support::{PATIENCE, QUICK, Service, count, servers, tcp_backends};
use anyhow::{Context as _, Result, ensure};
use evenkeel_tests::{Article, Backend, Client, Evenkeel, Paths, isolated, wait_until};

/// Where each server's agent listens.
const AGENT: u16 = 99;

/// An agent for each server, which says how much processor load there is.
fn agents(net: &Article, loads: [&str; 2]) -> Result<Vec<Backend>> {
    let agents = net.servers.iter().zip(loads).enumerate();
    agents
        .map(|(number, (node, load))| {
            Backend::tcp(node, net.server(number, AGENT), &format!("cpu {load}\n"))
        })
        .collect()
}

#[test]
fn connections_go_where_an_agent_reports_the_least_load_and_follow_when_that_changes() -> Result<()>
{
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let busy_first = agents(&net, ["0.9", "0.1"])?;
        let web = Service::new("web", net.vip(80))
            .with("scheduler = \"by-signal\"")
            .with(&format!(
                "check = {{ plugin = \"load-agent\", port = {AGENT}, {QUICK} }}"
            ))
            .servers(addresses);
        let mut evenkeel =
            Evenkeel::new(&net.director, &web.text())?.plugin_dir(Paths::default().test_plugins);
        evenkeel.start()?;
        let client = Client::new(&net.client);
        let goes_to = |server: &str| {
            let what = format!("nearly all connections go to server {server}");
            wait_until(&what, PATIENCE, || {
                let answers = client.ask_times(net.vip(80), 100)?;
                Ok(count(&answers).get(server).is_some_and(|it| *it >= 80))
            })
            .with_context(|| format!("{:#?}\n{}", evenkeel.status(), evenkeel.log()))
        };
        goes_to("1")?;
        let status = evenkeel.status()?;
        let service = &status["services"][0];
        assert_eq!(service["servers"][0]["checks"][0]["signals"]["cpu"], 0.9);
        assert_eq!(service["plugin"]["gauges"]["most"], 0.9);
        ensure!(
            service["plugin"]["counters"]["plans"].as_u64() >= Some(1),
            "{status:#}"
        );
        let checkers = &status["checker_metrics"];
        assert_eq!(checkers[0]["plugin"], "load-agent");
        ensure!(
            checkers[0]["counters"]["lines"].as_u64() >= Some(2),
            "{status:#}"
        );

        drop(busy_first);
        let _busy_second = agents(&net, ["0.1", "0.9"])?;
        goes_to("0")?;
        Ok(())
    })
}
