//! Other plugins in the place of those that run, while connections come.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::support::{PATIENCE, Service, assert_repeats, servers, tcp_backends};
use anyhow::Result;
use evenkeel_tests::{Article, Client, Evenkeel, Paths, isolated};

/// As careful programs do it: beside the file, and then in its place.
fn replace(file: &Path, content: &[u8]) -> Result<()> {
    let new = file.with_extension("new");
    fs::write(&new, content)?;
    Ok(fs::rename(&new, file)?)
}

#[test]
fn a_new_file_of_a_plugin_takes_over_without_losing_a_connection_and_a_broken_one_changes_nothing()
-> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let plugins = Paths::default().plugins;
        let (one, other) = (
            fs::read(plugins.join("rr.wasm"))?,
            fs::read(plugins.join("wrr.wasm"))?,
        );
        let file = net.director.dir().join("mine.wasm");
        fs::write(&file, &one)?;
        let config = Service::new("web", net.vip(80))
            .with(&format!("scheduler = {{ plugin = {file:?} }}"))
            .servers(addresses.iter().copied())
            .text()
            + &Service::new("beside", net.vip(81))
                .servers(addresses.iter().copied())
                .text();
        let mut evenkeel = Evenkeel::new(&net.director, &config)?;
        evenkeel.start()?;
        let client = Client::new(&net.client);
        let streams =
            [80, 81].map(|port| client.keep_asking(net.vip(port), Duration::from_millis(1)));
        for turn in 0..8 {
            let (name, content) = if turn % 2 == 0 {
                ("wrr", &other)
            } else {
                ("rr", &one)
            };
            if turn % 4 < 2 {
                replace(&file, content)?;
            } else {
                fs::write(&file, content)?;
            }
            evenkeel.wait_status(name, PATIENCE, |status| {
                status["services"][0]["scheduler"] == name
            })?;
            assert_eq!(evenkeel.status()?["services"][1]["scheduler"], "rr");
        }
        for broken in [&b"no plugin"[..], &fs::read(plugins.join("tcp.wasm"))?] {
            replace(&file, broken)?;
            evenkeel.wait_status("what is broken", PATIENCE, |status| {
                status["plugin_problem"].is_string()
            })?;
            let status = evenkeel.status()?;
            assert_eq!(status["services"][0]["scheduler"], "rr", "{status}");
            client.ask_times(net.vip(80), 10)?;
            replace(&file, &one)?;
            evenkeel.wait_status("nothing broken", PATIENCE, |status| {
                status["plugin_problem"].is_null()
            })?;
        }
        fs::remove_file(&file)?;
        evenkeel.wait_status("a file that is gone", PATIENCE, |status| {
            status["plugin_problem"].is_string()
        })?;
        for stream in streams {
            let record = stream?.stop()?;
            assert!(record.answers.len() > 100);
            assert_eq!(
                record.failures().count(),
                0,
                "{:?}",
                record.failures().next()
            );
        }
        let log = evenkeel.log();
        assert_eq!(
            log.matches("another scheduler has taken over").count(),
            8,
            "{log}"
        );
        assert_eq!(
            log.matches("the new file of a plugin cannot be used")
                .count(),
            3,
            "{log}"
        );
        Ok(())
    })
}

#[test]
fn a_reload_whose_scheduler_fails_in_its_first_plan_is_refused_and_so_is_its_check() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let with = |how: &str| {
            Service::new("web", net.vip(80))
                .with(&format!(
                    "scheduler = {{ plugin = \"misbehave\", settings = {{ how = \"{how}\" }} }}"
                ))
                .servers(addresses.iter().copied())
                .text()
        };
        let mut evenkeel = Evenkeel::new(&net.director, &with("behave"))?
            .plugin_dir(Paths::default().test_plugins);
        evenkeel.start()?;
        for how in ["panic", "spin", "bad-backend"] {
            evenkeel.reload(&with(how))?;
            evenkeel.wait_status(how, PATIENCE, |status| {
                status["reload_problem"]
                    .as_str()
                    .is_some_and(|it| it.contains("service web"))
            })?;
            let checked = evenkeel.check()?;
            assert!(!checked.status.success(), "{how}");
            let said = [checked.stdout, checked.stderr].concat();
            let said = String::from_utf8_lossy(&said).into_owned();
            assert!(
                said.contains("service web") && said.contains("misbehave"),
                "{said}"
            );
            let client = Client::new(&net.client);
            assert_repeats(&client.ask_times(net.vip(80), 10)?, &["0", "1"]);
            evenkeel.reload(&with("behave"))?;
            evenkeel.wait_status("no problem", PATIENCE, |status| {
                status["reload_problem"].is_null()
            })?;
        }
        Ok(())
    })
}
