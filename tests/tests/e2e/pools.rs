//! Which servers are used while others are down: backup servers, a sorry server, all of them, and one that comes back.

use std::time::Duration;

use crate::support::{PATIENCE, QUICK, Service, assert_repeats, servers};
use anyhow::Result;
use evenkeel_tests::{Article, Backend, Client, Evenkeel, isolated, wait_until};
use serde_json::Value;

/// The state of each server, in the order of the configuration.
fn states(status: &Value) -> Vec<String> {
    let servers = status["services"][0]["servers"].as_array();
    let state = |server: &Value| server["health"].as_str().unwrap_or_default().to_owned();
    servers.into_iter().flatten().map(state).collect()
}

fn wait(evenkeel: &Evenkeel, wanted: &[&str]) -> Result<()> {
    evenkeel.wait_status(&format!("{wanted:?}"), PATIENCE, |status| {
        states(status) == wanted
    })?;
    // What `status` shows was decided; the kernel follows at once.
    std::thread::sleep(Duration::from_millis(300));
    Ok(())
}

fn check() -> String {
    format!(r#"check = {{ plugin = "tcp", {QUICK} }}"#)
}

#[test]
fn backup_servers_are_used_while_too_few_of_the_others_are_up() -> Result<()> {
    isolated(|| {
        let net = Article::new(3)?;
        let addresses = servers(&net, 80);
        let mut backends = Vec::new();
        for (n, address) in addresses.iter().enumerate() {
            backends.push(Some(Backend::tcp(
                &net.servers[n],
                *address,
                &n.to_string(),
            )?));
        }
        let text = format!(
            "{}\nmin_servers = 2\n{}",
            Service::new("web", net.vip(80)).with(&check()).text(),
            addresses
                .iter()
                .zip(["", "", "backup = true"])
                .map(|(address, line)| format!(
                    "[[service.server]]\naddress = \"{address}\"\n{line}\n"
                ))
                .collect::<String>()
        );
        let mut evenkeel = Evenkeel::new(&net.director, &text)?;
        evenkeel.start()?;
        let client = Client::new(&net.client);
        wait(&evenkeel, &["up", "up", "standby"])?;
        assert_repeats(&client.ask_times(net.vip(80), 10)?, &["0", "1"]);

        backends[0] = None;
        wait(&evenkeel, &["down", "up", "up"])?;
        assert_repeats(&client.ask_times(net.vip(80), 10)?, &["1", "2"]);
        backends[1] = None;
        wait(&evenkeel, &["down", "down", "up"])?;
        assert_repeats(&client.ask_times(net.vip(80), 10)?, &["2"]);

        for n in [0, 1] {
            backends[n] = Some(Backend::tcp(&net.servers[n], addresses[n], &n.to_string())?);
        }
        wait(&evenkeel, &["up", "up", "standby"])?;
        assert_repeats(&client.ask_times(net.vip(80), 10)?, &["0", "1"]);
        let log = evenkeel.log();
        assert!(log.contains("too few servers are up"), "{log}");
        assert!(log.contains("enough servers are up again"), "{log}");
        Ok(())
    })
}

#[test]
fn a_sorry_server_answers_for_all_others_while_they_do_not_have_the_quorum() -> Result<()> {
    isolated(|| {
        let net = Article::new(3)?;
        let addresses = servers(&net, 80);
        let _sorry = Backend::tcp(&net.servers[2], addresses[2], "sorry")?;
        let service = |rest: &str| {
            Service::new("web", net.vip(80))
                .with(&check())
                .with(rest)
                .servers(addresses[..2].iter().copied())
                .text()
        };
        let text = service(&format!("quorum = 2\nsorry_server = \"{}\"", addresses[2]));
        let mut first = Some(Backend::tcp(&net.servers[0], addresses[0], "0")?);
        let second = Backend::tcp(&net.servers[1], addresses[1], "1")?;
        let mut evenkeel = Evenkeel::new(&net.director, &text)?;
        evenkeel.start()?;
        let client = Client::new(&net.client);
        wait(&evenkeel, &["up", "up", "standby"])?;
        assert_repeats(&client.ask_times(net.vip(80), 10)?, &["0", "1"]);

        // One of two is no quorum of 2, as with keepalived: the other one gives way, too.
        first.take();
        wait(&evenkeel, &["down", "standby", "up"])?;
        assert_repeats(&client.ask_times(net.vip(80), 10)?, &["sorry"]);
        first = Some(Backend::tcp(&net.servers[0], addresses[0], "0")?);
        wait(&evenkeel, &["up", "up", "standby"])?;
        assert_repeats(&client.ask_times(net.vip(80), 10)?, &["0", "1"]);

        // Without one, the servers are used although they fail: they may be well, and the check wrong.
        let text = service("when_all_down = \"use_all\"")
            .replace("plugin = \"tcp\"", "plugin = \"tcp\", port = 9999");
        evenkeel.reload(&text)?;
        wait(&evenkeel, &["forced", "forced"])?;
        assert_repeats(&client.ask_times(net.vip(80), 10)?, &["0", "1"]);
        drop((first, second));
        Ok(())
    })
}

#[test]
fn a_server_that_comes_back_gets_more_and_more_connections() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let mut first = Some(Backend::tcp(&net.servers[0], addresses[0], "0")?);
        let _second = Backend::tcp(&net.servers[1], addresses[1], "1")?;
        let service = Service::new("web", net.vip(80))
            .with("scheduler = \"wrr\"\nslow_start = \"8s\"")
            .with(&check())
            .servers(addresses.iter().copied());
        let mut evenkeel = Evenkeel::new(&net.director, &service.text())?;
        evenkeel.start()?;
        let client = Client::new(&net.client);
        let share = || -> Result<usize> {
            let answers = client.ask_times(net.vip(80), 100)?;
            Ok(answers.iter().filter(|it| *it == "0").count())
        };
        wait(&evenkeel, &["up", "up"])?;
        // At the start nobody has come back.
        assert_eq!(share()?, 50);
        first.take();
        wait(&evenkeel, &["down", "up"])?;
        let back = Backend::tcp(&net.servers[0], addresses[0], "0")?;
        wait(&evenkeel, &["up", "up"])?;
        let early = share()?;
        assert!((1..30).contains(&early), "{early} of 100 at once");
        let percent = |status: &Value| status["services"][0]["servers"][0]["slow_start"].as_u64();
        evenkeel.wait_status("half of it", PATIENCE, |status| {
            percent(status).is_some_and(|it| it >= 50)
        })?;
        let later = share()?;
        assert!(later > early, "{early}, then {later} of 100");
        evenkeel.wait_status("the whole", PATIENCE * 2, |status| {
            percent(status).is_none()
        })?;
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(share()?, 50);
        drop(back);
        Ok(())
    })
}

