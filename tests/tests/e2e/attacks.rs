//! Plugins that take all they can: what others have is theirs.

use std::thread;
use std::time::Duration;

use crate::support::{PATIENCE, QUICK, Service, assert_repeats, servers, tcp_backends};
use anyhow::{Result, ensure};
use evenkeel_tests::{Article, Client, Evenkeel, Paths, isolated};

/// How long others are looked at meanwhile.
const MEANWHILE: Duration = Duration::from_secs(6);

fn good(net: &Article) -> Service {
    let service = Service::new("good", net.vip(80)).checked();
    service.servers(servers(net, 80))
}

#[test]
fn the_largest_changes_of_a_plan_as_often_as_can_be_leave_other_services_alone() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let mut backends = tcp_backends(&net, &servers(&net, 80))?;
        let bad = Service::new("bad", net.vip(81))
            .with("scheduler = { plugin = \"misbehave\", settings = { how = \"churn\" } }")
            .servers(servers(&net, 80));
        let config = bad.text() + &good(&net).text();
        let mut evenkeel =
            Evenkeel::new(&net.director, &config)?.plugin_dir(Paths::default().test_plugins);
        evenkeel.start()?;
        let plans = |evenkeel: &Evenkeel| -> Result<Option<u64>> {
            Ok(evenkeel.status()?["services"][0]["plan"].as_u64())
        };
        let before = plans(&evenkeel)?;
        thread::sleep(MEANWHILE);
        ensure!(
            plans(&evenkeel)? > before,
            "its plans are followed all the same"
        );
        ensure!(!evenkeel.log().contains("is down"), "{}", evenkeel.log());
        // What happens to another service gets to the kernel in between.
        let address = servers(&net, 80)[0].to_string();
        drop(backends.remove(0));
        evenkeel.wait_health("good", &address, "down", PATIENCE)?;
        let client = Client::new(&net.client);
        assert_repeats(&client.ask_times(net.vip(80), 10)?, &["1"]);
        Ok(())
    })
}

#[test]
fn three_hundred_servers_whose_checks_spin_take_no_server_of_others_out() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let _backends = tcp_backends(&net, &servers(&net, 80))?;
        let first = servers(&net, 0)[0].ip();
        let spinning = (0..300).map(|number| (first, 2000 + number).into());
        let bad = Service::new("bad", net.vip(81))
            .with(&format!(
                "check = {{ plugin = \"misbehave-check\", settings = {{ how = \"spin\" }}, {QUICK} }}"
            ))
            .servers(spinning);
        let config = bad.text() + &good(&net).text();
        let mut evenkeel =
            Evenkeel::new(&net.director, &config)?.plugin_dir(Paths::default().test_plugins);
        evenkeel.start()?;
        for address in servers(&net, 80) {
            evenkeel.wait_health("good", &address.to_string(), "up", PATIENCE)?;
        }
        let checks = |evenkeel: &Evenkeel| -> Result<u64> {
            let status = evenkeel.status()?;
            let checks = &status["services"][1]["servers"][0]["checks"][0]["checks"];
            Ok(checks.as_u64().unwrap_or_default())
        };
        let before = checks(&evenkeel)?;
        thread::sleep(MEANWHILE);
        let made = checks(&evenkeel)? - before;
        ensure!(made >= 3, "{made} checks in {MEANWHILE:?}");
        let log = evenkeel.log();
        let down = |line: &str| line.contains("is down") && line.contains("good");
        ensure!(!log.lines().any(down), "{log}");
        for address in servers(&net, 80) {
            evenkeel.wait_health("good", &address.to_string(), "up", Duration::from_secs(1))?;
        }
        let client = Client::new(&net.client);
        assert_repeats(&client.ask_times(net.vip(80), 10)?, &["0", "1"]);
        Ok(())
    })
}
