//! Plugins from a directory: a user's own, and those that misbehave.

use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::{PATIENCE, Service, assert_repeats, count, servers, tcp_backends};
use anyhow::Result;
use evenkeel_tests::{Article, Client, Evenkeel, Paths, isolated};

#[test]
fn a_users_own_scheduler_from_a_crate_and_directory_of_its_own_balances_traffic() -> Result<()> {
    isolated(|| {
        let net = Article::new(4)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let service = Service::new("web", net.vip(80))
            .with("scheduler = { plugin = \"sticky\", settings = { slots = 256 } }")
            .servers(addresses);
        let mut evenkeel =
            Evenkeel::new(&net.director, &service.text())?.plugin_dir(Paths::default().examples);
        evenkeel.start()?;
        let mut used = Vec::new();
        for last in 10..20 {
            let client =
                Client::new(&net.client).from_address(Ipv4Addr::new(10, 10, 54, last).into());
            let answers = client.ask_times(net.vip(80), 5)?;
            assert_eq!(count(&answers).len(), 1, "client {last} moves: {answers:?}");
            used.extend(answers.into_iter().next());
        }
        assert!(count(&used).len() > 1, "{used:?}");
        assert_eq!(evenkeel.status()?["services"][0]["slots"], 256);
        Ok(())
    })
}

#[test]
fn a_scheduler_referred_to_by_file_is_used_too() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let file = Paths::default().plugins.join("rr.wasm");
        let service = Service::new("web", net.vip(80))
            .with(&format!("scheduler = {{ plugin = {file:?} }}"))
            .servers(addresses);
        let empty = net.director.dir().join("empty");
        std::fs::create_dir(&empty)?;
        let mut evenkeel = Evenkeel::new(&net.director, &service.text())?
            .no_plugin_dirs()
            .plugin_dir(empty);
        evenkeel.start()?;
        assert_repeats(
            &Client::new(&net.client).ask_times(net.vip(80), 10)?,
            &["0", "1"],
        );
        Ok(())
    })
}

/// Every way in which a scheduler can misbehave from its second plan on, each in a service of its own, beside one
/// that behaves.
#[test]
fn misbehaving_schedulers_cost_their_own_service_only_and_its_last_good_plan_stays() -> Result<()> {
    isolated(|| {
        let ways = [
            "spin",
            "allocate",
            "panic",
            "recurse",
            "bad-backend",
            "huge-plan",
            "zero-width",
        ];
        let net = Article::new(3)?;
        let addresses = servers(&net, 80);
        let mut backends = tcp_backends(&net, &addresses)?;
        let mut config = Service::new("fine", net.vip(80))
            .with("scheduler = \"wrr\"")
            .checked()
            .servers(addresses.iter().copied())
            .text();
        for (port, how) in (81..).zip(ways) {
            config += &Service::new(how, net.vip(port))
                .with(&format!(
                    "scheduler = {{ plugin = \"misbehave\", settings = {{ how = \"late\", after = 1, then = \"{how}\" }} }}"
                ))
                .checked()
                .servers(addresses.iter().copied())
                .text();
        }
        let mut evenkeel =
            Evenkeel::new(&net.director, &config)?.plugin_dir(Paths::default().test_plugins);
        evenkeel.start()?;
        evenkeel.wait_health("zero-width", "172.16.50.161:80", "up", PATIENCE)?;
        let client = Client::new(&net.client);
        let stream = client.keep_asking(net.vip(80), Duration::from_millis(2))?;

        // A server that fails makes all of them plan again, and then they misbehave.
        drop(backends.pop());
        for (index, how) in ways.iter().enumerate() {
            // In the log, which keeps it: in the status it stands for a second, until the plugin is started again.
            let failed = format!(
                "the scheduler failed; its last good plan stays service=\"{how}\" plugin=\"misbehave\" version=\""
            );
            evenkeel.wait_log(&failed, PATIENCE)?;
            evenkeel.wait_status(how, PATIENCE, |status| {
                status["services"][index + 1]["slots"] == 2
            })?;
        }
        for port in (80..).take(ways.len() + 1) {
            evenkeel.wait_health("fine", "172.16.50.161:80", "down", PATIENCE)?;
            if port > 80 {
                assert_repeats(&client.ask_times(net.vip(port), 10)?, &["0", "1"]);
            }
        }
        let record = stream.stop()?;
        let failed: Vec<_> = record
            .failures()
            .filter(|answer| answer.result.as_ref().is_err_and(|e| !refused(e)))
            .collect();
        assert!(failed.is_empty(), "{:?}", failed.first());
        // They are started again, with their first good plan.
        evenkeel.wait_log("the scheduler works again", PATIENCE)?;
        Ok(())
    })
}

