//! A director that is worse off gives way, and everyone who wants to know is told.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::pair::{BACKUP, MASTER, PRIORITIES, Pair, checked_web, web};
use crate::support::vrrp::Instance;
use crate::support::{PATIENCE, Service, hold, holding_backends, servers};
use anyhow::Result;
use evenkeel_tests::{Article, Capture, Client, Frame, Node, Watch, isolated, wait_until};

const SECOND: Duration = Duration::from_secs(1);

/// A pair whose master alone has these tables.
fn pair(tables: impl Fn(&Article) -> String) -> Result<Pair> {
    let net = Article::pair(2)?;
    let tables = tables(&net);
    let master = Instance::v3(PRIORITIES[MASTER]).table(&tables).toml() + &web(&net);
    let backup = Instance::v3(PRIORITIES[BACKUP]).toml() + &web(&net);
    Pair::start(net, &[master, backup], &Article::VIRTUAL)
}

/// The master gives way while something tracked fails, and says why.
fn gives_way(
    pair: &Pair,
    state: &str,
    reason: &str,
    fail: impl FnOnce() -> Result<()>,
    heal: impl FnOnce() -> Result<()>,
) -> Result<()> {
    fail()?;
    pair.wait(BACKUP)?;
    pair.wait_state(MASTER, state)?;
    pair.stays(BACKUP, SECOND / 2)?;
    let report = pair.report(MASTER)?;
    assert!(report["reasons"].to_string().contains(reason), "{report:#}");
    let priority = if state == "fault" { 120 } else { 70 };
    assert_eq!(report["priority"], priority, "{report:#}");
    let table = pair.directors[MASTER].status_table()?;
    assert!(table.contains(reason), "{table}");
    pair.serves(5)?;
    heal()?;
    pair.wait(MASTER)?;
    pair.stays(MASTER, SECOND / 2)?;
    let report = pair.report(MASTER)?;
    assert_eq!(report["reasons"], serde_json::json!([]));
    assert_eq!(report["priority"], 120);
    pair.serves(5)
}

/// Keeps a director's checks from reaching any server: only its own packets, not those that it forwards.
fn block_checks(node: &Node) -> Result<()> {
    let rules = "table inet blocked {\nchain out {\ntype filter hook output priority 0\ntcp dport 80 drop\n}\n}\n";
    let file = node.dir().join("blocked.nft");
    fs::write(&file, rules)?;
    node.run("nft", &["-f", &file.to_string_lossy()]).map(drop)
}

fn unblock_checks(node: &Node) -> Result<()> {
    node.run("nft", &["delete table inet blocked"]).map(drop)
}

fn lost_quorum(state: &str, weight: i16) -> Result<()> {
    let net = Article::pair(2)?;
    let web = checked_web(&net).servers(servers(&net, 80)).text();
    let track = format!("[[vrrp.track]]\nservice = \"web\"\nweight = {weight}");
    let configs = PRIORITIES.map(|priority| Instance::v3(priority).table(&track).toml() + &web);
    let pair = Pair::start(net, &configs, &Article::VIRTUAL)?;
    let master = &pair.nodes[MASTER];
    let before = pair.report(MASTER)?["priority"].clone();
    assert_eq!(before, 120);
    gives_way(
        &pair,
        state,
        "service web",
        || block_checks(master),
        || unblock_checks(master),
    )
}

#[test]
fn a_director_whose_service_has_lost_its_servers_goes_into_fault() -> Result<()> {
    isolated(|| lost_quorum("fault", 0))
}

#[test]
fn a_director_whose_service_has_lost_its_servers_gives_way_by_weight() -> Result<()> {
    isolated(|| lost_quorum("backup", -50))
}

