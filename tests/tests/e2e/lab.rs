//! The Lab is what it says: a network that works, is private, and leaves nothing behind.

use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use evenkeel_tests::{
    Article, Backend, Capture, Client, Download, DownloadServer, Frame, Lab, Nginx, Ping, Watch,
    eventually, http_get, inside, isolated, possible, sole_holder, wait_holder,
};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn nodes_on_a_cable_reach_each_other_over_both_families() -> Result<()> {
    isolated(|| {
        let lab = Lab::new()?;
        let (a, b) = (lab.node("a")?, lab.node("b")?);
        lab.cable(&a, "eth0", &b, "eth0")?;
        a.add_address("eth0", "10.0.0.1/24")?;
        b.add_address("eth0", "10.0.0.2/24")?;
        a.add_address("eth0", "fd00::1/64")?;
        b.add_address("eth0", "fd00::2/64")?;
        for address in ["10.0.0.2:7", "[fd00::2]:7"] {
            let address = address.parse()?;
            let _tcp = Backend::tcp(&b, address, "b")?;
            let _udp = Backend::udp(&b, address, "b")?;
            assert_eq!(Client::new(&a).ask(address)?, "b");
            assert_eq!(Client::new(&a).ask_udp(address)?, "b");
        }
        Ok(())
    })
}

#[test]
fn clients_reach_real_servers_through_the_articles_director() -> Result<()> {
    isolated(|| {
        let net = Article::new(3)?;
        net.client
            .route("172.16.50.0/24", "10.10.54.155".parse()?)?;
        net.client.route("fd00:50::/64", "fd00:54::155".parse()?)?;
        let source = Client::new(&net.client).from_address(Ipv4Addr::new(10, 10, 54, 12).into());
        let client = Client::new(&net.client);
        for (number, node) in net.servers.iter().enumerate() {
            let (v4, v6) = (net.server(number, 80), net.server6(number, 80));
            let _v4 = Backend::tcp(node, v4, node.name())?;
            let _v6 = Backend::tcp(node, v6, node.name())?;
            assert_eq!(source.ask(v4)?, node.name());
            assert_eq!(client.ask(v6)?, node.name());
        }
        assert_eq!(net.server(1, 80), "172.16.50.159:80".parse()?);
        assert_eq!(net.server6(1, 80), "[fd00:50::159]:80".parse()?);
        Ok(())
    })
}

#[test]
fn a_stopped_backend_refuses_and_a_silent_machine_times_out() -> Result<()> {
    isolated(|| {
        let net = Article::new(1)?;
        let client = Client::new(&net.director).timeout(SECOND / 2);
        let address = net.server(0, 80);
        drop(Backend::tcp(&net.servers[0], address, "one")?);
        let error = client.ask(address).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        net.servers[0].link_down("eth0")?;
        let error = client.ask(address).unwrap_err();
        assert!(
            [ErrorKind::TimedOut, ErrorKind::HostUnreachable].contains(&error.kind()),
            "{error}"
        );
        Ok(())
    })
}

#[test]
fn a_stream_of_questions_records_an_outage() -> Result<()> {
    isolated(|| {
        let net = Article::new(1)?;
        let address = net.server(0, 80);
        let start = || Backend::tcp(&net.servers[0], address, "one");
        let first = start()?;
        let stream = Client::new(&net.director).keep_asking(address, Duration::from_millis(5))?;
        std::thread::sleep(SECOND / 4);
        drop(first);
        std::thread::sleep(SECOND / 4);
        let _second = start()?;
        std::thread::sleep(SECOND / 4);
        let record = stream.stop()?;
        assert!(record.spread()["one"] > 10);
        assert!(record.failures().count() > 3);
        let outage = record.outage();
        assert!(outage > SECOND / 8 && outage < SECOND / 2, "{outage:?}");
        Ok(())
    })
}

