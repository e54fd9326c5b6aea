//! Trusted plugins that are shared objects.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::support::{
    PATIENCE, Service, assert_repeats, count, hold, holding_backends, names, servers, tcp_backends,
};
use anyhow::{Context as _, Result};
use evenkeel_tests::{Article, Client, Evenkeel, Node, Paths, isolated};

/// A native plugin where only root can write, as an operator would install it.
fn installed(node: &Node, name: &str) -> Result<PathBuf> {
    let directory = node.dir().join("native");
    fs::create_dir_all(&directory)?;
    let file = directory.join(name).with_extension("so");
    let built = Paths::default().native.join(name).with_extension("so");
    fs::copy(&built, &file).with_context(|| built.display().to_string())?;
    fs::set_permissions(&file, Permissions::from_mode(0o644))?;
    Ok(file)
}

#[test]
fn a_native_scheduler_balances_traffic_in_both_ways_and_is_said_loudly() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let (by_plan, asked) = (servers(&net, 80), servers(&net, 81));
        let _backends = tcp_backends(&net, &by_plan)?;
        let _holding = holding_backends(&net, &asked)?;
        let (wrr, lc) = (
            installed(&net.director, "wrr")?,
            installed(&net.director, "lc")?,
        );
        let config = format!("native_plugins = [{wrr:?}, {lc:?}]\n")
            + &Service::new("web", net.vip(80))
                .with("scheduler = \"wrr\"")
                .server(by_plan[0], "weight = 3")
                .server(by_plan[1], "weight = 1")
                .text()
            + &Service::new("held", net.vip(81))
                .with(&format!("scheduler = {{ plugin = {lc:?} }}"))
                .with("decision = \"per-connection\"")
                .servers(asked)
                .text();
        // Without the modules of the same names: a name has to name one plugin.
        let empty = net.director.dir().join("empty");
        fs::create_dir(&empty)?;
        let mut evenkeel = Evenkeel::new(&net.director, &config)?
            .no_plugin_dirs()
            .plugin_dir(empty);
        evenkeel.start()?;
        for file in [&wrr, &lc] {
            let log = evenkeel.log();
            let said = log
                .lines()
                .find(|line| line.contains("WARN") && line.contains(&*file.to_string_lossy()));
            assert!(said.is_some(), "{log}");
        }
        let client = Client::new(&net.client);
        assert_repeats(&client.ask_times(net.vip(80), 16)?, &["0", "0", "1", "0"]);
        evenkeel.wait_status("the scheduler is asked", PATIENCE, |status| {
            status["services"][1]["queue"].is_object()
        })?;
        assert_eq!(names(&hold(&client, net.vip(81), 4)?), ["0", "1", "0", "1"]);
        Ok(())
    })
}

#[test]
fn a_file_that_others_can_write_is_not_loaded_and_the_remedy_is_said() -> Result<()> {
    isolated(|| {
        let net = Article::new(1)?;
        let file = installed(&net.director, "rr")?;
        fs::set_permissions(&file, Permissions::from_mode(0o666))?;
        let config = format!("native_plugins = [{file:?}]\n")
            + &Service::new("web", net.vip(80))
                .with(&format!("scheduler = {{ plugin = {file:?} }}"))
                .servers(servers(&net, 80))
                .text();
        let evenkeel = Evenkeel::new(&net.director, &config)?;
        let output = evenkeel.check()?;
        assert_eq!(output.status.code(), Some(3));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let remedy = format!("chmod go-w {}", file.display());
        assert!(said.contains(":6:24: ") && said.contains(&remedy), "{said}");
        Ok(())
    })
}

#[test]
fn a_native_plugin_that_is_not_listed_is_refused() -> Result<()> {
    isolated(|| {
        let net = Article::new(1)?;
        let file = installed(&net.director, "rr")?;
        let config = Service::new("web", net.vip(80))
            .with(&format!("scheduler = {{ plugin = {file:?} }}"))
            .servers(servers(&net, 80));
        let evenkeel = Evenkeel::new(&net.director, &config.text())?;
        let output = evenkeel.check()?;
        assert_eq!(output.status.code(), Some(3));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("native_plugins"), "{said}");
        Ok(())
    })
}