#[test]
fn a_director_without_servers_stays_master_when_the_other_has_none_either() -> Result<()> {
    isolated(|| {
        let net = Article::pair(2)?;
        let web = checked_web(&net)
            .with("quorum = 2")
            .servers(servers(&net, 80))
            .text();
        let track = "[[vrrp.track]]\nservice = \"web\"\nweight = -50";
        let configs = PRIORITIES.map(|priority| Instance::v3(priority).table(track).toml() + &web);
        let mut pair = Pair::start(net, &configs, &Article::VIRTUAL)?;
        pair.serves(5)?;
        // One server of two is less than the quorum, for both directors.
        drop(pair.backends.pop());
        for director in &pair.directors {
            director.wait_status("the quorum is lost", PATIENCE, |status| {
                status["services"][0]["quorum"] == false
            })?;
        }
        pair.wait(MASTER)?;
        pair.stays(MASTER, SECOND)?;
        pair.serves(5)
    })
}

#[test]
fn a_reload_while_servers_are_full_loses_no_quorum_and_moves_no_address() -> Result<()> {
    isolated(|| {
        let net = Article::pair(2)?;
        let addresses = servers(&net, 81);
        let _backends = holding_backends(&net, &addresses)?;
        let limited = addresses
            .iter()
            .fold(Service::new("held", net.vip(81)), |service, address| {
                service.server(*address, "upper_threshold = 1")
            });
        let services = limited.text() + &web(&net);
        let more = Service::new("more", net.vip(82)).servers(addresses.clone());
        let track = "[[vrrp.track]]\nservice = \"held\"\nweight = -50";
        let configs =
            PRIORITIES.map(|priority| Instance::v3(priority).table(track).toml() + &services);
        let mut pair = Pair::start(net, &configs, &Article::VIRTUAL)?;
        let _held = hold(&Client::new(&pair.net.client), pair.net.vip(81), 2)?;
        for address in &addresses {
            pair.directors[MASTER].wait_health("held", &address.to_string(), "full", PATIENCE)?;
        }
        pair.directors[MASTER].reload(&(configs[MASTER].clone() + &more.text()))?;
        pair.directors[MASTER].wait_status("the new configuration", PATIENCE, |status| {
            status["services"][2]["name"] == "more" && status["settled"] == true
        })?;
        pair.stays(MASTER, SECOND)?;
        let status = pair.directors[MASTER].status()?;
        assert_eq!(status["services"][0]["quorum"], true, "{status:#}");
        assert_eq!(pair.report(MASTER)?["priority"], 120);
        Ok(())
    })
}

#[test]
fn a_director_gives_way_while_a_script_hangs() -> Result<()> {
    isolated(|| {
        let sign = Path::new("/run/evenkeel-lab/healthy");
        fs::write(sign, "")?;
        let net = Article::pair(2)?;
        let script = "[[script]]\nname = \"healthy\"\ncommand = [\"sh\", \"-c\", \"test -e /run/evenkeel-lab/healthy || sleep 1000\"]\n\
                      interval = \"100ms\"\ntimeout = \"1s\"\nrise = 2\nfall = 2\n";
        let track = "[[vrrp.track]]\nscript = \"healthy\"\nweight = -50";
        let master = Instance::v3(PRIORITIES[MASTER]).table(track).toml() + script + &web(&net);
        let backup = Instance::v3(PRIORITIES[BACKUP]).toml() + &web(&net);
        let pair = Pair::start(net, &[master, backup], &Article::VIRTUAL)?;
        gives_way(
            &pair,
            "backup",
            "script healthy",
            || Ok(fs::remove_file(sign)?),
            || Ok(fs::write(sign, "")?),
        )
    })
}

#[test]
fn a_script_that_a_reload_adds_moves_nothing_before_it_has_run() -> Result<()> {
    isolated(|| {
        let mut pair = Pair::of(Instance::v3)?;
        let script = "[[script]]\nname = \"slow\"\ncommand = [\"sleep\", \"1\"]\n\
                      interval = \"2s\"\ntimeout = \"5s\"\n";
        let track = "[[vrrp.track]]\nscript = \"slow\"";
        let watch = Watch::start(&pair.nodes, &pair.addresses)?;
        for which in [MASTER, BACKUP] {
            let instance = Instance::v3(PRIORITIES[which]).table(track).toml();
            let config = instance + script + &web(&pair.net);
            pair.directors[which].reload(&config)?;
        }
        for director in &pair.directors {
            director.wait_log("tracked script succeeds", PATIENCE)?;
        }
        std::thread::sleep(SECOND / 2);
        let seen = watch.stop()?;
        assert_eq!(seen.moves(), 0, "{}", pair.logs());
        assert_eq!(seen.missing(), Duration::ZERO, "{}", pair.logs());
        assert_eq!(pair.report(MASTER)?["counters"]["became_master"], 1);
        pair.wait_state(BACKUP, "backup").map(drop)
    })
}

