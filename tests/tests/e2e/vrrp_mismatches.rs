//! Directors that do not fit together say so once, loudly, with what differs.

use std::fs;
use std::time::Duration;

use crate::support::PATIENCE;
use crate::support::pair::{BACKUP, MASTER, Pair, web};
use crate::support::vrrp::Instance;
use anyhow::{Context as _, Result};
use evenkeel_tests::{Article, Capture, Client, Node, isolated};
use serde_json::Value;

const SECOND: Duration = Duration::from_secs(1);

/// Runs two directors that do not fit together, and waits until the second one's status says `problem`, with all of
/// `words`. Then it must be in its log once, however long it goes on.
fn mismatch(
    instances: [Instance; 2],
    teller: usize,
    words: &[&str],
    masters: [&str; 2],
) -> Result<()> {
    let net = Article::pair(1)?;
    let [master, backup] = instances.map(|it| it.toml() + &web(&net));
    let mut pair = Pair::prepare(net, &[master, backup], &Article::VIRTUAL)?;
    for director in &mut pair.directors {
        director.start()?;
    }
    let fits = |text: &str| {
        let text = text.to_lowercase();
        words.iter().all(|word| text.contains(word))
    };
    let director = &pair.directors[teller];
    director
        .wait_status("it says what does not fit", PATIENCE, |status| {
            let problems = status["vrrp"]["instances"][0]["problems"].as_array();
            let mut problems = problems.into_iter().flatten().filter_map(Value::as_str);
            problems.any(fits)
        })
        .with_context(|| format!("{:#}", director.status().unwrap_or_default()["vrrp"]))?;
    let table = director.status_table()?;
    assert!(fits(&table), "{table}");
    for (which, state) in masters.iter().enumerate() {
        pair.wait_state(which, state)?;
    }
    std::thread::sleep(2 * instances_interval(&pair, teller)?);
    let log = director.log();
    let told = log
        .lines()
        .filter(|line| line.contains("WARN") && fits(line))
        .count();
    assert_eq!(told, 1, "{log}");
    Ok(())
}

fn instances_interval(pair: &Pair, which: usize) -> Result<Duration> {
    let interval = pair.report(which)?["advert_interval_ms"].as_u64();
    Ok(Duration::from_millis(interval.context("no interval")?))
}

#[test]
fn a_wrong_password_is_told_once() -> Result<()> {
    isolated(|| {
        let wrong = Instance {
            password: Some("2222"),
            ..Instance::v2(80)
        };
        mismatch(
            [Instance::v2(120), wrong],
            BACKUP,
            &["10.10.54.155", "password"],
            ["master", "master"],
        )
    })
}

#[test]
fn another_version_is_told_once() -> Result<()> {
    isolated(|| {
        mismatch(
            [Instance::v2(120), Instance::v3(80)],
            BACKUP,
            &["10.10.54.155", "version 2"],
            ["master", "master"],
        )
    })
}

#[test]
fn another_interval_is_told_once_and_in_version_3_does_no_harm() -> Result<()> {
    isolated(|| {
        let slower = Instance {
            interval: Duration::from_millis(300),
            ..Instance::v3(120)
        };
        mismatch(
            [slower, Instance::v3(80)],
            BACKUP,
            &["10.10.54.155", "300ms"],
            ["master", "backup"],
        )
    })
}

#[test]
fn other_addresses_are_told_once_and_do_no_harm() -> Result<()> {
    isolated(|| {
        let mut more = Instance::v3(120);
        more.addresses.push(("10.10.54.152/24".to_owned(), "eth0"));
        mismatch(
            [more, Instance::v3(80)],
            BACKUP,
            &["10.10.54.155", "10.10.54.152"],
            ["master", "backup"],
        )
    })
}

#[test]
fn a_second_virtual_router_with_the_same_id_is_told_once() -> Result<()> {
    isolated(|| {
        // Its addresses have nothing in common with ours: it is someone else's.
        let other = Instance {
            addresses: vec![("10.10.54.77/24".to_owned(), "eth0")],
            ..Instance::v3(120)
        };
        mismatch(
            [other, Instance::v3(80)],
            BACKUP,
            &["10.10.54.155", "10.10.54.77"],
            ["master", "backup"],
        )
    })
}

/// Keeps VRRP from passing, as a switch does that nobody has told of this multicast group.
fn block_vrrp(switch: &Node) -> Result<()> {
    let file = switch.dir().join("blocked.nft");
    let chain = "type filter hook forward priority 0\nip protocol 112 drop";
    fs::write(
        &file,
        format!("table bridge blocked {{\nchain forward {{\n{chain}\n}}\n}}\n"),
    )?;
    switch
        .run("nft", &["-f", &file.to_string_lossy()])
        .map(drop)
}

#[test]
fn two_masters_find_each_other_and_tell_the_network_who_is_left() -> Result<()> {
    isolated(|| {
        let pair = Pair::of(Instance::v3)?;
        block_vrrp(&pair.net.outside)?;
        pair.wait_has(BACKUP)?;
        assert_eq!(pair.report(MASTER)?["state"], "master");
        std::thread::sleep(SECOND);
        let capture = Capture::start(&pair.net.client)?;
        let switch = &pair.net.outside;
        switch.run("nft", &["delete table bridge blocked"])?;
        pair.wait(MASTER)?;
        std::thread::sleep(SECOND / 4);
        let frames = capture.stop()?;
        let told = frames
            .iter()
            .filter(|frame| frame.announced() == Some(Article::VIRTUAL[0]));
        assert!(told.count() > 0, "the network still believes the other one");
        pair.serves(5)?;
        pair.stays(MASTER, SECOND)?;
        let log = pair.directors[MASTER].log();
        let told = log.lines().filter(|line| {
            line.contains("WARN") && line.contains("10.10.54.156") && line.contains("master")
        });
        assert_eq!(told.count(), 1, "{log}");
        let client = Client::new(&pair.net.client);
        client.ask_times(pair.net.vip(80), 5)?;
        Ok(())
    })
}
