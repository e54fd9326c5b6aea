//! What else a director meets: adverts that are none, plugins that hang.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use crate::support::pair::{BACKUP, MASTER, PRIORITIES, Pair, web};
use crate::support::vrrp::Instance;
use crate::support::{PATIENCE, Service, servers};
use anyhow::{Context as _, Result};
use evenkeel_tests::{Article, Capture, Evenkeel, Node, Paths, Watch, isolated, isolated_with};
use socket2::{Domain, Protocol, Socket, Type};

const SECOND: Duration = Duration::from_secs(1);
/// Where adverts go.
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// The client, as the sender of adverts.
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 10, 54, 10);

/// Sends packets of protocol 112 from a machine.
struct Sender(Socket);

impl Sender {
    fn new(node: &Node, ttl: u32) -> Result<Self> {
        let socket =
            node.enter(|| Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(112))))??;
        socket.set_multicast_ttl_v4(ttl)?;
        socket.set_multicast_if_v4(&CLIENT)?;
        socket.bind(&SocketAddr::from((CLIENT, 0)).into())?;
        Ok(Self(socket))
    }

    fn send(&self, message: &[u8]) -> Result<()> {
        self.0
            .send_to(message, &SocketAddr::from((GROUP, 0)).into())?;
        Ok(())
    }
}

/// An advert of version 3 (RFC 5798) from the client, every 100 ms.
fn advert(router_id: u8, priority: u8, addresses: &[Ipv4Addr]) -> Result<Vec<u8>> {
    let count = u8::try_from(addresses.len())?;
    let mut message = vec![0x31, router_id, priority, count, 0, 10, 0, 0];
    message.extend(addresses.iter().flat_map(|it| it.octets()));
    let length = u16::try_from(message.len())?;
    let mut summed = [CLIENT.octets(), GROUP.octets()].concat();
    summed.extend([0, 112]);
    summed.extend(length.to_be_bytes());
    summed.extend(&message);
    let sum: u32 = summed
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !u16::try_from(folded)?;
    message[6..8].copy_from_slice(&checksum.to_be_bytes());
    Ok(message)
}

#[test]
fn adverts_that_are_none_are_counted_and_change_nothing() -> Result<()> {
    isolated(|| {
        let pair = Pair::of(Instance::v3)?;
        let [vip, gateway] = [Article::VIP, Article::GATEWAY];
        let good = advert(51, 255, &[vip, gateway])?;
        let watch = Watch::start(&pair.nodes, &pair.addresses)?;
        let before = pair.report(BACKUP)?["counters"].clone();

        let near = Sender::new(&pair.net.client, 255)?;
        // Cut short, at every length.
        for length in 0..good.len() {
            near.send(&good[..length])?;
        }
        // One bit wrong, at every place.
        for bit in 0..good.len() * 8 {
            let mut wrong = good.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            near.send(&wrong)?;
        }
        // Something else altogether, and far too long.
        near.send(&[0xff; 1400])?;
        near.send(&advert(51, 255, &[vip; 255])?[..1000])?;
        // Another virtual router's.
        near.send(&advert(52, 255, &[vip, gateway])?)?;
        // Perfect, but from afar.
        let far = Sender::new(&pair.net.client, 254)?;
        for _ in 0..3 {
            far.send(&good)?;
        }
        let counters = |pair: &Pair| anyhow::Ok(pair.report(BACKUP)?["counters"].clone());
        let more = |name: &str| -> Result<u64> {
            let now = counters(&pair)?[name].as_u64().context("no such counter")?;
            Ok(now - before[name].as_u64().context("no such counter")?)
        };
        pair.directors[BACKUP].wait_status("the last ones are counted", PATIENCE, |status| {
            status["vrrp"]["instances"][0]["counters"]["ttl_errors"] == 3
        })?;
        assert!(more("checksum_errors")? > 50, "{:#}", counters(&pair)?);
        assert!(more("malformed")? > 2, "{:#}", counters(&pair)?);
        std::thread::sleep(SECOND / 2);
        let seen = watch.stop()?;
        assert_eq!(seen.missing(), Duration::ZERO, "{}", pair.logs());
        assert_eq!(seen.doubled(), Duration::ZERO, "{}", pair.logs());
        assert_eq!(seen.moves(), 0);
        assert_eq!(pair.report(MASTER)?["state"], "master");
        // The sender itself is right: this one is believed, for as long as it goes on.
        near.send(&good)?;
        pair.wait_state(MASTER, "backup")?;
        pair.wait(MASTER)?;
        pair.serves(5)
    })
}

