//! All schedulers that are shipped. (Not on a slow kernel, where to compile them all takes minutes.)

use crate::support::{Service, servers, tcp_backends};
use anyhow::{Context as _, Result};
use evenkeel_tests::{Article, Client, Evenkeel, isolated};
use serde_json::Value;

#[test]
fn every_shipped_scheduler_balances_traffic_in_each_way_it_can_be_followed() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let mut config = String::new();
        let mut ways = Vec::new();
        let mut port = 8000;
        for (name, decisions) in schedulers()? {
            for decision in decisions {
                port += 1;
                let service = Service::new(&format!("{name}-{decision}"), net.vip(port))
                    .with(&format!("scheduler = \"{name}\""))
                    .with(&format!("decision = \"{decision}\""));
                // Of weight 1, ovf would refuse the third of so many at once.
                let service = servers(&net, port)
                    .into_iter()
                    .fold(service, |it, server| it.server(server, "weight = 100"));
                config += &service.text();
                ways.push((format!("{name}, {decision}"), port));
            }
        }
        assert!(ways.len() > 20, "{ways:?}");
        let ports: Vec<u16> = ways.iter().map(|(_, port)| *port).collect();
        let mut backends = Vec::new();
        for port in ports {
            backends.extend(tcp_backends(&net, &servers(&net, port))?);
        }
        let mut evenkeel = Evenkeel::new(&net.director, &config)?;
        evenkeel.start()?;
        let client = Client::new(&net.client);
        for (way, port) in &ways {
            let answers = client.ask_times(net.vip(*port), 20)?;
            assert!(
                answers.iter().all(|it| it == "0" || it == "1"),
                "{way}: {answers:?}"
            );
        }
        let status = evenkeel.status()?;
        for service in status["services"].as_array().unwrap() {
            assert_eq!(service["scheduler_problem"], Value::Null, "{service}");
            if service["decision"] == "per-connection" {
                assert!(
                    service["queue"]["decided"].as_u64() >= Some(20),
                    "{service}"
                );
            }
        }
        Ok(())
    })
}

/// The schedulers of the plugin directory, with the decisions that each offers.
fn schedulers() -> Result<Vec<(String, Vec<String>)>> {
    let paths = evenkeel_tests::Paths::default();
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&paths.plugins)? {
        let file = entry?.path();
        let output = std::process::Command::new(&paths.binary)
            .args(["plugin", "inspect"])
            .arg(&file)
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let decisions = text
            .lines()
            .find_map(|line| line.strip_prefix("decision: "));
        if let Some(decisions) = decisions {
            let name = file.file_stem().context("a file has a name")?;
            let name = name.to_string_lossy().into_owned();
            let words = decisions.split(", ").map(|it| it.replace(" [default]", ""));
            found.push((name, words.collect()));
        }
    }
    found.sort();
    Ok(found)
}
