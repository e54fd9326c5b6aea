//! What a master puts into the kernel and tells the network, and how it takes a new configuration.

use std::net::IpAddr;
use std::time::Duration;

use crate::support::PATIENCE;
use crate::support::pair::{BACKUP, MASTER, PRIORITIES, Pair, web};
use crate::support::vrrp::Instance;
use anyhow::{Context as _, Result};
use evenkeel_tests::{Article, Capture, Frame, Watch, isolated, wait_until};
use serde_json::Value;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn addresses_have_their_label_scope_prefix_and_mark() -> Result<()> {
    isolated(|| {
        let net = Article::pair(2)?;
        let tables = "
            [[vrrp.address]]
            address = \"10.10.54.200/32\"
            interface = \"eth0\"
            label = \"eth0:7\"
            scope = \"link\"
            [[vrrp.address]]
            address = \"172.16.50.200/25\"
            interface = \"eth1\"
            advertised = false
            ";
        let make = |priority| Instance {
            addresses: Vec::new(),
            ..Instance::v3(priority)
        };
        let text = |priority| {
            make(priority)
                .table(tables)
                .toml()
                .replace("address = [\n]\n", "")
        };
        let configs = PRIORITIES.map(|priority| text(priority) + &web(&net));
        let addresses: [IpAddr; 2] = ["10.10.54.200".parse()?, "172.16.50.200".parse()?];
        let capture = Capture::start(&net.client)?;
        let pair = Pair::start(net, &configs, &addresses)?;
        for which in [MASTER, BACKUP] {
            if which == BACKUP {
                pair.directors[MASTER].vrrp("resign", None)?;
                pair.wait(BACKUP)?;
            }
            let shown = pair.nodes[which].address(addresses[0])?.context("gone")?;
            assert_eq!(shown["label"], "eth0:7");
            assert_eq!(shown["scope"], "link");
            assert_eq!(shown["prefixlen"], 32);
            assert_eq!(shown["ifname"], "eth0");
            let shown = pair.nodes[which].address(addresses[1])?.context("gone")?;
            assert_eq!(shown["label"], "eth1");
            assert_eq!(shown["scope"], "global");
            assert_eq!(shown["prefixlen"], 25);
            assert_eq!(shown["ifname"], "eth1");
        }
        std::thread::sleep(SECOND / 2);
        // The second one is not in any advert.
        let frames = capture.stop()?;
        let adverts: Vec<_> = frames.iter().filter_map(Frame::advert).collect();
        assert!(adverts.len() > 5);
        for advert in adverts {
            assert_eq!(advert.ttl, 255);
            assert_eq!(advert.destination, IpAddr::from([224, 0, 0, 18]));
            assert_eq!(advert.message[3], 1, "one address");
            assert_eq!(advert.message[8..12], [10, 10, 54, 200]);
        }
        Ok(())
    })
}

/// The routes and rules of a director that are the instance's.
fn routes_and_rules(pair: &Pair, which: usize) -> Result<(Vec<Value>, Vec<Value>)> {
    let node = &pair.nodes[which];
    let mut routes = node.ip_json(&["route", "show", "table", "all"])?;
    routes.retain(|route| {
        ["192.0.2.0/24", "198.51.100.0/24"].contains(&route["dst"].as_str().unwrap_or_default())
    });
    let mut rules = node.ip_json(&["rule", "show"])?;
    rules.retain(|rule| rule["priority"] == 1234);
    Ok((routes, rules))
}

#[test]
fn routes_and_rules_are_there_while_it_is_master() -> Result<()> {
    isolated(|| {
        let tables = "
            [[vrrp.route]]
            to = \"192.0.2.0/24\"
            via = \"172.16.50.1\"
            interface = \"eth1\"
            metric = 77
            table = 100
            [[vrrp.route]]
            to = \"198.51.100.0/24\"
            interface = \"eth0\"
            source = \"10.10.54.151\"
            [[vrrp.rule]]
            from = \"10.10.54.0/24\"
            table = 100
            priority = 1234
            ";
        let pair = Pair::of(|priority| Instance::v3(priority).table(tables))?;
        let none = (Vec::new(), Vec::new());
        let there = |which: usize| -> Result<()> {
            let (routes, rules) = routes_and_rules(&pair, which)?;
            let find = |to: &str| routes.iter().find(|it| it["dst"] == to).context("no route");
            let first = find("192.0.2.0/24")?;
            assert_eq!(first["gateway"], "172.16.50.1");
            assert_eq!(first["dev"], "eth1");
            assert_eq!(first["metric"], 77);
            assert_eq!(first["table"], "100");
            let second = find("198.51.100.0/24")?;
            assert_eq!(second["dev"], "eth0");
            assert_eq!(second["prefsrc"], "10.10.54.151");
            assert_eq!(rules.len(), 1, "{rules:?}");
            assert_eq!(rules[0]["src"], "10.10.54.0");
            assert_eq!(rules[0]["table"], "100");
            Ok(())
        };
        wait_until("routes are there", PATIENCE, || {
            Ok(routes_and_rules(&pair, MASTER)? != none)
        })?;
        there(MASTER)?;
        assert_eq!(routes_and_rules(&pair, BACKUP)?, none);
        pair.directors[MASTER].vrrp("resign", None)?;
        pair.wait(BACKUP)?;
        wait_until("routes are there", PATIENCE, || {
            Ok(routes_and_rules(&pair, BACKUP)? != none)
        })?;
        wait_until("routes are gone", PATIENCE, || {
            Ok(routes_and_rules(&pair, MASTER)? == none)
        })?;
        there(BACKUP)
    })
}