#[test]
fn a_director_gives_way_by_the_number_in_a_file() -> Result<()> {
    isolated(|| {
        let number = Path::new("/run/evenkeel-lab/number");
        fs::write(number, "0\n")?;
        let pair =
            pair(|_| "[[vrrp.track]]\nfile = \"/run/evenkeel-lab/number\"\nweight = 2".to_owned())?;
        gives_way(
            &pair,
            "backup",
            "file /run/evenkeel-lab/number",
            || Ok(fs::write(number, "-25\n")?),
            || Ok(fs::write(number, "0\n")?),
        )
    })
}

#[test]
fn a_director_goes_into_fault_without_a_process() -> Result<()> {
    isolated(|| {
        // A name that no other process has, also not in another director's network.
        let program = PathBuf::from("/run/evenkeel-lab/ek-sentinel");
        fs::copy("/bin/sleep", &program)?;
        let start = |node: &Node| {
            let mut command = Command::new(&program);
            command.arg("1000");
            node.spawn("sentinel", command)
        };
        let net = Article::pair(2)?;
        let mut sentinel = start(&net.director)?;
        let track = "[[vrrp.track]]\nprocess = \"ek-sentinel\"";
        let master = Instance::v3(PRIORITIES[MASTER]).table(track).toml() + &web(&net);
        let backup = Instance::v3(PRIORITIES[BACKUP]).toml() + &web(&net);
        let pair = Pair::start(net, &[master, backup], &Article::VIRTUAL)?;
        let mut again = None;
        gives_way(
            &pair,
            "fault",
            "process ek-sentinel",
            || sentinel.kill9(),
            || {
                again = Some(start(&pair.nodes[MASTER])?);
                Ok(())
            },
        )
    })
}

#[test]
fn a_director_gives_way_while_another_interface_is_down() -> Result<()> {
    isolated(|| {
        let pair = pair(|net| {
            net.lab
                .cable(&net.director, "eth2", &net.client, "eth9")
                .unwrap();
            "[[vrrp.track]]\ninterface = \"eth2\"\nweight = -50".to_owned()
        })?;
        let master = &pair.nodes[MASTER];
        gives_way(
            &pair,
            "backup",
            "interface eth2",
            || master.cut("eth2"),
            || master.mend("eth2"),
        )
    })
}

/// Writes a program that adds its arguments to a file, one line a time.
fn recorder(node: &Node) -> Result<(PathBuf, PathBuf)> {
    let (program, record) = (node.dir().join("record.sh"), node.dir().join("record.txt"));
    fs::write(
        &program,
        format!("#!/bin/sh\necho \"$@\" >> {}\n", record.display()),
    )?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    fs::write(&record, "")?;
    Ok((program, record))
}

