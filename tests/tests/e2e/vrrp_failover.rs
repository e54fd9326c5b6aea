//! A pair of Evenkeel directors: whatever happens to one, the other has both addresses, and clients hardly notice.

use std::net::IpAddr;
use std::time::Duration;

use crate::support::PATIENCE;
use crate::support::pair::{BACKUP, MASTER, PRIORITIES, Pair, web};
use crate::support::vrrp::Instance;
use anyhow::Result;
use evenkeel_tests::{Article, Capture, Client, Frame, Ping, Watch, isolated, sole_holder};

const SECOND: Duration = Duration::from_secs(1);
/// How long a director may have one address and not the other on a busy machine: both are set in one go.
const MOMENT: Duration = Duration::from_millis(300);

#[test]
fn one_director_has_both_addresses_and_the_other_takes_over_when_it_dies() -> Result<()> {
    isolated(|| {
        let mut pair = Pair::of(Instance::v3)?;
        assert_eq!(pair.report(MASTER)?["state"], "master");
        pair.directors[BACKUP].wait_status("it knows the master", PATIENCE, |status| {
            let report = &status["vrrp"]["instances"][0];
            report["state"] == "backup" && report["master"] == "10.10.54.155"
        })?;
        pair.serves(10)?;
        // The rules are there before the addresses.
        let rules = pair.nodes[BACKUP].run("nft", &["list", "table", "inet", "evenkeel"])?;
        assert!(rules.contains("10.10.54.151"), "{rules}");

        let ping = Ping::start(&pair.net.client, Article::VIRTUAL[0], SECOND / 200)?;
        std::thread::sleep(SECOND / 4);
        pair.die(MASTER)?;
        pair.wait_has(BACKUP)?;
        pair.serves(10)?;
        std::thread::sleep(SECOND / 4);
        let pings = ping.stop()?;
        assert!(
            pings.gap() > SECOND / 10,
            "nobody noticed: {:?}",
            pings.gap()
        );
        assert!(pings.gap() < 2 * SECOND, "{:?}", pings.gap());

        pair.come_back(MASTER)?;
        pair.wait(MASTER)?;
        pair.serves(10)?;
        pair.stays(MASTER, SECOND)
    })
}

#[test]
fn a_director_that_hangs_is_replaced_and_has_no_address_when_it_wakes_up() -> Result<()> {
    isolated(|| {
        let mut pair = Pair::of(|priority| Instance::v3(priority).with("preempt = false"))?;
        pair.directors[MASTER].pause()?;
        pair.wait_has(BACKUP)?;
        pair.serves(10)?;
        std::thread::sleep(SECOND / 2);
        pair.directors[MASTER].resume()?;
        // It still thinks that it is master, and has the higher priority: either may be the one.
        std::thread::sleep(SECOND);
        let holder = sole_holder(&pair.nodes, &pair.addresses)?;
        assert!(holder.is_some(), "{}", pair.logs());
        pair.stays(holder.unwrap(), SECOND)?;
        pair.serves(10)
    })
}

#[test]
fn the_kernel_takes_the_addresses_of_a_hanging_director_away_when_it_is_told_to() -> Result<()> {
    isolated(|| {
        let mut pair =
            Pair::of(|priority| Instance::v3(priority).with("address_lifetime = \"2s\""))?;
        // Confirmed all the time, they stay.
        pair.stays(MASTER, 4 * SECOND)?;
        pair.directors[MASTER].pause()?;
        pair.wait_has(BACKUP)?;
        pair.wait(BACKUP)?;
        pair.serves(10)?;
        pair.directors[MASTER].resume()?;
        pair.wait(MASTER)?;
        pair.stays(MASTER, SECOND)?;
        pair.serves(10)
    })
}

#[test]
fn a_killed_director_that_is_back_at_once_keeps_its_addresses() -> Result<()> {
    isolated(|| {
        // More than nine seconds until it is replaced: also a busy machine starts it again in time.
        let mut pair = Pair::of(|priority| Instance {
            interval: 3 * SECOND,
            ..Instance::v2(priority)
        })?;
        let watch = Watch::start(&pair.nodes, &pair.addresses)?;
        pair.loses_nothing(|pair| {
            pair.directors[MASTER].kill9()?;
            pair.directors[MASTER].start()?;
            pair.wait_state(MASTER, "master").map(drop)
        })?;
        let seen = watch.stop()?;
        assert_eq!(seen.missing(), Duration::ZERO, "{}", pair.logs());
        assert_eq!(seen.doubled(), Duration::ZERO, "{}", pair.logs());
        assert_eq!(seen.moves(), 0);
        assert_eq!(pair.report(MASTER)?["state"], "master");
        Ok(())
    })
}

