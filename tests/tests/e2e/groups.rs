//! Plans in groups: clients are led to servers by their networks and by shares, and other schedulers plan for groups.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::support::{PATIENCE, Service, servers, tcp_backends};
use crate::why::{only, why};
use anyhow::Result;
use evenkeel_tests::{Article, Client, Evenkeel, Paths, isolated};
use serde_json::Value;

/// Of the client machine's networks 1 is one site's, 2 another's, and 3 nobody's.
const CLIENTS: &str = r#"{ name = "inner", networks = ["10.20.1.0/24"] }, { name = "outer", networks = ["10.20.2.0/24"] }"#;

/// A client of a network.
fn from(net: &Article, network: u8, host: u8) -> Client {
    Client::new(&net.client).from_address(Ipv4Addr::new(10, 20, network, host).into())
}

/// Servers 0 and 1 are of the inner site, 2 of the outer one, and 3 of none.
fn sites(to: SocketAddr, clients: &str, addresses: &[SocketAddr], first: u32) -> String {
    let service = Service::new("web", to).with(&format!(
        "scheduler = {{ plugin = \"sites\", settings = {{ sites = [{clients}], sticky = 60 }} }}"
    ));
    let lines = [
        format!("weight = {first}\nlabels = {{ site = \"inner\" }}"),
        "labels = { site = \"inner\" }".to_owned(),
        "labels = { site = \"outer\" }".to_owned(),
        String::new(),
    ];
    let named = addresses.iter().zip(&lines).enumerate();
    named
        .fold(service, |service, (n, (server, line))| {
            service.server(*server, &format!("name = \"{n}\"\n{line}"))
        })
        .text()
}

fn counts(answers: &[String]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for answer in answers {
        *counts.entry(answer.as_str()).or_default() += 1;
    }
    counts
}

#[test]
fn clients_get_the_servers_of_their_own_site_and_others_are_divided() -> Result<()> {
    isolated(|| {
        let net = Article::new(4)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        net.client
            .ip(&["route", "add", "local", "10.20.0.0/16", "dev", "lo"])?;
        net.director
            .route("10.20.0.0/16", Ipv4Addr::new(10, 10, 54, 10).into())?;
        let config = |first| sites(net.vip(80), CLIENTS, &addresses, first);
        let mut evenkeel =
            Evenkeel::new(&net.director, &config(1))?.plugin_dir(Paths::default().examples);
        let checked = evenkeel.check()?;
        assert!(checked.status.success(), "{checked:?}");
        evenkeel.start()?;
        evenkeel.wait_status("a plan", PATIENCE, |status| {
            status["services"][0]["spread"] == "groups"
        })?;
        let site = |network, host, times| -> Result<BTreeMap<String, usize>> {
            let answers = from(&net, network, host).ask_times(net.vip(80), times)?;
            let counts = counts(&answers).into_iter();
            Ok(counts.map(|(name, n)| (name.to_owned(), n)).collect())
        };
        for host in [0, 13, 255] {
            assert_eq!(site(2, host, 6)?, [("2".to_owned(), 6)].into());
        }
        // Its connections are spread over both.
        let inner = site(1, 10, 40)?;
        assert_eq!(inner.keys().collect::<Vec<_>>(), ["0", "1"], "{inner:?}");
        let status = evenkeel.status()?;
        let lines = &status["services"][0]["groups"];
        let said = lines.to_string();
        assert!(
            said.contains("clients 10.20.2.0 to 10.20.2.255 begin in group 2"),
            "{said}"
        );
        assert!(evenkeel.status_table()?.contains("  group 2: in turn, 2\n"));

        // What is said of each other client is what the kernel does.
        let (mut kept, mut divided) = (0, 0);
        for host in 1..25 {
            let answer = why(&evenkeel, &format!("10.20.3.{host}"), Some("web"))?;
            let next = &only(&answer)["next"];
            assert_eq!(next["how"], "groups", "{answer}");
            if let Some(server) = next["server"].as_str() {
                assert_eq!(next["groups"], serde_json::json!([0, 3]), "{answer}");
                assert_eq!(site(3, host, 4)?, [(server.to_owned(), 4)].into(), "{host}");
                kept += 1;
            } else {
                assert_eq!(next["groups"], serde_json::json!([0, 4]), "{answer}");
                divided += 1;
            }
        }
        assert!(kept > 6 && divided > 3, "{kept} {divided}");

        // The rules stay when the daemon dies, and are adopted by the next one.
        let stream = from(&net, 2, 12).keep_asking(net.vip(80), Duration::from_millis(2))?;
        evenkeel.kill9()?;
        assert_eq!(site(2, 15, 6)?, [("2".to_owned(), 6)].into());
        evenkeel.start()?;
        for n in 0..12 {
            // A server that drains leaves its group; everybody's groups change with it.
            evenkeel.reload(&config(n % 2))?;
            evenkeel.wait_status("another plan", PATIENCE, |status| {
                status["services"][0]["servers"][0]["weight"] == n % 2
            })?;
        }
        let record = stream.stop()?;
        assert!(record.answers.len() > 50);
        assert_eq!(
            record.failures().count(),
            0,
            "{:?}",
            record.failures().next()
        );
        assert_eq!(record.spread().keys().collect::<Vec<_>>(), [&"2"]);
        assert!(!evenkeel.log().contains("damaged"), "{}", evenkeel.log());

        // The only server of a site drains: its clients are as all others.
        let drained = config(1).replace("site = \"outer\" }", "site = \"outer\" }\nweight = 0");
        evenkeel.reload(&drained)?;
        // Until the next plan a group without servers refuses.
        evenkeel.wait_status("the site has none", PATIENCE, |status| {
            let lines = status["services"][0]["groups"].to_string();
            status["services"][0]["servers"][2]["weight"] == 0
                && lines.contains("group 2: by a hash")
        })?;
        for host in 1..5 {
            let others = site(2, host, 8)?;
            assert!(!others.contains_key("2"), "{others:?}");
        }
        // And other rules.
        let moved = r#"{ name = "outer", networks = ["10.20.1.0/24"] }, { name = "inner", networks = ["10.20.2.0/24"] }"#;
        evenkeel.reload(&sites(net.vip(80), moved, &addresses, 1))?;
        evenkeel.wait_status("other rules", PATIENCE, |status| {
            let lines = status["services"][0]["groups"].to_string();
            lines.contains("clients 10.20.1.0 to 10.20.1.255 begin in group 1")
        })?;
        assert_eq!(site(1, 10, 6)?, [("2".to_owned(), 6)].into());
        let inner = site(2, 12, 40)?;
        assert_eq!(inner.keys().collect::<Vec<_>>(), ["0", "1"], "{inner:?}");
        Ok(())
    })
}