#[test]
fn notify_scripts_are_told_every_state_in_order() -> Result<()> {
    isolated(|| {
        let net = Article::pair(2)?;
        let (program, record) = recorder(&net.director)?;
        let program = program.display();
        let notify = |more: &str| {
            format!(
                "master = \"{program} master{more}\"\nbackup = [\"{program}\", \"backup{more}\"]\n\
                 fault = \"{program} 'fault  {more}'\"\nstop = \"{program} stop{more}\"\nany = \"{program}\"\n"
            )
        };
        let master = Instance::v3(PRIORITIES[MASTER])
            .table(&format!("[vrrp.notify]\n{}", notify("")))
            .toml()
            + &web(&net);
        let backup = Instance::v3(PRIORITIES[BACKUP]).toml() + &web(&net);
        let mut pair = Pair::start(net, &[master, backup], &Article::VIRTUAL)?;
        let wait_line = |count: usize, line: &str| {
            wait_until(&format!("line {count} is {line:?}"), PATIENCE, || {
                let text = fs::read_to_string(&record)?;
                Ok(text.lines().count() == count && text.lines().last() == Some(line))
            })
            .map_err(|error| error.context(fs::read_to_string(&record).unwrap_or_default()))
        };
        wait_line(4, "INSTANCE VI_1 MASTER 120")?;
        pair.nodes[MASTER].cut("eth1")?;
        pair.wait(BACKUP)?;
        wait_line(6, "INSTANCE VI_1 FAULT 120")?;
        pair.nodes[MASTER].mend("eth1")?;
        pair.wait(MASTER)?;
        wait_line(10, "INSTANCE VI_1 MASTER 120")?;
        pair.directors[MASTER].sigterm()?;
        wait_line(12, "INSTANCE VI_1 STOP 120")?;
        let text = fs::read_to_string(&record)?;
        let lines: Vec<&str> = text.lines().collect();
        let expected = [
            "backup",
            "INSTANCE VI_1 BACKUP 120",
            "master",
            "INSTANCE VI_1 MASTER 120",
            "fault  ",
            "INSTANCE VI_1 FAULT 120",
            "backup",
            "INSTANCE VI_1 BACKUP 120",
            "master",
            "INSTANCE VI_1 MASTER 120",
            "stop",
            "INSTANCE VI_1 STOP 120",
        ];
        assert_eq!(lines, expected);
        Ok(())
    })
}

#[test]
fn a_notify_script_that_hangs_delays_no_takeover() -> Result<()> {
    isolated(|| {
        let net = Article::pair(2)?;
        let notify = "[vrrp.notify]\nany = \"sleep 1000\"";
        let configs =
            PRIORITIES.map(|priority| Instance::v3(priority).table(notify).toml() + &web(&net));
        let mut pair = Pair::start(net, &configs, &Article::VIRTUAL)?;
        for _ in 0..2 {
            pair.directors[MASTER].vrrp("resign", None)?;
            pair.wait(BACKUP)?;
            pair.directors[MASTER].vrrp("resume", None)?;
            pair.wait(MASTER)?;
        }
        pair.die(MASTER)?;
        pair.wait_has(BACKUP)?;
        pair.serves(5)
    })
}

#[test]
fn with_ha_suspend_only_the_director_that_has_the_address_checks() -> Result<()> {
    isolated(|| {
        let net = Article::pair(2)?;
        let service = checked_web(&net)
            .with("ha_suspend = true")
            .servers(servers(&net, 80));
        let web = service.text();
        let configs = PRIORITIES.map(|priority| Instance::v3(priority).toml() + &web);
        let mut pair = Pair::start(net, &configs, &Article::VIRTUAL)?;
        let checked_by = |pair: &Pair, time: Duration| -> Result<[bool; 2]> {
            let capture = Capture::start(&pair.net.servers[0])?;
            std::thread::sleep(time);
            let frames = capture.stop()?;
            let from = |host: u8| {
                let source = [172, 16, 50, host];
                let mut packets = frames.iter().filter_map(Frame::ipv4);
                packets.any(|packet| packet.source.octets() == source && packet.protocol == 6)
            };
            Ok([from(155), from(156)])
        };
        // Neither the client nor anyone else asks: all that comes to the server are checks, every 200 ms.
        assert_eq!(checked_by(&pair, SECOND)?, [true, false]);
        let suspended = |pair: &Pair, which: usize| {
            anyhow::Ok(pair.directors[which].status()?["services"][0]["suspended"] == true)
        };
        assert!(!suspended(&pair, MASTER)? && suspended(&pair, BACKUP)?);
        pair.directors[MASTER].vrrp("resign", None)?;
        pair.wait(BACKUP)?;
        wait_until("the master's checks rest", PATIENCE, || {
            suspended(&pair, MASTER)
        })?;
        pair.serves(4)?;
        std::thread::sleep(SECOND / 2);
        assert_eq!(checked_by(&pair, SECOND)?, [false, true]);
        // And a server that fails is noticed there.
        drop(pair.backends.pop());
        pair.directors[BACKUP].wait_health("web", "172.16.50.159:80", "down", PATIENCE)?;
        pair.serves(4)
    })
}