#[test]
fn a_native_scheduler_that_panics_costs_its_own_service_a_new_plan_and_no_more() -> Result<()> {
    isolated(|| {
        let net = Article::new(3)?;
        let addresses = servers(&net, 80);
        let mut backends = holding_backends(&net, &addresses)?;
        let file = installed(&net.director, "misbehave")?;
        let panics = format!(
            "scheduler = {{ plugin = {file:?}, settings = {{ how = \"late\", after = 1, then = \"panic\" }} }}"
        );
        let config = format!("native_plugins = [{file:?}]\n")
            + &Service::new("web", net.vip(80))
                .with("scheduler = \"lc\"")
                .checked()
                .servers(addresses.iter().copied())
                .text()
            + &Service::new("panics", net.vip(81))
                .with(&panics)
                .checked()
                .servers(addresses.iter().copied())
                .text();
        let mut evenkeel = Evenkeel::new(&net.director, &config)?;
        evenkeel.start()?;
        let client = Client::new(&net.client);
        drop(backends.pop());
        evenkeel.wait_status("it has panicked", PATIENCE, |status| {
            let problem = status["services"][1]["scheduler_problem"].as_str();
            problem.is_some_and(|it| it.contains("panic"))
        })?;
        evenkeel.wait_health("web", &addresses[2].to_string(), "down", PATIENCE)?;
        // The failed server left its last good plan.
        let answers: Vec<String> = hold(&client, net.vip(81), 6)?
            .into_iter()
            .map(|it| it.0)
            .collect();
        assert_eq!(count(&answers), [("0", 3), ("1", 3)].into());
        let held = hold(&client, net.vip(80), 4)?;
        assert_eq!(names(&held).iter().filter(|it| **it == "0").count(), 2);
        Ok(())
    })
}

#[test]
fn a_native_scheduler_that_hangs_in_a_decision_leaves_its_own_service_to_the_plan_and_no_other()
-> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let file = installed(&net.director, "misbehave-pick")?;
        let hangs = format!(
            "scheduler = {{ plugin = {file:?}, settings = {{ how = \"spin\", after = 5 }} }}"
        );
        let service = |name: &str, port: u16, scheduler: &str| {
            let service = Service::new(name, net.vip(port)).with(scheduler);
            service.servers(addresses.iter().copied()).text()
        };
        let config = format!("native_plugins = [{file:?}]\n")
            + &service("hangs", 80, &hangs)
            + &service(
                "fine",
                81,
                "scheduler = \"lc\"\ndecision = \"per-connection\"",
            );
        let mut evenkeel = Evenkeel::new(&net.director, &config)?;
        evenkeel.start()?;
        evenkeel.wait_status("the schedulers are asked", PATIENCE, |status| {
            let all = status["services"].as_array();
            all.is_some_and(|all| all.iter().all(|it| it["queue"].is_object()))
        })?;
        let client = Client::new(&net.client);
        assert_eq!(client.ask_times(net.vip(80), 5)?, ["0"; 5]);
        // The one that it hangs in waits for a moment; none later does.
        let answers = client.ask_times(net.vip(80), 20)?;
        assert_eq!(count(&answers), [("0", 10), ("1", 10)].into());
        let status = evenkeel.status()?;
        let problem = |service: usize| status["services"][service]["queue"]["problem"].as_str();
        assert!(
            problem(0).is_some_and(|it| it.contains("do not come in time")),
            "{status}"
        );
        assert_eq!(problem(1), None, "{status}");
        evenkeel.wait_log("do not come in time", PATIENCE)?;
        let before = status["services"][1]["queue"]["decided"].as_u64();
        client.ask_times(net.vip(81), 10)?;
        let status = evenkeel.status()?;
        let after = status["services"][1]["queue"]["decided"].as_u64();
        assert_eq!(after, before.map(|it| it + 10));
        // A reload with another scheduler for it works although the old one hangs still.
        evenkeel.reload(
            &(format!("native_plugins = [{file:?}]\n")
                + &service(
                    "hangs",
                    80,
                    "scheduler = \"lc\"\ndecision = \"per-connection\"",
                )),
        )?;
        evenkeel.wait_status("the new scheduler is asked", PATIENCE, |status| {
            let queue = &status["services"][0]["queue"];
            status["settled"] == true && queue.is_object() && queue["problem"].is_null()
        })?;
        client.ask_times(net.vip(80), 4)?;
        let status = evenkeel.status()?;
        assert_eq!(status["services"][0]["queue"]["decided"], 4, "{status}");
        Ok(())
    })
}