#[test]
fn all_addresses_are_announced_on_both_sides_when_they_move() -> Result<()> {
    isolated(|| {
        let net = Article::pair(2)?;
        let both = |priority| {
            let mut instance = Instance::v3(priority);
            instance
                .addresses
                .push((format!("{}/64", Article::VIP6), "eth0"));
            instance
                .addresses
                .push((format!("{}/64", Article::GATEWAY6), "eth1"));
            instance.table("[vrrp.announce]\nrepeat = 3\ndelay = \"500ms\"")
        };
        let configs = PRIORITIES.map(|priority| both(priority).toml() + &web(&net));
        let pair = Pair::start(net, &configs, &both(1).held())?;
        // The master's own second time is over.
        std::thread::sleep(SECOND);
        let outside = Capture::start(&pair.net.client)?;
        let inside = Capture::start(&pair.net.servers[0])?;
        pair.directors[MASTER].vrrp("resign", None)?;
        pair.wait(BACKUP)?;
        std::thread::sleep(SECOND + SECOND / 2);
        let (outside, inside) = (outside.stop()?, inside.stop()?);
        for (frames, interface, addresses) in [
            (
                &outside,
                "eth0",
                [Article::VIRTUAL[0], Article::VIRTUAL6[0]],
            ),
            (&inside, "eth1", [Article::VIRTUAL[1], Article::VIRTUAL6[1]]),
        ] {
            let link = pair.nodes[BACKUP].ip_json(&["link", "show", interface])?;
            let mac: Vec<u8> = link[0]["address"]
                .as_str()
                .unwrap()
                .split(':')
                .map(|byte| u8::from_str_radix(byte, 16))
                .collect::<Result<_, _>>()?;
            for address in addresses {
                let told: Vec<&Frame> = frames
                    .iter()
                    .filter(|frame| frame.announced() == Some(address))
                    .collect();
                // Three rounds, three again after half a second, and single ones in between.
                assert!(told.len() >= 6, "{address}: {told:?}");
                for frame in &told {
                    assert_eq!(frame.source().unwrap().as_slice(), mac);
                }
                let later = |frame: &&&Frame| frame.at.duration_since(told[0].at) >= 2 * SECOND / 5;
                assert!(
                    told.iter().filter(later).count() >= 3,
                    "{address}: {told:?}"
                );
            }
        }
        Ok(())
    })
}

#[test]
fn an_address_is_added_while_master_without_a_second_master_or_a_lost_request() -> Result<()> {
    isolated(|| {
        let more = |priority| {
            let mut instance = Instance::v3(priority);
            instance
                .addresses
                .push(("10.10.54.152/24".to_owned(), "eth0"));
            instance
        };
        let mut pair = Pair::of(Instance::v3)?;
        let watch = Watch::start(&pair.nodes, &pair.addresses)?;
        pair.loses_nothing(|pair| {
            for which in [MASTER, BACKUP] {
                let config = more(PRIORITIES[which]).toml() + &web(&pair.net);
                pair.directors[which].reload(&config)?;
                std::thread::sleep(SECOND);
            }
            Ok(())
        })?;
        let seen = watch.stop()?;
        assert_eq!(seen.missing(), Duration::ZERO, "{}", pair.logs());
        assert_eq!(seen.doubled(), Duration::ZERO, "{}", pair.logs());
        assert_eq!(seen.moves(), 0);
        assert_eq!(pair.report(MASTER)?["counters"]["became_master"], 1);
        pair.addresses.push("10.10.54.152".parse()?);
        pair.wait(MASTER)?;
        pair.directors[MASTER].vrrp("resign", None)?;
        pair.wait(BACKUP)?;
        // And taken away again, on the master first.
        pair.addresses.pop();
        for which in [BACKUP, MASTER] {
            let config = Instance::v3(PRIORITIES[which]).toml() + &web(&pair.net);
            pair.directors[which].reload(&config)?;
        }
        wait_until("the address is gone", PATIENCE, || {
            let gone = pair.nodes[BACKUP].address("10.10.54.152".parse()?)?;
            Ok(gone.is_none())
        })?;
        pair.stays(BACKUP, SECOND / 2)?;
        pair.serves(4)
    })
}

#[test]
fn an_instance_that_leaves_the_configuration_leaves_nothing_behind() -> Result<()> {
    isolated(|| {
        let mut pair = Pair::of(Instance::v3)?;
        let alone = web(&pair.net);
        pair.directors[MASTER].reload(&alone)?;
        pair.wait(BACKUP)?;
        let config = Instance::v3(PRIORITIES[MASTER]).toml() + &alone;
        pair.directors[MASTER].reload(&config)?;
        pair.wait(MASTER)?;
        pair.stays(MASTER, SECOND / 2)
    })
}
