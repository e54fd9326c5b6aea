//! A second scheduler beside the first: a shadow, and a canary with real connections.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use crate::support::{PATIENCE, Service, servers, tcp_backends};
use anyhow::Result;
use evenkeel_tests::{Article, Client, Evenkeel, Paths, isolated};
use serde_json::Value;

fn counts(answers: &[String]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for answer in answers {
        *counts.entry(answer.as_str()).or_default() += 1;
    }
    counts
}

#[test]
fn a_canary_gets_its_share_of_connections_and_a_shadow_none() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let file = net.director.dir().join("mine.wasm");
        let plugins = Paths::default().plugins;
        let put = |name: &str| -> Result<()> {
            let new = file.with_extension("new");
            fs::copy(plugins.join(name), &new)?;
            Ok(fs::rename(new, &file)?)
        };
        put("fo.wasm")?;
        let service = |name, port, second: String| {
            Service::new(name, net.vip(port))
                .with(&format!("scheduler = {{ plugin = \"rr\", {second} }}"))
                .servers(addresses.iter().copied())
                .text()
        };
        let canary = format!("canary = {{ plugin = {file:?}, share = 25, max_uneven = \"100%\" }}");
        let config =
            service("tried", 80, canary) + &service("watched", 81, "shadow = \"fo\"".to_owned());
        let mut evenkeel = Evenkeel::new(&net.director, &config)?;
        let checked = evenkeel.check()?;
        assert!(checked.status.success(), "{checked:?}");
        evenkeel.start()?;
        evenkeel.wait_status("both are compared", PATIENCE, |status| {
            status["services"][0]["canary"]["slots"] == 2
                && status["services"][1]["shadow"]["plans"] == 1
        })?;
        let client = Client::new(&net.client);
        // Of 8 slots in turn the canary has 2, and gives both to the first server.
        let answers = client.ask_times(net.vip(80), 80)?;
        assert_eq!(counts(&answers), [("0", 50), ("1", 30)].into());
        let answers = client.ask_times(net.vip(81), 20)?;
        assert_eq!(counts(&answers), [("0", 10), ("1", 10)].into());
        let status = evenkeel.status()?;
        for second in [
            &status["services"][0]["canary"],
            &status["services"][1]["shadow"],
        ] {
            assert_eq!(second["scheduler"], "fo", "{second}");
            assert_eq!(second["otherwise_percent"], 50.0, "{second}");
            assert_eq!(second["compared"], "connections", "{second}");
            assert_eq!(second["uneven_percent"], 50.0, "{second}");
            assert_eq!(second["first_uneven_percent"], 0.0, "{second}");
            assert!(second["plugin"]["calls"].as_u64() >= Some(1), "{second}");
        }
        let table = evenkeel.status_table()?;
        for said in [
            "  canary fo 0.1.0 (",
            "    it decides for 2 of 8 slots (share 25%)",
            "  shadow fo 0.1.0 (",
            "    by its plan 50% of the connections at least would go elsewhere; it is uneven by 50%, the scheduler's by 0%",
        ] {
            assert!(table.contains(said), "{said}: {table}");
        }
        // A new file of the canary's plugin is tried by itself.
        put("rr.wasm")?;
        evenkeel.wait_status("the new file", PATIENCE, |status| {
            let canary = &status["services"][0]["canary"];
            canary["scheduler"] == "rr" && canary["otherwise_percent"] == 0.0
        })?;
        let answers = client.ask_times(net.vip(80), 80)?;
        assert_eq!(counts(&answers), [("0", 40), ("1", 40)].into());
        Ok(())
    })
}