#[test]
fn a_machine_without_a_moment_to_spare_delays_no_advert_where_real_time_is_allowed() -> Result<()> {
    isolated(|| {
        let pair = Pair::of(Instance::v3)?;
        for director in &pair.directors {
            // The Lab has all rights but, in a container, that to real time.
            let realtime = director.status()?["vrrp"]["realtime"].clone();
            assert!(realtime.is_boolean(), "{realtime}");
            if realtime == false {
                return Ok(());
            }
        }
        let watch = Watch::start(&pair.nodes, &pair.addresses)?;
        let busy: Vec<_> = (0..8)
            .map(|_| {
                let mut command = Command::new("sh");
                command.args(["-c", "while :; do :; done"]);
                pair.net.client.spawn("busy", command)
            })
            .collect::<Result<_>>()?;
        std::thread::sleep(2 * SECOND);
        drop(busy);
        let seen = watch.stop()?;
        assert_eq!(seen.moves(), 0, "{}", pair.logs());
        assert_eq!(seen.doubled(), Duration::ZERO, "{}", pair.logs());
        assert_eq!(pair.report(BACKUP)?["counters"]["became_master"], 0);
        Ok(())
    })
}

#[test]
fn a_plugin_that_never_answers_delays_no_advert() -> Result<()> {
    isolated(|| {
        let net = Article::pair(2)?;
        // They plan once, and spin when they are asked again since a server has gone.
        let late = "scheduler = { plugin = \"misbehave\", settings = { how = \"late\", then = \"spin\" } }";
        let [good, spinning] = [2, 1].map(|count| {
            let services = (81..85).map(|port| {
                Service::new(&format!("spin{port}"), net.vip(port))
                    .with(late)
                    .servers(servers(&net, port).into_iter().take(count))
                    .text()
            });
            services.collect::<String>()
        });
        let configs = PRIORITIES.map(|priority| Instance::v3(priority).toml() + &web(&net));
        let mut pair = Pair::prepare(net, &configs, &Article::VIRTUAL)?;
        for director in &mut pair.directors {
            director.add_plugin_dir(Paths::default().test_plugins);
            director.start()?;
        }
        pair.wait(MASTER)?;
        let watch = Watch::start(&pair.nodes, &pair.addresses)?;
        let capture = Capture::start(&pair.net.client)?;
        for more in [good, spinning] {
            for (director, config) in pair.directors.iter_mut().zip(&configs) {
                director.reload(&(config.clone() + &more))?;
            }
            for director in &pair.directors {
                director.wait_status("five services", PATIENCE, |status| {
                    status["services"]
                        .as_array()
                        .is_some_and(|it| it.len() == 5)
                })?;
            }
        }
        for director in &mut pair.directors {
            for port in 81..85 {
                let failed = format!("its last good plan stays service=\"spin{port}\"");
                director.wait_log(&failed, PATIENCE)?;
            }
        }
        std::thread::sleep(SECOND);
        let (seen, frames) = (watch.stop()?, capture.stop()?);
        assert_eq!(seen.moves(), 0, "{}", pair.logs());
        assert_eq!(seen.doubled(), Duration::ZERO, "{}", pair.logs());
        let adverts = frames.iter().filter(|frame| frame.advert().is_some());
        // None was so late that the other director took over: that would have been a move.
        assert!(adverts.count() > 5);
        pair.serves(5)
    })
}

/// The daemon without the right to raw sockets, as under a service manager that does not grant it.
fn without_raw_sockets(node: &Node) -> Result<Paths> {
    let paths = Paths::default();
    let program = node.dir().join("evenkeel-without-raw-sockets");
    let text = format!(
        "#!/bin/sh\nexec setpriv --bounding-set=-net_raw --inh-caps=-net_raw {} \"$@\"\n",
        paths.binary.display()
    );
    fs::write(&program, text)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    Ok(Paths {
        binary: program,
        ..paths
    })
}

#[test]
fn a_director_that_cannot_open_its_socket_leaves_the_healthy_one_master() -> Result<()> {
    isolated_with(&["setpriv"], || {
        let net = Article::pair(2)?;
        // The one that is deaf has the higher priority.
        let [high, low] = PRIORITIES;
        let configs = [low, high].map(|priority| Instance::v3(priority).toml() + &web(&net));
        let mut pair = Pair::prepare(net, &configs, &Article::VIRTUAL)?;
        let node = pair.nodes[BACKUP].clone();
        let deaf = Evenkeel::with_paths(&node, &configs[BACKUP], without_raw_sockets(&node)?)?;
        pair.directors[BACKUP] = deaf;
        pair.directors[MASTER].start()?;
        pair.wait(MASTER)?;

        let watch = Watch::start(&pair.nodes, &pair.addresses)?;
        pair.directors[BACKUP].start()?;
        pair.directors[BACKUP].wait_log("FAULT", PATIENCE)?;
        std::thread::sleep(2 * SECOND);
        let seen = watch.stop()?;
        assert_eq!(seen.moves(), 0, "{}", pair.logs());
        assert_eq!(seen.doubled(), Duration::ZERO, "{}", pair.logs());
        let report = pair.report(BACKUP)?;
        assert_eq!(report["state"], "fault", "{report:#}");
        assert!(
            report["reasons"].to_string().contains("CAP_NET_RAW"),
            "{report:#}"
        );
        assert!(pair.directors[BACKUP].log().contains("CAP_NET_RAW"));
        pair.serves(5)?;

        // Alone, it is not master either: nobody could hear it.
        pair.directors[MASTER].sigterm()?;
        std::thread::sleep(SECOND);
        assert!(
            !pair.nodes[BACKUP]
                .addresses()?
                .contains(&Article::VIRTUAL[0])
        );
        pair.directors[MASTER].start()?;
        pair.wait(MASTER)?;
        pair.directors[BACKUP].sigterm()?;
        // With the right to it, it takes over.
        pair.directors[BACKUP] = Evenkeel::new(&node, &configs[BACKUP])?;
        pair.directors[BACKUP].start()?;
        pair.wait(BACKUP).map(drop)
    })
}