#[test]
fn a_killed_director_that_was_replaced_gives_its_old_addresses_up_when_it_is_back() -> Result<()> {
    isolated(|| {
        let mut pair = Pair::of(|priority| Instance::v3(priority).with("preempt = false"))?;
        pair.directors[MASTER].kill9()?;
        pair.wait_has(BACKUP)?;
        let held = pair.nodes[MASTER].addresses()?;
        assert!(
            held.contains(&pair.addresses[0]),
            "a dead daemon takes nothing away"
        );
        pair.directors[MASTER].start()?;
        pair.wait(BACKUP)?;
        pair.stays(BACKUP, SECOND)?;
        assert_eq!(pair.report(MASTER)?["state"], "backup");
        pair.serves(10)
    })
}

#[test]
fn a_killed_director_with_the_higher_priority_takes_over_again_when_it_is_back() -> Result<()> {
    isolated(|| {
        let mut pair = Pair::of(Instance::v3)?;
        pair.directors[MASTER].kill9()?;
        pair.wait_has(BACKUP)?;
        pair.directors[MASTER].start()?;
        pair.wait(MASTER)?;
        pair.stays(MASTER, SECOND)?;
        pair.serves(10)
    })
}

/// Both addresses move together when one link of the master fails, and come back together.
fn moves_as_one(interface: &str, configs: impl Fn(u8) -> Instance) -> Result<()> {
    let mut pair = Pair::of(configs)?;
    fails_as_one(&mut pair, interface)
}

fn fails_as_one(pair: &mut Pair, interface: &str) -> Result<()> {
    for cut in [true, false] {
        let watch = Watch::start(&pair.nodes, &pair.addresses)?;
        let master = &pair.nodes[MASTER];
        if cut {
            master.cut(interface)?;
        } else {
            master.link_down(interface)?;
        }
        pair.wait(BACKUP)?;
        pair.serves(10)?;
        pair.wait_state(MASTER, "fault")?;
        pair.stays(BACKUP, SECOND / 2)?;
        if cut {
            pair.nodes[MASTER].mend(interface)?;
        } else {
            pair.nodes[MASTER].link_up(interface)?;
        }
        pair.wait(MASTER)?;
        pair.stays(MASTER, SECOND / 2)?;
        let seen = watch.stop()?;
        assert!(
            seen.divided() < MOMENT,
            "{:?}\n{}",
            seen.divided(),
            pair.logs()
        );
        assert_eq!(seen.moves(), 2);
        pair.serves(10)?;
    }
    Ok(())
}

#[test]
fn both_addresses_move_together_when_only_the_private_link_fails() -> Result<()> {
    isolated(|| moves_as_one("eth1", Instance::v3))
}

#[test]
fn both_addresses_move_together_when_only_the_public_link_fails() -> Result<()> {
    isolated(|| moves_as_one("eth0", Instance::v3))
}

#[test]
fn while_the_private_side_is_away_for_both_nobody_has_an_address() -> Result<()> {
    isolated(|| {
        let pair = Pair::of(Instance::v3)?;
        for node in &pair.nodes {
            node.cut("eth1")?;
        }
        for which in [MASTER, BACKUP] {
            pair.wait_state(which, "fault")?;
        }
        for node in &pair.nodes {
            let all = node.addresses()?;
            assert!(!pair.addresses.iter().any(|it| all.contains(it)));
        }
        pair.nodes[BACKUP].mend("eth1")?;
        pair.wait(BACKUP)?;
        pair.serves(5)?;
        pair.nodes[MASTER].mend("eth1")?;
        pair.wait(MASTER)?;
        pair.serves(5)
    })
}

#[test]
fn two_instances_in_a_sync_group_move_together_when_one_link_fails() -> Result<()> {
    isolated(|| {
        let net = Article::pair(2)?;
        let configs = PRIORITIES.map(|priority| {
            let outside = Instance::v3(priority);
            let [clients, gateway] = &outside.addresses[..] else {
                unreachable!()
            };
            let inside = Instance {
                name: "VI_2",
                interface: "eth1",
                router_id: 52,
                addresses: vec![gateway.clone()],
                ..outside.clone()
            };
            let outside = Instance {
                addresses: vec![clients.clone()],
                ..outside.clone()
            };
            let group = "[[sync_group]]\nname = \"both\"\nmembers = [\"VI_1\", \"VI_2\"]\n";
            outside.toml() + &inside.toml() + group + &web(&net)
        });
        let mut pair = Pair::start(net, &configs, &Article::VIRTUAL)?;
        let status = pair.directors[MASTER].status()?;
        assert_eq!(status["vrrp"]["groups"][0]["state"], "master");
        fails_as_one(&mut pair, "eth1")?;
        pair.directors[MASTER].vrrp("resign", Some("both"))?;
        pair.wait(BACKUP)?;
        pair.directors[MASTER].vrrp("resume", Some("both"))?;
        pair.wait(MASTER)?;
        // Only the instance of the private side goes: the other one follows.
        pair.directors[MASTER].vrrp("resign", Some("VI_2"))?;
        pair.wait(BACKUP)?;
        pair.stays(BACKUP, SECOND / 2)
    })
}