#[test]
fn a_canary_that_traps_is_taken_back_and_every_connection_is_answered() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let with = |role: &str, how: &str, weight: u32| {
            let settings = format!("settings = {{ how = \"late\", then = \"{how}\" }}");
            let service = Service::new("web", net.vip(80)).with(&format!(
                "scheduler = {{ plugin = \"rr\", {role}, {settings}, share = 50 }} }}"
            ));
            let weighted = |it: Service, server| it.server(server, &format!("weight = {weight}"));
            addresses.iter().copied().fold(service, weighted).text()
        };
        let canary = "canary = { plugin = \"misbehave\"";
        let mut evenkeel = Evenkeel::new(&net.director, &with(canary, "panic", 1))?
            .plugin_dir(Paths::default().test_plugins);
        evenkeel.start()?;
        let taken_back = |status: &Value| {
            let why = status["services"][0]["canary"]["taken_back"].as_str();
            why.map(str::to_owned)
        };
        let decides = |status: &Value| status["services"][0]["canary"]["slots"] == 2;
        evenkeel.wait_status("the canary decides", PATIENCE, decides)?;
        let client = Client::new(&net.client);
        let stream = client.keep_asking(net.vip(80), Duration::from_millis(1))?;
        // Each instance behaves for one plan. Another configuration is its second one, or another instance's first.
        for (round, how) in ["panic", "spin", "bad-backend"].into_iter().enumerate() {
            if round > 0 {
                evenkeel.reload(&with(canary, how, 1))?;
                evenkeel.wait_status("tried again", PATIENCE, |status| {
                    taken_back(status).is_none() && decides(status)
                })?;
            }
            evenkeel.reload(&with(canary, how, 2))?;
            evenkeel.wait_status("taken back", PATIENCE, |status| {
                taken_back(status).is_some()
            })?;
            let log = evenkeel.log();
            assert_eq!(
                log.matches("the canary is taken back").count(),
                round + 1,
                "{log}"
            );
        }
        let status = evenkeel.status()?;
        assert_eq!(status["services"][0]["scheduler_problem"], Value::Null);
        assert_eq!(status["services"][0]["slots"], 2, "{status}");
        let record = stream.stop()?;
        assert!(record.answers.len() > 100);
        assert_eq!(
            record.failures().count(),
            0,
            "{:?}",
            record.failures().next()
        );
        Ok(())
    })
}

#[test]
fn a_second_scheduler_that_fails_at_the_start_harms_nothing_and_check_and_a_reload_refuse_it()
-> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let with = |second: &str| {
            Service::new("web", net.vip(80))
                .with(&format!("scheduler = {{ plugin = \"rr\", {second} }}"))
                .servers(addresses.iter().copied())
                .text()
        };
        let panics = "plugin = \"misbehave\", settings = { how = \"panic\" }";
        let shadow = format!("shadow = {{ {panics} }}");
        let mut evenkeel =
            Evenkeel::new(&net.director, &with(&shadow))?.plugin_dir(Paths::default().test_plugins);
        evenkeel.start()?;
        evenkeel.wait_status("the shadow's problem", PATIENCE, |status| {
            let problem = status["services"][0]["shadow"]["problem"].as_str();
            problem.is_some_and(|it| it.contains("misbehaving on purpose"))
        })?;
        let client = Client::new(&net.client);
        assert_eq!(
            counts(&client.ask_times(net.vip(80), 20)?),
            [("0", 10), ("1", 10)].into()
        );
        let hashes = "plugin = \"spread\", settings = { selector = \"hash-source\" }";
        for (second, why) in [
            (shadow, "misbehaving on purpose"),
            (
                format!("canary = {{ {panics}, share = 5 }}"),
                "misbehaving on purpose",
            ),
            (
                format!("canary = {{ {hashes}, share = 5 }}"),
                "spread by hash-source, and the first scheduler's by sequence",
            ),
        ] {
            evenkeel.reload(&with(&second))?;
            evenkeel.wait_status(&second, PATIENCE, |status| {
                let problem = status["reload_problem"].as_str();
                problem.is_some_and(|it| it.contains("service web") && it.contains(why))
            })?;
            let checked = evenkeel.check()?;
            assert!(!checked.status.success(), "{second}");
            let said = [checked.stdout, checked.stderr].concat();
            let said = String::from_utf8_lossy(&said).into_owned();
            assert!(said.contains(why), "{said}");
            evenkeel.reload(&with("shadow = \"fo\""))?;
            evenkeel.wait_status("no problem", PATIENCE, |status| {
                status["reload_problem"].is_null()
            })?;
        }
        Ok(())
    })
}
