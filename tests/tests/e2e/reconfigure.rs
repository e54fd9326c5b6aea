//! Reloads, refusals of bad files, repair of what others do, and cleaning up.

use std::time::Duration;

use crate::support::{PATIENCE, Service, assert_repeats, servers, tcp_backends};
use anyhow::Result;
use evenkeel_tests::{Article, Backend, Client, Evenkeel, isolated};

#[test]
fn a_reload_changes_what_has_changed_and_nothing_else() -> Result<()> {
    isolated(|| {
        let net = Article::new(3)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let service = |port: u16, servers: &[std::net::SocketAddr]| {
            Service::new(&format!("s{port}"), net.vip(port))
                .servers(servers.iter().copied())
                .text()
        };
        let before = service(80, &addresses) + &service(81, &addresses[..1]);
        let mut evenkeel = Evenkeel::new(&net.director, &before)?;
        evenkeel.start()?;
        let client = Client::new(&net.client);
        assert_eq!(client.ask_times(net.vip(80), 4)?, ["0", "1", "2", "0"]);
        let id = |status: &serde_json::Value| status["services"][0]["servers"][1]["id"].clone();
        let number = id(&evenkeel.status()?);

        evenkeel.reload(&(service(80, &addresses) + &service(82, &addresses[1..])))?;
        evenkeel.wait_status("the new service", PATIENCE, |status| {
            status["services"][1]["name"] == "s82" && status["settled"] == true
        })?;
        // The counter of a service that did not change goes on where it was.
        assert_eq!(client.ask_times(net.vip(80), 2)?, ["1", "2"]);
        assert_repeats(&client.ask_times(net.vip(82), 10)?, &["1", "2"]);
        assert!(client.ask(net.vip(81)).is_err());

        evenkeel.reload(&service(80, &addresses[1..]))?;
        evenkeel.wait_status("one service", PATIENCE, |status| {
            status["services"]
                .as_array()
                .is_some_and(|all| all.len() == 1)
                && status["settled"] == true
        })?;
        assert_repeats(&client.ask_times(net.vip(80), 10)?, &["1", "2"]);
        assert_eq!(
            evenkeel.status()?["services"][0]["servers"][0]["id"],
            number
        );
        Ok(())
    })
}

#[test]
fn a_bad_file_changes_nothing_and_all_that_is_wrong_is_said_with_its_place() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let good = Service::new("web", net.vip(80)).servers(addresses).text();
        let mut evenkeel = Evenkeel::new(&net.director, &good)?;
        evenkeel.start()?;
        let rules = net
            .director
            .run("nft", &["list", "table", "inet", "evenkeel"])?;
        let bad = r#"
[[service]]
name = "web"
lisen = "10.10.54.151:80"
listen = "10.10.54.151"
scheduler = { plugin = "wrong" }
check = { plugin = "http", settings = { pfad = "/" } }
server = []
"#;
        evenkeel.reload(bad)?;
        evenkeel.wait_status("a refusal", PATIENCE, |status| {
            !status["reload_problem"].is_null()
        })?;
        let problem = evenkeel.status()?["reload_problem"]
            .as_str()
            .unwrap()
            .to_owned();
        for place in [":4:1: ", ":5:10: ", ":6:24: ", ":7:41: ", ":8:10: "] {
            assert!(
                problem.contains(&format!("evenkeel.toml{place}")),
                "{place} in\n{problem}"
            );
        }
        assert!(problem.contains("random, rr, sed"), "{problem}");
        let now = net
            .director
            .run("nft", &["list", "table", "inet", "evenkeel"])?;
        assert_eq!(now, rules);
        assert_repeats(
            &Client::new(&net.client).ask_times(net.vip(80), 10)?,
            &["0", "1"],
        );
        let check = evenkeel.check()?;
        assert_eq!(check.status.code(), Some(3));

        evenkeel.reload(&good)?;
        evenkeel.wait_status("all is well", PATIENCE, |status| {
            status["reload_problem"].is_null()
        })?;
        Ok(())
    })
}

#[test]
fn a_file_that_was_emptied_or_cut_short_removes_nothing_unless_it_says_that_it_is_meant()
-> Result<()> {
    isolated(|| {
        let net = Article::new(1)?;
        let _backends = tcp_backends(&net, &servers(&net, 80))?;
        let good = Service::new("web", net.vip(80))
            .servers(servers(&net, 80))
            .text();
        let mut evenkeel = Evenkeel::new(&net.director, &good)?;
        evenkeel.start()?;
        let client = Client::new(&net.client);
        for empty in ["", "# nothing is left\n", "allow_empty = false\n"] {
            evenkeel.reload(empty)?;
            evenkeel.wait_status("a refusal", PATIENCE, |status| {
                status["reload_problem"]
                    .as_str()
                    .is_some_and(|problem| problem.contains("the director has 1 service:"))
            })?;
            assert_eq!(client.ask(net.vip(80))?, "0");
            evenkeel.reload(&good)?;
            evenkeel.wait_status("all is well", PATIENCE, |status| {
                status["reload_problem"].is_null()
            })?;
        }
        // Nor does a start with such a file take away what an earlier daemon has left.
        evenkeel.kill9()?;
        evenkeel.configure("")?;
        evenkeel.start_without_waiting()?;
        assert_eq!(evenkeel.wait(PATIENCE)?.code(), Some(3));
        assert_eq!(client.ask(net.vip(80))?, "0");

        evenkeel.configure(&good)?;
        evenkeel.start()?;
        evenkeel.reload("allow_empty = true\n")?;
        evenkeel.wait_status("no services", PATIENCE, |status| {
            status["services"].as_array().is_some_and(Vec::is_empty) && status["settled"] == true
        })?;
        assert!(client.ask(net.vip(80)).is_err());
        Ok(())
    })
}