#[test]
fn ipv4_and_ipv6_addresses_of_one_instance_move_together() -> Result<()> {
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
            instance
        };
        let addresses6 = crate::support::servers6(&net, 80);
        let web6 = crate::support::Service::new("web6", net.vip6(80))
            .servers(addresses6.iter().copied())
            .text();
        let _backends = crate::support::tcp_backends(&net, &addresses6)?;
        let configs = PRIORITIES.map(|priority| both(priority).toml() + &web(&net) + &web6);
        let mut pair = Pair::start(net, &configs, &both(1).held())?;
        let client = Client::new(&pair.net.client);
        pair.serves(4)?;
        client.ask_times(pair.net.vip6(80), 4)?;
        let watch = Watch::start(&pair.nodes, &pair.addresses)?;
        pair.directors[MASTER].vrrp("resign", None)?;
        pair.wait(BACKUP)?;
        pair.serves(4)?;
        client.ask_times(pair.net.vip6(80), 4)?;
        pair.directors[MASTER].vrrp("resume", None)?;
        pair.wait(MASTER)?;
        let seen = watch.stop()?;
        assert!(seen.divided() < MOMENT, "{:?}", seen.divided());
        pair.die(MASTER)?;
        pair.wait_has(BACKUP)?;
        pair.serves(4)?;
        client.ask_times(pair.net.vip6(80), 4)?;
        Ok(())
    })
}

#[test]
fn an_ipv6_pair_takes_over_when_one_dies() -> Result<()> {
    isolated(|| {
        let net = Article::pair(2)?;
        let servers6 = crate::support::servers6(&net, 80);
        let _backends = crate::support::tcp_backends(&net, &servers6)?;
        let web6 = crate::support::Service::new("web6", net.vip6(80))
            .servers(servers6)
            .text();
        let configs = PRIORITIES.map(|priority| Instance::v6(priority).toml() + &web6);
        let mut pair = Pair::start(net, &configs, &Instance::v6(1).held())?;
        let client = Client::new(&pair.net.client);
        client.ask_times(pair.net.vip6(80), 4)?;
        pair.die(MASTER)?;
        pair.wait_has(BACKUP)?;
        client.ask_times(pair.net.vip6(80), 4)?;
        pair.come_back(MASTER)?;
        pair.wait(MASTER)?;
        pair.stays(MASTER, SECOND)?;
        client.ask_times(pair.net.vip6(80), 4)?;
        Ok(())
    })
}

#[test]
fn a_pair_of_named_peers_takes_over() -> Result<()> {
    isolated(|| {
        let net = Article::pair(2)?;
        let hosts = ["10.10.54.155", "10.10.54.156"];
        let configs = PRIORITIES.map(|priority| Instance::unicast(priority).toml() + &web(&net));
        let capture = Capture::start(&net.director)?;
        let mut pair = Pair::start(net, &configs, &Article::VIRTUAL)?;
        pair.loses_nothing(|pair| {
            pair.directors[MASTER].sigterm()?;
            pair.wait(BACKUP)?;
            pair.come_back(MASTER)?;
            pair.wait(MASTER).map(drop)
        })?;
        let frames = capture.stop()?;
        let adverts: Vec<_> = frames.iter().filter_map(Frame::advert).collect();
        assert!(adverts.len() > 10);
        let peers: Vec<IpAddr> = hosts
            .iter()
            .map(|host| host.parse())
            .collect::<Result<_, _>>()?;
        for advert in adverts {
            assert!(peers.contains(&advert.destination), "{advert:?}");
        }
        pair.die(MASTER)?;
        pair.wait_has(BACKUP)?;
        pair.serves(5)
    })
}

#[test]
fn with_a_virtual_mac_clients_never_learn_another_one() -> Result<()> {
    isolated(|| {
        let mut pair = Pair::of(|priority| Instance::v3(priority).with("virtual_mac = true"))?;
        let learnt = |pair: &Pair| -> Result<serde_json::Value> {
            pair.serves(4)?;
            let neighbours = pair
                .net
                .client
                .ip_json(&["neigh", "show", "10.10.54.151"])?;
            Ok(neighbours[0]["lladdr"].clone())
        };
        let virtual_mac = "00:00:5e:00:01:33";
        assert_eq!(learnt(&pair)?, virtual_mac);
        let capture = Capture::start(&pair.net.client)?;
        pair.directors[MASTER].vrrp("resign", None)?;
        pair.wait(BACKUP)?;
        assert_eq!(learnt(&pair)?, virtual_mac);
        pair.directors[MASTER].vrrp("resume", None)?;
        pair.wait(MASTER)?;
        assert_eq!(learnt(&pair)?, virtual_mac);
        pair.die(MASTER)?;
        pair.wait_has(BACKUP)?;
        assert_eq!(learnt(&pair)?, virtual_mac);
        let frames = capture.stop()?;
        for arp in frames.iter().filter_map(Frame::arp) {
            if arp.sender == Article::VIP {
                assert_eq!(arp.sender_mac, [0, 0, 0x5e, 0, 1, 0x33]);
            }
        }
        pair.come_back(MASTER)?;
        pair.wait(MASTER)?;
        pair.stays(MASTER, SECOND)
    })
}
