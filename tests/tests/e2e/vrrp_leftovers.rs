//! What a killed director leaves on its machine, and what becomes of it.

use std::net::IpAddr;
use std::time::Duration;

use crate::support::PATIENCE;
use crate::support::pair::{BACKUP, MASTER, PRIORITIES, Pair, web};
use crate::support::vrrp::Instance;
use anyhow::Result;
use evenkeel_tests::{Article, Node, isolated, wait_until};

const SECOND: Duration = Duration::from_secs(1);

fn has(node: &Node, address: IpAddr) -> Result<bool> {
    Ok(node.addresses()?.contains(&address))
}

#[test]
fn addresses_that_left_the_configuration_meanwhile_go_at_the_start() -> Result<()> {
    isolated(|| {
        let more = |priority| {
            let mut instance = Instance::v3(priority);
            instance
                .addresses
                .push(("10.10.54.152/24".to_owned(), "eth0"));
            instance
        };
        let mut pair = Pair::of(more)?;
        let extra: IpAddr = "10.10.54.152".parse()?;
        pair.directors[MASTER].kill9()?;
        // A daemon that is back sooner serves what it finds, and is alone with it already while the backup is still
        // about to take over.
        pair.wait_has(BACKUP)?;
        assert!(has(&pair.nodes[MASTER], extra)?);
        let fewer = Instance::v3(PRIORITIES[MASTER]).toml() + &web(&pair.net);
        pair.directors[MASTER].configure(&fewer)?;
        pair.directors[MASTER].start()?;
        wait_until("the address is gone", PATIENCE, || {
            Ok(!has(&pair.nodes[MASTER], extra)?)
        })?;
        pair.addresses.retain(|address| *address != extra);
        pair.wait(MASTER)?;
        pair.stays(MASTER, SECOND / 2)?;
        pair.serves(5)
    })
}

#[test]
fn without_vrrp_in_the_configuration_all_of_it_goes_at_the_start() -> Result<()> {
    isolated(|| {
        let tables = "[[vrrp.rule]]\nfrom = \"10.10.54.0/24\"\ntable = 100\npriority = 1234\n\
                      [[vrrp.route]]\nto = \"192.0.2.0/24\"\nvia = \"172.16.50.1\"\n";
        let mut pair = Pair::of(|priority| {
            Instance::v3(priority)
                .with("virtual_mac = true")
                .table(tables)
        })?;
        let left = |pair: &Pair| -> Result<[usize; 4]> {
            let node = &pair.nodes[MASTER];
            let all = node.addresses()?;
            let addresses = pair.addresses.iter().filter(|it| all.contains(it));
            let mut rules = node.ip_json(&["rule", "show"])?;
            rules.retain(|rule| rule["priority"] == 1234);
            let mut routes = node.ip_json(&["route", "show"])?;
            routes.retain(|route| route["dst"] == "192.0.2.0/24");
            let mut links = node.ip_json(&["link", "show"])?;
            links.retain(|link| link["linkinfo"]["info_kind"] == "macvlan");
            Ok([addresses.count(), rules.len(), routes.len(), links.len()])
        };
        wait_until(
            "all is there",
            PATIENCE,
            || Ok(left(&pair)? == [2, 1, 1, 1]),
        )?;
        pair.directors[MASTER].kill9()?;
        pair.wait_has(BACKUP)?;
        assert_eq!(
            left(&pair)?,
            [2, 1, 1, 1],
            "a dead daemon takes nothing away"
        );
        let without = web(&pair.net);
        pair.directors[MASTER].configure(&without)?;
        pair.directors[MASTER].start()?;
        wait_until("all is gone", PATIENCE, || Ok(left(&pair)? == [0; 4]))?;
        pair.stays(BACKUP, SECOND / 2)?;
        pair.serves(5)
    })
}

#[test]
fn flush_takes_a_dead_directors_addresses_away() -> Result<()> {
    isolated(|| {
        let mut pair = Pair::of(|priority| Instance::v3(priority).with("virtual_mac = true"))?;
        pair.directors[MASTER].kill9()?;
        pair.wait_has(BACKUP)?;
        assert!(has(&pair.nodes[MASTER], pair.addresses[0])?);
        let flushed = pair.directors[MASTER].flush()?;
        let told = String::from_utf8_lossy(&flushed.stderr);
        assert!(flushed.status.success(), "{told}");
        pair.wait(BACKUP)?;
        let mut links = pair.nodes[MASTER].ip_json(&["link", "show"])?;
        links.retain(|link| link["linkinfo"]["info_kind"] == "macvlan");
        assert_eq!(links, Vec::<serde_json::Value>::new());
        pair.stays(BACKUP, SECOND / 2)?;
        pair.serves(5)
    })
}

#[test]
fn addresses_of_others_stay_whatever_happens() -> Result<()> {
    isolated(|| {
        let net = Article::pair(2)?;
        // Set by hand, on both sides of the daemon's own.
        let others: [IpAddr; 2] = ["10.10.54.201".parse()?, "fd00:54::201".parse()?];
        net.director.add_address("eth0", "10.10.54.201/24")?;
        net.director.add_address("eth0", "fd00:54::201/64")?;
        let configs = PRIORITIES.map(|priority| Instance::v3(priority).toml() + &web(&net));
        let mut pair = Pair::start(net, &configs, &Article::VIRTUAL)?;
        pair.directors[MASTER].vrrp("resign", None)?;
        pair.wait(BACKUP)?;
        pair.directors[MASTER].vrrp("resume", None)?;
        pair.wait(MASTER)?;
        pair.directors[MASTER].kill9()?;
        pair.wait_has(BACKUP)?;
        pair.directors[MASTER].start()?;
        pair.wait(MASTER)?;
        pair.directors[MASTER].sigterm()?;
        pair.wait(BACKUP)?;
        for other in others {
            assert!(has(&pair.nodes[MASTER], other)?, "{other}");
        }
        Ok(())
    })
}

#[test]
fn two_directors_killed_and_started_together_end_with_one_master() -> Result<()> {
    isolated(|| {
        let mut pair = Pair::of(Instance::v3)?;
        // Both have the addresses at the start, as after a split network and a power cut.
        pair.directors[MASTER].kill9()?;
        pair.wait_has(BACKUP)?;
        pair.directors[BACKUP].kill9()?;
        for director in &mut pair.directors {
            director.start_without_waiting()?;
        }
        pair.wait(MASTER)?;
        pair.stays(MASTER, SECOND)?;
        pair.serves(5)
    })
}