#[test]
fn what_others_delete_or_edit_in_our_table_is_repaired_and_theirs_is_left_alone() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let mut evenkeel = Evenkeel::new(
            &net.director,
            &Service::new("web", net.vip(80)).servers(addresses).text(),
        )?;
        evenkeel.start()?;
        let nft = |command: &str| {
            let words: Vec<&str> = command.split(' ').collect();
            net.director.run("nft", &words)
        };
        nft("add table inet theirs")?;
        nft("add chain inet theirs kept")?;
        let client = Client::new(&net.client).timeout(Duration::from_millis(300));
        for vandalism in [
            "delete table inet evenkeel",
            "flush chain inet evenkeel dispatch",
            "flush map inet evenkeel slots",
            "flush map inet evenkeel svc4",
            "add element inet evenkeel svc4 { 10.10.54.151 . tcp . 99 : goto none }",
        ] {
            nft(vandalism)?;
            evenkeel_tests::eventually(vandalism, PATIENCE, || {
                Ok(client.ask_times(net.vip(80), 10).ok())
            })?;
            evenkeel_tests::wait_until(vandalism, PATIENCE, || {
                let rules = nft("list table inet evenkeel")?;
                Ok(!rules.contains(". 99") && evenkeel.status()?["settled"] == true)
            })?;
            assert_repeats(&client.ask_times(net.vip(80), 10)?, &["0", "1"]);
        }
        assert!(nft("list table inet theirs")?.contains("chain kept"));
        assert!(evenkeel.log().contains("touched"), "{}", evenkeel.log());
        Ok(())
    })
}

#[test]
fn sigterm_leaves_the_rules_and_flush_removes_all_that_is_ours_and_nothing_else() -> Result<()> {
    isolated(|| {
        let net = Article::without_virtual_addresses(2)?;
        net.director.add_address("eth1", "172.16.50.254/24")?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let config = Service::new("web", net.vip(80))
            .with("interface = \"eth0\"")
            .servers(addresses)
            .text();
        let mut evenkeel = Evenkeel::new(&net.director, &config)?;
        evenkeel.start()?;
        let client = Client::new(&net.client).timeout(Duration::from_millis(500));
        evenkeel_tests::eventually("the address", PATIENCE, || Ok(client.ask(net.vip(80)).ok()))?;

        let refused = evenkeel.flush()?;
        assert_eq!(refused.status.code(), Some(6), "while the daemon runs");
        assert!(evenkeel.sigterm()?.success());
        assert_repeats(&client.ask_times(net.vip(80), 10)?, &["0", "1"]);

        net.director
            .run("nft", &["add", "table", "inet", "theirs"])?;
        let flushed = evenkeel.flush()?;
        assert!(flushed.status.success(), "{flushed:?}");
        assert_eq!(
            net.director.run("nft", &["list", "tables"])?.trim(),
            "table inet theirs"
        );
        let left = net
            .director
            .run("ip", &["-4", "address", "show", "dev", "eth0"])?;
        assert!(
            left.contains("10.10.54.155") && !left.contains("10.10.54.151"),
            "{left}"
        );
        Ok(())
    })
}

#[test]
fn an_address_that_is_no_longer_configured_is_taken_away_and_a_deleted_one_is_put_back()
-> Result<()> {
    isolated(|| {
        let net = Article::without_virtual_addresses(1)?;
        net.director.add_address("eth1", "172.16.50.254/24")?;
        let with = |interface: &str| {
            Service::new("web", net.vip(80))
                .with(interface)
                .servers([net.server(0, 80)])
                .text()
        };
        let _backend = Backend::tcp(&net.servers[0], net.server(0, 80), "0")?;
        let mut evenkeel = Evenkeel::new(&net.director, &with("interface = \"eth0\""))?;
        evenkeel.start()?;
        let has = || -> Result<bool> {
            let shown = net
                .director
                .run("ip", &["-4", "address", "show", "dev", "eth0"])?;
            Ok(shown.contains("10.10.54.151"))
        };
        evenkeel_tests::wait_until("it is there", PATIENCE, has)?;
        net.director.delete_address("eth0", "10.10.54.151/32")?;
        evenkeel_tests::wait_until("it is back", PATIENCE, has)?;
        // A restart knows again what is its own.
        evenkeel.kill9()?;
        evenkeel.configure(&with(""))?;
        evenkeel.start()?;
        evenkeel_tests::wait_until("it is gone", PATIENCE, || Ok(!has()?))?;
        Ok(())
    })
}