/// What the dead server's machine answers until the check has noticed.
fn refused(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::ConnectionRefused
}

#[test]
fn a_scheduler_that_never_works_leaves_its_servers_taking_turns() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let service = Service::new("web", net.vip(80))
            .with("scheduler = { plugin = \"misbehave\", settings = { how = \"spin\" } }")
            .servers(addresses);
        let mut evenkeel = Evenkeel::new(&net.director, &service.text())?
            .plugin_dir(Paths::default().test_plugins);
        evenkeel.start()?;
        assert_repeats(
            &Client::new(&net.client).ask_times(net.vip(80), 10)?,
            &["0", "1"],
        );
        assert!(evenkeel.status_table()?.contains("!! plugin misbehave"));
        Ok(())
    })
}

#[test]
fn a_checker_that_traps_says_nothing_about_the_server() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let with = |port: u16, how: &str| {
            Service::new(how, net.vip(port))
                .with(&format!(
                    r#"check = {{ plugin = "misbehave-check", interval = "200ms", timeout = "1s", settings = {{ how = "{how}" }} }}"#
                ))
                .servers(addresses.iter().copied())
                .text()
        };
        let ways = ["panic", "spin", "allocate", "recurse"];
        let config: String = (80..)
            .zip(ways)
            .map(|(port, how)| with(port, how))
            .collect();
        let fine = Service::new("fine", net.vip(90))
            .checked()
            .servers(addresses.iter().copied());
        let mut evenkeel = Evenkeel::new(&net.director, &(config + &fine.text()))?
            .plugin_dir(Paths::default().test_plugins);
        evenkeel.start()?;
        for (index, how) in ways.iter().enumerate() {
            evenkeel.wait_status(how, PATIENCE, |status| {
                let server = &status["services"][index]["servers"][0];
                server["health"] == "up" && server["checks"][0]["state"] == "unknown"
            })?;
        }
        let client = Client::new(&net.client);
        for port in (80..).take(ways.len()).chain([90]) {
            assert_repeats(&client.ask_times(net.vip(port), 10)?, &["0", "1"]);
        }
        evenkeel.wait_status("the other service's checks go on", PATIENCE, |status| {
            status["services"][4]["servers"][0]["checks"][0]["checks"].as_u64() > Some(10)
        })?;
        Ok(())
    })
}

/// The compiled plugins of a cache, with their inodes: a file that was written anew has another.
fn compiled(cache: &Path) -> Result<Vec<(PathBuf, u64)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(cache)? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|it| it == "compiled") {
            files.push((entry.path(), entry.metadata()?.ino()));
        }
    }
    files.sort();
    Ok(files)
}

#[test]
fn check_compiles_what_is_configured_and_nothing_else_and_the_start_finds_it() -> Result<()> {
    isolated(|| {
        let net = Article::new(1)?;
        let cache = net.director.dir().join("cache");
        let config = format!("cache_dir = {cache:?}\n")
            + &Service::new("web", net.vip(80))
                .with("scheduler = \"wrr\"")
                .checked()
                .servers(servers(&net, 80))
                .text();
        let mut evenkeel = Evenkeel::new(&net.director, &config)?;
        evenkeel.check()?;
        let found = compiled(&cache)?;
        // Of all that the plugin directory has: the scheduler and the checker.
        assert_eq!(found.len(), 2, "{found:?}");
        evenkeel.start()?;
        assert_eq!(compiled(&cache)?, found);
        Ok(())
    })
}

#[test]
fn a_start_with_a_cold_cache_compiles_before_it_takes_anything_over() -> Result<()> {
    isolated(|| {
        let net = Article::new(1)?;
        let cache = net.director.dir().join("cold");
        let config = |cache: String| {
            cache
                + &Service::new("web", net.vip(80))
                    .servers(servers(&net, 80))
                    .text()
        };
        let mut first = Evenkeel::new(&net.director, &config(String::new()))?;
        first.start()?;
        let file = net.director.dir().join("second.toml");
        std::fs::write(&file, config(format!("cache_dir = {cache:?}\n")))?;
        let mut second = first.command("run");
        second.arg("--config").arg(&file);
        second.arg("--plugin-dir").arg(Paths::default().plugins);
        second.arg("--socket").arg(first.socket());
        let refused = net.director.output(second)?;
        // What there is for one daemon alone is asked for when all is compiled.
        assert_eq!(refused.status.code(), Some(6), "{refused:?}");
        assert_eq!(compiled(&cache)?.len(), 1);
        assert_eq!(first.status()?["settled"], true);
        Ok(())
    })
}