#[test]
fn a_check_that_two_services_share_is_made_once_and_takes_the_server_out_of_both() -> Result<()> {
    isolated(|| {
        let net = Article::new(1)?;
        let address = net.server(0, 80);
        let backend = Backend::tcp(&net.servers[0], address, "0")?;
        let mut text = format!(
            "[[check]]\nname = \"shared\"\nplugin = \"tcp\"\n{}\n",
            QUICK.replace(", ", "\n")
        );
        for (name, port) in [("web", 80), ("other", 81)] {
            text += &format!(
                "[[service]]\nname = \"{name}\"\nlisten = \"{}\"\ncheck = \"shared\"\n[[service.server]]\nname = \"{name}-1\"\naddress = \"{address}\"\n",
                net.vip(port)
            );
        }
        let mut evenkeel = Evenkeel::new(&net.director, &text)?;
        evenkeel.start()?;
        let both = |state: &'static str| {
            move |status: &Value| {
                let services = status["services"].as_array();
                services.is_some_and(|all| all.iter().all(|it| it["servers"][0]["health"] == state))
            }
        };
        let counts = |status: &Value| -> Vec<u64> {
            let services = status["services"].as_array().into_iter().flatten();
            services
                .filter_map(|it| it["servers"][0]["checks"][0]["checks"].as_u64())
                .collect()
        };
        evenkeel.wait_status("some checks", PATIENCE, |status| {
            counts(status).iter().all(|it| *it > 5)
        })?;
        let (asked, checks) = (backend.answered(), counts(&evenkeel.status()?));
        // Both know of each of them, and the server of one.
        assert!(checks[0].abs_diff(checks[1]) <= 1, "{checks:?}");
        assert!(
            asked.abs_diff(checks[0]) <= 3,
            "asked {asked} times, {checks:?}"
        );
        drop(backend);
        evenkeel.wait_status("both down", PATIENCE, both("down"))?;
        let _back = Backend::tcp(&net.servers[0], address, "0")?;
        evenkeel.wait_status("both up", PATIENCE, both("up"))?;
        Ok(())
    })
}

#[test]
fn commands_run_when_a_server_and_the_quorum_come_and_go_and_at_the_end() -> Result<()> {
    isolated(|| {
        let net = Article::new(1)?;
        let address = net.server(0, 80);
        let said = net.director.dir().join("said");
        let say = |word: &str| {
            format!(
                "[\"/bin/sh\", \"-c\", \"echo {word} >> {}\"]",
                said.display()
            )
        };
        let text = format!(
            "{}quorum_up = {}\nquorum_down = {}\nomega = true\n[[service.server]]\naddress = \"{address}\"\nnotify_up = {}\nnotify_down = {}\n",
            Service::new("web", net.vip(80)).with(&check()).text(),
            say("quorum-up"),
            say("quorum-down"),
            say("up"),
            say("down"),
        );
        let lines = || std::fs::read_to_string(&said).unwrap_or_default();
        let wait = |wanted: &str| {
            wait_until(&format!("{wanted:?} is said"), PATIENCE, || {
                let mut words: Vec<String> = lines().lines().map(str::to_owned).collect();
                // A server's and its service's run side by side.
                words.sort_unstable();
                let mut right: Vec<&str> = wanted.split(' ').collect();
                right.sort_unstable();
                Ok(words == right)
            })
            .map_err(|error| error.context(lines()))
        };
        let backend = Backend::tcp(&net.servers[0], address, "0")?;
        let mut evenkeel = Evenkeel::new(&net.director, &text)?;
        evenkeel.start()?;
        wait("quorum-up")?;
        drop(backend);
        wait("quorum-up down quorum-down")?;
        let _back = Backend::tcp(&net.servers[0], address, "0")?;
        wait("quorum-up down quorum-down up quorum-up")?;
        evenkeel.sigterm()?;
        wait("quorum-up down quorum-down up quorum-up down quorum-down")?;
        Ok(())
    })
}
