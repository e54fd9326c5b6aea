//! `evenkeel server check`: the checks of one server, once, now; and how punctual regular checks are.

use std::process::Output;

use crate::support::{PATIENCE, Service, servers, tcp_backends};
use anyhow::{Context as _, Result};
use evenkeel_tests::{Article, Evenkeel, isolated};
use serde_json::Value;

fn check(evenkeel: &Evenkeel, words: &[&str]) -> Result<Output> {
    let mut command = evenkeel.command("server");
    command.arg("check").arg("--socket").arg(evenkeel.socket());
    Ok(command.args(words).output()?)
}

fn all(output: &Output) -> String {
    let all = [&*output.stdout, &*output.stderr].concat();
    String::from_utf8_lossy(&all).into_owned()
}

fn json(evenkeel: &Evenkeel, server: &str) -> Result<Value> {
    let output = check(evenkeel, &["--json", server])?;
    serde_json::from_slice(&output.stdout).with_context(|| all(&output))
}

/// A regular check long after the first one, so that what is run for a person shows by itself.
const RARE: &str = r#"check = [{ plugin = "tcp", interval = "60s", warmup = "100ms", timeout = "2s" }, { plugin = "http", interval = "60s", warmup = "100ms", timeout = "300ms", settings = { path = "/" } }]"#;

#[test]
fn a_server_is_checked_when_asked_and_its_health_stays_what_regular_checks_say() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let backends = tcp_backends(&net, &addresses)?;
        let service = Service::new("web", net.vip(80))
            .with(RARE)
            .with("checks_required = \"any\"")
            .server(addresses[0], "name = \"a\"")
            .server(addresses[1], "name = \"b\"");
        let bare = Service::new("bare", net.vip(81)).servers([addresses[0]]);
        let config = [service.text(), bare.text()].concat();
        let mut evenkeel = Evenkeel::new(&net.director, &config)?;
        evenkeel.start()?;
        evenkeel.wait_status("each server checked", PATIENCE, |status| {
            let checked = status["services"][0]["servers"].as_array();
            checked.is_some_and(|all| all.iter().all(|it| it["checks"][0]["checks"] == 1))
        })?;

        let output = check(&evenkeel, &["web/a"])?;
        let text = all(&output);
        assert!(output.status.success(), "{text}");
        for words in [
            "web/a (172.16.50.157:80): healthy (1 of its 2 checks must pass)",
            "tcp 172.16.50.157:80: healthy in",
            "connect",
            "http 172.16.50.157:80: un",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        let answer = json(&evenkeel, "web/172.16.50.157:80")?;
        let tcp = &answer["checks"][0];
        assert_eq!(tcp["steps"][0]["what"], "connect", "{answer}");
        assert!(tcp["took_ms"].as_f64() > Some(0.0), "{answer}");

        drop(backends);
        let output = check(&evenkeel, &["web/b"])?;
        let text = all(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("NOT healthy"), "{text}");
        assert!(text.contains("!! connection refused"), "{text}");
        let status = evenkeel.status()?;
        for server in 0..2 {
            let server = &status["services"][0]["servers"][server];
            assert_eq!(server["health"], "up", "{server}");
            assert_eq!(server["checks"][0]["checks"], 1, "{server}");
        }

        for (name, words) in [
            ("webb/a", "there is no service \"webb\"; did you mean web?"),
            ("web/c", "service web has no server \"c\""),
            ("web", "SERVICE/SERVER"),
        ] {
            let output = check(&evenkeel, &[name])?;
            assert!(!output.status.success() && output.stdout.is_empty());
            assert!(all(&output).contains(words), "{}", all(&output));
        }
        let output = check(&evenkeel, &["bare/172.16.50.157:80"])?;
        assert!(output.status.success());
        assert!(all(&output).contains("no check is configured"));
        Ok(())
    })
}

#[test]
fn how_late_checks_begin_is_in_the_status_and_a_daemon_that_was_stopped_says_that_turns_were_missed()
-> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let service = Service::new("web", net.vip(80))
            .with(r#"check = { plugin = "tcp", interval = "100ms", warmup = "100ms", timeout = "2s" }"#)
            .servers(addresses);
        let mut evenkeel = Evenkeel::new(&net.director, &service.text())?;
        evenkeel.start()?;
        evenkeel.wait_status("punctual checks", PATIENCE, |status| {
            let checks = &status["checks"];
            checks["per_second"].as_f64() > Some(2.0) && checks["shortest_interval_ms"] == 100.0
        })?;
        let pid = evenkeel.status()?["pid"].to_string();
        let signal = |name: &str| {
            let mut kill = std::process::Command::new("kill");
            kill.args([name, &pid]).status()
        };
        signal("-STOP")?;
        std::thread::sleep(std::time::Duration::from_millis(1500));
        signal("-CONT")?;
        evenkeel.wait_status("missed turns", PATIENCE, |status| {
            let checks = &status["checks"];
            checks["missed"].as_u64() >= Some(10)
                && checks["problem"]
                    .as_str()
                    .is_some_and(|it| it.contains("turns missed"))
        })?;
        evenkeel_tests::wait_until("it is told", PATIENCE, || {
            Ok(evenkeel.log().contains("checks come late"))
        })?;
        let status = evenkeel.status()?;
        for server in 0..2 {
            assert_eq!(status["services"][0]["servers"][server]["health"], "up");
        }
        Ok(())
    })
}