#[test]
fn a_pulled_cable_is_a_lost_carrier_and_pings_measure_it() -> Result<()> {
    isolated(|| {
        let net = Article::pair(1)?;
        let [director, backup] = &net.directors()[..] else {
            unreachable!()
        };
        let carrier = || {
            let link = director.ip_json(&["link", "show", "eth1"])?;
            anyhow::Ok(link[0]["operstate"] == "UP")
        };
        for to in [
            "172.16.50.155".parse()?,
            IpAddr::V6("fd00:50::155".parse()?),
        ] {
            eventually("the cable is good", 5 * SECOND, || {
                Ok(carrier()?.then_some(()))
            })?;
            let ping = Ping::start(backup, to, SECOND / 200)?;
            std::thread::sleep(SECOND / 5);
            director.cut("eth1")?;
            eventually("the cable is cut", 5 * SECOND, || {
                Ok((!carrier()?).then_some(()))
            })?;
            std::thread::sleep(SECOND / 2);
            director.mend("eth1")?;
            // Neighbours that were given up are asked for again once a second.
            std::thread::sleep(2 * SECOND);
            let pings = ping.stop()?;
            assert!(pings.gap() > SECOND / 2, "{:?}", pings.gap());
            assert!(pings.lost() > 50 && pings.lost() < pings.asked.len() - 30);
        }
        assert!(director.cut("eth7").is_err());
        Ok(())
    })
}

#[test]
fn who_has_an_address_and_whom_it_is_announced_to_is_seen() -> Result<()> {
    isolated(|| {
        let net = Article::pair(1)?;
        let machines = net.directors();
        assert_eq!(sole_holder(&machines, &Article::VIRTUAL)?, None);
        let watch = Watch::start(&machines, &Article::VIRTUAL)?;
        machines[0].ip(&[
            "addr",
            "add",
            "10.10.54.151/32",
            "dev",
            "eth0",
            "label",
            "eth0:1",
        ])?;
        // Longer than what is asked for below: looking may begin late on a busy machine.
        std::thread::sleep(SECOND / 2);
        machines[0].add_address("eth1", "172.16.50.254/24")?;
        wait_holder(&machines, &Article::VIRTUAL, 0, SECOND)?;
        machines[1].add_address("eth1", "172.16.50.254/24")?;
        std::thread::sleep(SECOND / 2);
        assert_eq!(sole_holder(&machines, &Article::VIRTUAL)?, None);
        machines[1].delete_address("eth1", "172.16.50.254/24")?;
        wait_holder(&machines, &Article::VIRTUAL, 0, SECOND)?;
        let sightings = watch.stop()?;
        assert!(sightings.divided() >= SECOND / 10, "{sightings:?}");
        assert!(sightings.doubled() >= SECOND / 10, "{sightings:?}");
        assert!(sightings.missing() >= SECOND / 10, "{sightings:?}");
        assert_eq!(sightings.moves(), 0);
        let shown = machines[0].address(Article::VIP.into())?.unwrap();
        assert_eq!(shown["label"], "eth0:1");
        assert_eq!(shown["ifname"], "eth0");
        assert_eq!(shown["prefixlen"], 32);
        assert_eq!(machines[1].address(Article::VIP.into())?, None);
        Ok(())
    })
}

#[test]
fn frames_and_counters_tell_of_lost_connection_attempts() -> Result<()> {
    isolated(|| {
        let net = Article::pair(1)?;
        let capture = Capture::start(&net.director)?;
        assert_eq!(net.client.counter("TcpExt", "TCPSynRetrans")?, 0);
        net.director.run("nft", &["add table inet t"])?;
        net.director.run(
            "nft",
            &["add chain inet t i { type filter hook input priority 0; }"],
        )?;
        net.director
            .run("nft", &["add rule inet t i tcp dport 80 drop"])?;
        let client = Client::new(&net.client).timeout(SECOND * 3 / 2);
        let asked = client.ask("10.10.54.155:80".parse()?);
        assert_eq!(asked.unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(net.client.counter("TcpExt", "TCPSynRetrans")?, 1);
        assert!(net.client.counter("Tcp", "TCPSynRetrans").is_err());
        let from_client = Ipv4Addr::new(10, 10, 54, 10);
        let frames = capture.stop()?;
        let mut questions = frames.iter().filter_map(Frame::arp);
        assert!(
            questions.any(|arp| arp.operation == 1 && arp.sender == from_client),
            "{frames:?}"
        );
        Ok(())
    })
}

#[test]
fn a_download_is_whole_or_an_error() -> Result<()> {
    isolated(|| {
        let net = Article::new(1)?;
        let address = net.server(0, 80);
        let client = Client::new(&net.director);
        let length = 1_000_003;
        let server = DownloadServer::new(&net.servers[0], address, "one", length, SECOND / 2)?;
        let whole = Download::start(&client, address, length)?;
        assert_eq!(whole.from(), "one");
        whole.finish()?;
        let longer = Download::start(&client, address, length + 1)?;
        assert!(longer.finish().is_err());
        let cut = Download::start(&client, address, length)?;
        drop(server);
        assert!(cut.finish().is_err());
        Ok(())
    })
}

#[test]
fn nginx_answers_with_its_name_and_goes_with_its_value() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let client = Client::new(&net.director);
        let mut nginx = Vec::new();
        for (number, node) in net.servers.iter().enumerate() {
            let listen = [net.server(number, 80), net.server6(number, 80)];
            nginx.push(Nginx::start(node, &listen, node.name())?);
        }
        assert_eq!(http_get(&client, net.server(0, 80), "/")?, "server1");
        assert_eq!(http_get(&client, net.server6(1, 80), "/")?, "server2");
        drop(nginx);
        let error = http_get(&client, net.server(0, 80), "/").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        Ok(())
    })
}