#[test]
fn a_scheduler_whose_delegate_is_missing_is_refused_and_a_new_delegate_is_taken() -> Result<()> {
    isolated(|| {
        let net = Article::new(4)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let plugins = net.director.dir().join("plugins");
        fs::create_dir(&plugins)?;
        let put = |dir: std::path::PathBuf, from: &str, to: &str| -> Result<()> {
            let new = plugins.join("new");
            fs::copy(dir.join(from), &new)?;
            Ok(fs::rename(new, plugins.join(to))?)
        };
        let shipped = || Paths::default().plugins;
        put(
            Paths::default().examples,
            "site-scheduler.wasm",
            "sites.wasm",
        )?;
        let config = sites(net.vip(80), CLIENTS, &addresses, 1);
        let mut evenkeel = Evenkeel::new(&net.director, &config)?
            .no_plugin_dirs()
            .plugin_dir(&plugins);
        let refused = evenkeel.check()?;
        let said = String::from_utf8_lossy(&[refused.stdout, refused.stderr].concat()).into_owned();
        assert!(!refused.status.success(), "{said}");
        assert!(
            said.contains("leaves servers to the scheduler lc, which is not in"),
            "{said}"
        );
        put(shipped(), "lc.wasm", "lc.wasm")?;
        evenkeel.start()?;
        evenkeel.wait_status("a plan", PATIENCE, |status| {
            status["services"][0]["spread"] == "groups"
        })?;
        let client = Client::new(&net.client);
        let stream = client.keep_asking(net.vip(80), Duration::from_millis(2))?;
        // A broken delegate is not taken, and changes nothing; another good file of it is.
        let swaps = |status: &Value| status["services"][0]["plugin"].clone();
        fs::write(plugins.join("lc.wasm"), b"\0asm")?;
        evenkeel.wait_log("lc", PATIENCE)?;
        put(shipped(), "lc.wasm", "lc.wasm")?;
        let status = evenkeel.status()?;
        assert_eq!(
            status["services"][0]["spread"],
            "groups",
            "{}",
            swaps(&status)
        );
        let record = stream.stop()?;
        assert_eq!(
            record.failures().count(),
            0,
            "{:?}",
            record.failures().next()
        );
        // A slip in a label, and a site that no server has.
        let slip = config.replacen("site = \"outer\"", "sitte = \"outer\"", 1);
        evenkeel.configure(&slip)?;
        let refused = evenkeel.check()?;
        let said = String::from_utf8_lossy(&[refused.stdout, refused.stderr].concat()).into_owned();
        assert!(!refused.status.success(), "{said}");
        assert!(said.contains("did you mean"), "{said}");
        let nobody = config.replacen("name = \"outer\"", "name = \"nowhere\"", 1);
        evenkeel.configure(&nobody)?;
        let refused = evenkeel.check()?;
        let said = String::from_utf8_lossy(&[refused.stdout, refused.stderr].concat()).into_owned();
        assert!(
            said.contains("no server has the label site = \"nowhere\""),
            "{said}"
        );
        Ok(())
    })
}

#[test]
fn a_plan_in_groups_is_asked_for_again_when_it_says_so() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let service = Service::new("web", net.vip(80))
            .with("scheduler = \"turning\"")
            .servers(addresses);
        let mut evenkeel = Evenkeel::new(&net.director, &service.text())?
            .plugin_dir(Paths::default().test_plugins);
        evenkeel.start()?;
        // (Of one group alone the kernel has a plain table.)
        evenkeel.wait_status("a plan", PATIENCE, |status| {
            status["services"][0]["plan"].as_u64() >= Some(1)
        })?;
        // Nothing changes but the time, and the kernel follows.
        let stream =
            Client::new(&net.client).keep_asking(net.vip(80), Duration::from_millis(10))?;
        evenkeel.wait_status("ten plans", PATIENCE, |status| {
            status["services"][0]["plan"].as_u64() >= Some(10)
        })?;
        let record = stream.stop()?;
        assert_eq!(record.failures().count(), 0);
        let answers: Vec<&str> = record
            .answers
            .iter()
            .filter_map(|it| it.result.as_deref().ok())
            .collect();
        let changes = answers.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(changes >= 4, "{changes} changes in {answers:?}");
        Ok(())
    })
}
