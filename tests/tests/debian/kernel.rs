//! On Debian's kernel, which has nftables and IPVS: which of them is taken, and that each does the work.
//! `cargo xtask test --all` runs these in one start of that kernel.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::support::{PATIENCE, Service, assert_repeats, servers, tcp_backends, udp_backends};
use anyhow::{Result, ensure};
use evenkeel_tests::{Article, Client, Evenkeel, on_debian_kernel};

/// A service that serves, with this line before it; what has been taken for it, and why.
fn serves(line: &str) -> Result<(Article, String, String)> {
    let net = Article::new(2)?;
    let _backends = tcp_backends(&net, &servers(&net, 80))?;
    let web = Service::new("web", net.vip(80)).servers(servers(&net, 80));
    let mut evenkeel = Evenkeel::new(&net.director, &format!("{line}\n{}", web.text()))?;
    evenkeel.start()?;
    let status = evenkeel.status()?;
    let word = |key: &str| status[key].as_str().unwrap_or_default().to_owned();
    let answers = Client::new(&net.client).ask_times(net.vip(80), 10)?;
    assert_repeats(&answers, &["0", "1"]);
    Ok((net, word("dataplane"), word("dataplane_why")))
}

#[test]
#[ignore = "needs Debian's kernel: cargo xtask test --all"]
fn nftables_is_taken_where_both_work_and_ipvs_stays_empty() -> Result<()> {
    on_debian_kernel(|| {
        let (net, taken, why) = serves("")?;
        assert_eq!(taken, "nftables");
        ensure!(why.contains("it works on this machine"), "{why}");
        ensure!(
            net.director
                .run("nft", &["list", "tables"])?
                .contains("evenkeel")
        );
        ensure!(net.director.ipvs_rules()?.is_empty());
        Ok(())
    })
}

#[test]
#[ignore = "needs Debian's kernel: cargo xtask test --all"]
fn ipvs_is_taken_where_the_configuration_names_it_and_nftables_stays_empty() -> Result<()> {
    on_debian_kernel(|| {
        let (net, taken, why) = serves("dataplane = \"ipvs\"")?;
        assert_eq!(taken, "ipvs");
        ensure!(why.contains("the configuration names it"), "{why}");
        ensure!(
            !net.director
                .run("nft", &["list", "tables"])?
                .contains("evenkeel")
        );
        assert_eq!(net.director.ipvs_rules()?.len(), 3);
        Ok(())
    })
}

#[test]
#[ignore = "needs Debian's kernel: cargo xtask test --all"]
fn ipvs_is_taken_for_what_only_ipvs_does() -> Result<()> {
    on_debian_kernel(|| {
        let net = Article::new(2)?;
        let web = Service::new("web", net.vip(80)).with("forward = \"tun\"");
        let config = web.servers(servers(&net, 80)).text();
        let mut evenkeel = Evenkeel::new(&net.director, &config)?;
        evenkeel.start()?;
        let status = evenkeel.status()?;
        assert_eq!(status["dataplane"], "ipvs");
        let why = status["dataplane_why"].as_str().unwrap_or_default();
        ensure!(why.contains("forward = \"tun\""), "{why}");
        Ok(())
    })
}

/// The limit of all connection tables of this kernel, which is nobody else's.
fn limit_connections(most: u32) -> Result<()> {
    let setting = format!("net.netfilter.nf_conntrack_max={most}");
    // `qemu-run` has opened the kernel's own network namespace: in another one it cannot be set.
    let words = ["--net=/proc/self/fd/9", "sysctl", "-w", &setting];
    let said = Command::new("nsenter").args(words).output()?;
    // sysctl ends well even if it could not.
    ensure!(said.status.success() && said.stderr.is_empty(), "{said:?}");
    Ok(())
}

#[test]
#[ignore = "needs Debian's kernel: cargo xtask test --all"]
fn a_full_connection_table_is_named_and_neither_takes_servers_out_nor_ends_flows_that_work()
-> Result<()> {
    on_debian_kernel(|| {
        let net = Article::new(2)?;
        let vip = net.vip(53);
        let addresses = servers(&net, 53);
        let _udp = udp_backends(&net, &addresses)?;
        let mut tcp = tcp_backends(&net, &addresses)?;
        // What is emulated is slow, and its checks with it.
        let times = r#"interval = "500ms", timeout = "1s", retries = 1, retry_delay = "500ms""#;
        let dns = Service::new("dns", vip)
            .with("protocol = \"udp\"")
            .with(&format!("check = {{ plugin = \"tcp\", {times} }}"))
            .servers(addresses.iter().copied());
        let mut evenkeel = Evenkeel::new(&net.director, &dns.text())?;
        evenkeel.start()?;
        for server in &addresses {
            evenkeel.wait_health("dns", &server.to_string(), "up", PATIENCE)?;
        }
        let source = IpAddr::from(Ipv4Addr::new(10, 10, 54, 12));
        let works = Client::new(&net.client).from_socket(SocketAddr::new(source, 20_000));
        let works = works.keep_asking_udp(vip, Duration::from_millis(200))?;
        // Only what has gone on for some seconds is sure of its place.
        thread::sleep(Duration::from_secs(4));

        limit_connections(60)?;
        let fill = || -> Result<()> {
            net.client.enter(|| -> std::io::Result<()> {
                for port in 30_000..30_400 {
                    let socket = UdpSocket::bind((source, port))?;
                    // The first that find no room are dropped in silence.
                    socket.send_to(b"?", vip)?;
                }
                Ok(())
            })??;
            Ok(())
        };
        fill()?;
        let named = |status: &serde_json::Value| {
            status["connection_table_problem"]
                .as_str()
                .is_some_and(|problem| problem.contains("nf_conntrack_max"))
        };
        evenkeel.wait_status("the full table", PATIENCE, named)?;
        for _ in 0..10 {
            fill()?;
            thread::sleep(Duration::from_secs(1));
        }
        let status = evenkeel.status()?;
        ensure!(named(&status), "{status:#}");
        let up = status["services"][0]["servers"]
            .as_array()
            .is_some_and(|servers| servers.iter().all(|it| it["health"] == "up"));
        ensure!(up, "{status:#}\n{}", evenkeel.log());
        let log = evenkeel.log();
        ensure!(log.contains("connection table is full"), "{log}");
        ensure!(!log.contains("is down"), "{log}");
        let asked = works.stop()?;
        let failed: Vec<_> = asked.failures().collect();
        ensure!(
            asked.answers.len() > 20 && failed.is_empty(),
            "{failed:?}\n{log}"
        );

        // With room again, a server that does not answer is a dead one.
        limit_connections(65_536)?;
        evenkeel.wait_status("a table with room", PATIENCE, |status| {
            status["connection_table_problem"].is_null()
        })?;
        drop(tcp.remove(0));
        evenkeel.wait_health("dns", &addresses[0].to_string(), "down", PATIENCE)?;
        Ok(())
    })
}
