//! Established flows are offloaded to a flowtable, while the whole daemon goes through what it goes through. On
//! Debian's kernel, since many build machines' kernels have none: `cargo xtask test --all` runs these in one start of
//! it.

use std::net::SocketAddr;
use std::time::Duration;

use crate::support::pair::{BACKUP, MASTER, PRIORITIES, Pair};
use crate::support::vrrp::Instance;
use crate::support::{PATIENCE, Service, servers, wait_counts};
use anyhow::{Context as _, Result, ensure};
use evenkeel_tests::{
    Article, Backend, Client, Download, DownloadServer, Evenkeel, Node, on_debian_kernel,
    wait_until,
};

const LENGTH: usize = 10_000_000;
/// How long a download takes if nobody hurries: longer than any of this takes on an emulated machine.
const TIME: Duration = Duration::from_secs(200);

/// Conntrack's entries of connections to a service.
fn entries(director: &Node, service: SocketAddr) -> Result<Vec<String>> {
    let (address, port) = (service.ip().to_string(), service.port().to_string());
    let arguments = ["-L", "-p", "tcp", "-d", &address, "--dport", &port];
    let listed = director.run("conntrack", &arguments)?;
    Ok(listed.lines().map(str::to_owned).collect())
}

/// How many connections to a service are offloaded.
fn offloaded(director: &Node, service: SocketAddr) -> Result<usize> {
    let entries = entries(director, service)?;
    let taking = entries.iter().filter(|it| it.contains("[OFFLOAD]"));
    Ok(taking.count())
}

fn wait_offloaded(director: &Node, service: SocketAddr, connections: usize) -> Result<()> {
    let what = format!("{connections} connections are offloaded");
    wait_until(&what, PATIENCE, || {
        Ok(offloaded(director, service)? == connections)
    })
    .with_context(|| format!("{:#?}", entries(director, service)))?;
    Ok(())
}

/// The flowtable as the kernel lists it.
fn flowtable(director: &Node) -> Result<String> {
    let text = director.run("nft", &["-a", "list", "flowtables", "inet"])?;
    ensure!(text.contains("flowtable"), "there is none: {text}");
    Ok(text)
}

fn download_servers(net: &Article, port: u16) -> Result<Vec<DownloadServer>> {
    net.servers
        .iter()
        .zip(servers(net, port))
        .map(|(node, address)| DownloadServer::new(node, address, node.name(), LENGTH, TIME))
        .collect()
}

/// Which server sends a download.
fn sender(net: &Article, download: &Download) -> Result<usize> {
    let mut names = net.servers.iter().map(Node::name);
    names
        .position(|it| it == download.from())
        .context("a server of the network")
}

/// One download from each of two servers, both offloaded.
fn downloads(net: &Article, director: &Node) -> Result<[Download; 2]> {
    let client = Client::new(&net.client);
    let vip = net.vip(80);
    let downloads = [
        Download::start(&client, vip, LENGTH)?,
        Download::start(&client, vip, LENGTH)?,
    ];
    wait_offloaded(director, vip, 2)?;
    Ok(downloads)
}

/// Every byte of what is left arrives.
fn finish(downloads: impl IntoIterator<Item = Download>, servers: &[DownloadServer]) -> Result<()> {
    let downloads: Vec<Download> = downloads.into_iter().collect();
    for download in &downloads {
        ensure!(!download.progress().ended, "it has ended too early");
    }
    servers.iter().for_each(DownloadServer::hurry);
    downloads.into_iter().try_for_each(Download::finish)
}

fn plain(net: &Article, line: &str) -> Service {
    Service::new("web", net.vip(80)).with(line)
}

#[test]
#[ignore = "needs Debian's kernel: cargo xtask test --all"]
fn downloads_stay_offloaded_and_counted_while_the_daemon_dies_restarts_and_reloads() -> Result<()> {
    on_debian_kernel(|| {
        let net = Article::new(2)?;
        let senders = download_servers(&net, 80)?;
        let config = |line| plain(&net, line).servers(servers(&net, 80)).text();
        let mut evenkeel = Evenkeel::new(&net.director, &config("scheduler = \"rr\""))?;
        evenkeel.start()?;
        let vip = net.vip(80);
        let downloads = downloads(&net, &net.director)?;
        wait_counts(&evenkeel, &[(1, 0), (1, 0)])?;
        let before = flowtable(&net.director)?;
        let stays = |what: &str| -> Result<()> {
            let taking = offloaded(&net.director, vip)?;
            ensure!(taking == 2, "{what}: {taking} are offloaded");
            ensure!(
                flowtable(&net.director)? == before,
                "{what}: it was made anew"
            );
            Ok(())
        };
        evenkeel.kill9()?;
        std::thread::sleep(Duration::from_millis(500));
        stays("without the daemon")?;
        evenkeel.start()?;
        stays("after a restart")?;
        wait_counts(&evenkeel, &[(1, 0), (1, 0)])?;
        evenkeel.reload(&config("scheduler = \"lc\""))?;
        evenkeel.wait_status("the new scheduler", PATIENCE, |status| {
            status["settled"] == true && status["services"][0]["scheduler"] == "lc"
        })?;
        stays("after a reload")?;
        evenkeel.sigterm()?;
        stays("after an orderly end")?;
        evenkeel.start()?;
        finish(downloads, &senders)?;
        wait_counts(&evenkeel, &[(0, 1), (0, 1)])
    })
}