/// Pauses a director that is backup for a while, as a virtual machine that is moved, and again: nothing comes of it.
fn pause(pair: &mut Pair, which: usize, time: Duration) -> Result<()> {
    let master = ["10.10.54.156", "10.10.54.155"][which];
    pair.directors[which].wait_status("it knows the master", PATIENCE, |status| {
        status["vrrp"]["instances"][0]["master"] == master
    })?;
    let before = pair.report(which)?["counters"]["became_master"].clone();
    let watch = Watch::start(&pair.nodes, &pair.addresses)?;
    for _ in 0..3 {
        pair.directors[which].pause()?;
        std::thread::sleep(time);
        pair.directors[which].resume()?;
        std::thread::sleep(SECOND);
    }
    let seen = watch.stop()?;
    assert_eq!(seen.moves(), 0, "{}", pair.logs());
    assert_eq!(seen.doubled(), Duration::ZERO, "{}", pair.logs());
    assert_eq!(pair.report(which)?["counters"]["became_master"], before);
    Ok(())
}

#[test]
fn a_backup_that_was_paused_is_not_master_for_an_instant_when_it_wakes() -> Result<()> {
    isolated(|| {
        let mut pair = Pair::of(Instance::v3)?;
        pause(&mut pair, BACKUP, 2 * SECOND)
    })
}

#[test]
fn a_backup_that_is_not_to_preempt_leaves_the_master_alone_when_it_wakes() -> Result<()> {
    isolated(|| {
        // The better one comes back to a healthy master.
        let mut pair = Pair::of(|priority| Instance::v3(priority).with("preempt = false"))?;
        pair.directors[MASTER].sigterm()?;
        pair.wait(BACKUP)?;
        pair.directors[MASTER].start()?;
        pause(&mut pair, MASTER, SECOND / 2)
    })
}

#[test]
fn adverts_keep_their_pace_beside_a_plan_of_65_521_slots_that_changes_all_the_time() -> Result<()> {
    isolated(|| {
        let net = Article::pair(2)?;
        let with = |priority, weight: usize| {
            let mut service = Service::new("wide", net.vip(81))
                .with("scheduler = { plugin = \"maglev\", settings = { size = 65521 } }");
            for n in 0..50_u16 {
                let weight = if usize::from(n) % 2 == 0 { weight } else { 5 };
                service = service.server(net.server(0, 8000 + n), &format!("weight = {weight}"));
            }
            Instance::v3(priority).toml() + &web(&net) + &service.text()
        };
        let configs = PRIORITIES.map(|priority| with(priority, 1));
        let changed = [9, 1, 9, 1, 9, 1].map(|weight| with(PRIORITIES[MASTER], weight));
        let held = Instance::v3(1).held();
        let mut pair = Pair::start(net, &configs, &held)?;
        let slots = |pair: &Pair| {
            pair.directors[MASTER].wait_status("all slots", PATIENCE, |status| {
                status["services"][1]["slots"] == 65_521
            })
        };
        slots(&pair)?;
        let watch = Watch::start(&pair.nodes, &pair.addresses)?;
        let capture = Capture::start(&pair.nodes[BACKUP])?;
        for config in &changed {
            let before = pair.directors[MASTER].status()?["services"][1]["plan"].clone();
            pair.directors[MASTER].reload(config)?;
            pair.directors[MASTER].wait_status("another plan", PATIENCE, |status| {
                status["services"][1]["plan"] != before
            })?;
            std::thread::sleep(SECOND);
        }
        let frames = capture.stop()?;
        let seen = watch.stop()?;
        let adverts: Vec<_> = frames.iter().filter(|it| it.advert().is_some()).collect();
        let gaps = adverts.windows(2).map(|pair| pair[1].at - pair[0].at);
        let longest = gaps.max().context("there are adverts")?;
        writeln!(
            std::io::stderr().lock(),
            "longest time between two of {} adverts: {longest:?}, of an interval of 100 ms",
            adverts.len()
        )?;
        let elsewhere = seen.longest(|held| !held[BACKUP].is_empty());
        assert!(
            elsewhere.is_zero(),
            "the backup took over for {elsewhere:?}\n{}",
            pair.logs()
        );
        assert!(adverts.len() > 50, "{}", adverts.len());
        Ok(())
    })
}