#[test]
fn a_programs_output_and_end_are_seen() -> Result<()> {
    isolated(|| {
        let lab = Lab::new()?;
        let node = lab.node("a")?;
        assert_eq!(node.run("echo", &["hello"])?, "hello\n");
        assert!(node.run("false", &[]).is_err());
        let mut sleep = Command::new("sleep");
        sleep.arg("100");
        let mut process = node.spawn("sleep", sleep)?;
        assert!(process.is_running()?);
        assert!(process.wait(Duration::from_millis(20)).is_err());
        let entry = format!("/proc/{}", process.pid());
        assert!(Path::new(&entry).exists());
        drop(process);
        assert!(!Path::new(&entry).exists());
        Ok(())
    })
}

#[test]
fn nothing_is_left_of_a_private_world() -> Result<()> {
    // A second private world looks for what a first one left: it cannot, so the machine's own processes are looked
    // through.
    let mark = "31.4159";
    isolated(move || {
        let lab = Lab::new()?;
        let node = lab.node("left-behind")?;
        let mut sleep = Command::new("sleep");
        sleep.arg(mark);
        // Neither waited for nor killed.
        std::mem::forget(node.spawn("sleep", sleep)?);
        Ok(())
    })?;
    eventually("the program is gone", 2 * SECOND, || {
        Ok((!runs("sleep", mark)?).then_some(()))
    })?;
    assert!(!Path::new("/run/netns/left-behind").exists());
    assert!(!Path::new("/run/evenkeel-lab").exists());
    Ok(())
}

#[test]
fn a_failing_body_fails_its_test() -> Result<()> {
    if possible().is_err() {
        return isolated(|| Ok(()));
    }
    let failed = isolated(|| anyhow::bail!("as it should"));
    if inside() {
        return failed;
    }
    let error = failed.unwrap_err().to_string();
    assert!(error.contains("failed in its private world"), "{error}");
    Ok(())
}

#[test]
fn a_lab_is_refused_outside_of_a_private_world() {
    assert!(Lab::new().is_err());
}

#[test]
fn sockets_opened_in_a_node_are_not_the_machines() -> Result<()> {
    isolated(|| {
        let lab = Lab::new()?;
        let (a, b) = (lab.node("a")?, lab.node("b")?);
        let any: SocketAddr = "127.0.0.1:4321".parse()?;
        let first = a.enter(|| TcpListener::bind(any))??;
        let second = b.enter(|| TcpListener::bind(any))??;
        assert_eq!(first.local_addr()?, second.local_addr()?);
        Ok(())
    })
}

/// Whether a program runs with this argument.
fn runs(program: &str, argument: &str) -> Result<bool> {
    for entry in fs::read_dir("/proc")? {
        let Ok(line) = fs::read(entry?.path().join("cmdline")) else {
            continue;
        };
        let mut words = line.split(|byte| *byte == 0);
        if words.next() == Some(program.as_bytes()) && words.any(|word| word == argument.as_bytes())
        {
            return Ok(true);
        }
    }
    Ok(false)
}