#[test]
#[ignore = "needs Debian's kernel: cargo xtask test --all"]
fn a_draining_servers_download_goes_on_and_a_failed_servers_one_is_ended_where_that_is_wanted()
-> Result<()> {
    on_debian_kernel(|| {
        let net = Article::new(2)?;
        let senders = download_servers(&net, 80)?;
        let addresses = servers(&net, 80);
        // Whether a server is well is told on another port.
        let healthy =
            |number: usize| Backend::tcp(&net.servers[number], net.server(number, 8080), "well");
        let mut checked = [Some(healthy(0)?), Some(healthy(1)?)];
        let check = format!(
            "on_down = \"kill\"\ncheck = {{ plugin = \"tcp\", port = 8080, {} }}",
            crate::support::QUICK
        );
        let config = |weights: [u32; 2]| {
            let mut service = plain(&net, &check);
            for (address, weight) in addresses.iter().zip(weights) {
                service = service.server(*address, &format!("weight = {weight}"));
            }
            service.text()
        };
        let mut evenkeel = Evenkeel::new(&net.director, &config([1, 1]))?;
        evenkeel.start()?;
        let [one, other] = downloads(&net, &net.director)?;
        let (draining, failing) = (sender(&net, &one)?, sender(&net, &other)?);
        assert_ne!(draining, failing);
        let mut weights = [1, 1];
        weights[draining] = 0;
        evenkeel.reload(&config(weights))?;
        evenkeel.wait_health("web", &addresses[draining].to_string(), "drain", PATIENCE)?;
        wait_offloaded(&net.director, net.vip(80), 2)?;
        drop(checked[failing].take());
        evenkeel.wait_health("web", &addresses[failing].to_string(), "down", PATIENCE)?;
        wait_until("the failed server's download ends", PATIENCE, || {
            Ok(other.progress().ended)
        })?;
        assert!(other.finish().is_err());
        // Its offloaded neighbour has noticed nothing.
        wait_offloaded(&net.director, net.vip(80), 1)?;
        finish([one], &senders)
    })
}

#[test]
#[ignore = "needs Debian's kernel: cargo xtask test --all"]
fn interfaces_that_come_and_go_and_a_switch_of_the_setting_cost_no_download() -> Result<()> {
    on_debian_kernel(|| {
        let net = Article::new(2)?;
        let senders = download_servers(&net, 80)?;
        let config =
            |line: &str| line.to_owned() + &plain(&net, "").servers(servers(&net, 80)).text();
        let mut evenkeel = Evenkeel::new(&net.director, &config(""))?;
        evenkeel.start()?;
        let vip = net.vip(80);
        let downloads = downloads(&net, &net.director)?;
        let lists = |name: &str, listed: bool| {
            wait_until(&format!("{name} is listed: {listed}"), PATIENCE, || {
                Ok(flowtable(&net.director)?.contains(name) == listed)
            })
        };
        net.director
            .ip(&["link", "add", "more0", "type", "dummy"])?;
        net.director.link_up("more0")?;
        lists("more0", true)?;
        wait_offloaded(&net.director, vip, 2)?;
        net.director.ip(&["link", "delete", "more0"])?;
        lists("more0", false)?;
        wait_offloaded(&net.director, vip, 2)?;
        net.director.link_down("eth1")?;
        net.director.link_up("eth1")?;
        lists("eth1", true)?;
        wait_offloaded(&net.director, vip, 2)?;
        evenkeel.reload(&config("offload = \"off\"\n"))?;
        wait_offloaded(&net.director, vip, 0)?;
        evenkeel.reload(&config("offload = \"auto\"\n"))?;
        wait_offloaded(&net.director, vip, 2)?;
        finish(downloads, &senders)
    })
}

#[test]
#[ignore = "needs Debian's kernel: cargo xtask test --all"]
fn new_downloads_are_offloaded_on_the_director_that_has_the_addresses() -> Result<()> {
    on_debian_kernel(|| {
        let net = Article::pair(2)?;
        let configs = PRIORITIES.map(|priority| {
            Instance::v3(priority).toml() + &plain(&net, "").servers(servers(&net, 8000)).text()
        });
        let held = Instance::v3(1).held();
        let mut pair = Pair::start(net, &configs, &held)?;
        let check = |pair: &Pair, which: usize| -> Result<()> {
            // On the port of the service a pair has small servers.
            let senders = download_servers(&pair.net, 8000)?;
            let downloads =
                downloads(&pair.net, &pair.nodes[which]).with_context(|| pair.logs())?;
            finish(downloads, &senders)
        };
        check(&pair, MASTER)?;
        pair.die(MASTER)?;
        pair.wait_has(BACKUP)?;
        check(&pair, BACKUP)?;
        pair.come_back(MASTER)?;
        pair.wait(MASTER)?;
        check(&pair, MASTER)
    })
}
