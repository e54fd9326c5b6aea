//! The article's set-up on a kernel that has IPVS and no nftables: Evenkeel on both directors, from its two
//! `keepalived.conf`; and connections that survive the master because IPVS has copied them to the backup.

use std::fs;
use std::time::Duration;

use crate::support::pair::{BACKUP, MASTER, Pair};
use crate::support::vrrp::{Instance, connect, cut_off};
use crate::support::{PATIENCE, Service, assert_repeats, servers};
use anyhow::{Context as _, Result, ensure};
use evenkeel_tests::{
    Article, Client, Download, DownloadServer, Evenkeel, Nginx, Node, Paths, Progress, on_uml,
    wait_holder, wait_until,
};

/// A dead server is out after an interval of 6 s and 3 retries, 3 s apart.
const CHECKED: Duration = Duration::from_secs(40);

/// Bytes of a download, which takes [`TIME`] unless it is hurried: longer than all that a test does meanwhile.
const LENGTH: usize = 8_000_000;
const TIME: Duration = Duration::from_secs(240);

const RULES: [&str; 3] = [
    "-A -t 10.10.54.151:80 -s rr",
    "-a -t 10.10.54.151:80 -r 172.16.50.157:80 -m -w 1",
    "-a -t 10.10.54.151:80 -r 172.16.50.159:80 -m -w 1",
];

/// Asks nginx through the service with curl; the servers' names.
fn curl(net: &Article, times: usize) -> Result<Vec<String>> {
    let url = format!("http://{}/", Article::VIP);
    (0..times)
        .map(|_| {
            let answer = net.client.run("curl", &["-sS", "--max-time", "5", &url])?;
            Ok(answer.trim().to_owned())
        })
        .collect()
}

fn holds(node: &Node, rules: &[&str], limit: Duration) -> Result<()> {
    let what = format!("{}'s IPVS holds {rules:#?}", node.name());
    wait_until(&what, limit, || Ok(node.ipvs_rules()? == rules)).map(drop)
}

#[test]
fn the_articles_pair_balances_with_ipvs_drops_a_dead_server_takes_over_and_returns() -> Result<()> {
    on_uml(|| {
        let net = Article::pair(2)?;
        let nodes = net.directors();
        let nginx = |number: usize| {
            let node = &net.servers[number];
            Nginx::start(node, &[net.server(number, 80)], node.name())
        };
        let first = nginx(0)?;
        let second = nginx(1)?;
        let mut directors = Vec::new();
        for (node, file) in nodes
            .iter()
            .zip(["keepalived-master.conf", "keepalived-backup.conf"])
        {
            let path = Paths::workspace().join("tests/fixtures/article").join(file);
            let mut director = Evenkeel::with_file(node, "keepalived.conf", &fs::read(path)?)?;
            director.start()?;
            directors.push(director);
        }
        let takes = |which: usize| wait_holder(&nodes, &Article::VIRTUAL, which, PATIENCE);
        takes(MASTER)?;
        for (node, director) in nodes.iter().zip(&directors) {
            holds(node, &RULES, PATIENCE).with_context(|| director.log())?;
            let status = director.status()?;
            assert_eq!(status["dataplane"], "ipvs", "{status}");
            let why = status["dataplane_why"].as_str().unwrap_or_default();
            ensure!(why.contains("nftables does not work"), "{why}");
            ensure!(director.status_table()?.contains("ipvs"));
            ensure!(director.log().contains("ipvs"), "{}", director.log());
        }
        let both = |net: &Article| -> Result<()> {
            assert_repeats(&curl(net, 10)?, &["server1", "server2"]);
            Ok(())
        };
        both(&net)?;

        drop(second);
        for node in &nodes {
            holds(node, &RULES[..2], CHECKED)?;
        }
        assert_repeats(&curl(&net, 6)?, &["server1"]);
        let second = nginx(1)?;
        for node in &nodes {
            holds(node, &RULES, CHECKED)?;
        }
        both(&net)?;

        directors[MASTER].kill9()?;
        cut_off(&nodes[MASTER])?;
        wait_until("the backup takes over", PATIENCE, || {
            let all = nodes[BACKUP].addresses()?;
            Ok(Article::VIRTUAL.iter().all(|it| all.contains(it)))
        })?;
        both(&net)?;
        connect(&nodes[MASTER])?;
        directors[MASTER].start()?;
        takes(MASTER)?;
        both(&net)?;
        drop((first, second));
        Ok(())
    })
}

/// A pair that copies its connections, and a download through it.
struct Downloading {
    pair: Pair,
    download: Download,
    servers: Vec<DownloadServer>,
}

impl Downloading {
    fn start() -> Result<Self> {
        let net = Article::pair(2)?;
        let downloads = net.servers.iter().enumerate().map(|(number, node)| {
            DownloadServer::new(node, net.server(number, 8080), node.name(), LENGTH, TIME)
        });
        let downloads = downloads.collect::<Result<Vec<_>>>()?;
        let web = Service::new("web", net.vip(8080)).servers(servers(&net, 8080));
        let rest =
            "[connection_sync]\nvrrp = \"VI_1\"\ninterface = \"eth1\"\n".to_owned() + &web.text();
        let configs = [120, 80].map(|priority| Instance::v3(priority).toml() + &rest);
        let pair = Pair::start(net, &configs, &Instance::v3(1).held())?;
        for (which, state) in [(MASTER, "master"), (BACKUP, "backup")] {
            let node = &pair.nodes[which];
            wait_until(&format!("{state} synchronises"), PATIENCE, || {
                let lines = node.ipvs_sync()?;
                Ok(lines.iter().any(|line| line.starts_with(state)))
            })
            .with_context(|| pair.logs())?;
        }
        let download = Download::start(&Client::new(&pair.net.client), pair.net.vip(8080), LENGTH)?;
        let downloading = Self {
            pair,
            download,
            servers: downloads,
        };
        downloading.wait_copied()?;
        Ok(downloading)
    }

    fn wait_copied(&self) -> Result<()> {
        let backup = &self.pair.nodes[BACKUP];
        wait_until("the backup knows the connection", PATIENCE, || {
            let all = backup.ipvs_connections()?;
            Ok(all
                .iter()
                .any(|words| words.iter().any(|it| it == "ESTABLISHED")))
        })
        .map(drop)
        .with_context(|| self.pair.logs())
    }

    /// Every byte comes, those after now from the other director.
    fn goes_on(self) -> Result<()> {
        let Progress { received, ended } = self.download.progress();
        ensure!(received > 0 && !ended, "{received} bytes, ended: {ended}");
        self.pair.wait_has(BACKUP)?;
        self.servers.iter().for_each(DownloadServer::hurry);
        self.download.finish().with_context(|| self.pair.logs())
    }
}

#[test]
fn a_download_survives_the_masters_death_to_the_last_byte() -> Result<()> {
    on_uml(|| {
        let mut downloading = Downloading::start()?;
        downloading.pair.die(MASTER)?;
        downloading.goes_on()
    })
}

#[test]
fn a_download_survives_a_planned_handover_and_the_roles_of_synchronisation_change() -> Result<()> {
    on_uml(|| {
        let downloading = Downloading::start()?;
        downloading.pair.directors[MASTER].vrrp("resign", None)?;
        downloading.pair.wait(BACKUP)?;
        for (which, state) in [(MASTER, "backup"), (BACKUP, "master")] {
            let node = &downloading.pair.nodes[which];
            wait_until(&format!("it is {state} now"), PATIENCE, || {
                let lines = node.ipvs_sync()?;
                Ok(lines.iter().any(|line| line.starts_with(state)))
            })
            .with_context(|| downloading.pair.logs())?;
        }
        downloading.goes_on()
    })
}

#[test]
fn flush_ends_the_sync_daemon_that_evenkeel_has_started_and_not_another_program_s() -> Result<()> {
    on_uml(|| {
        let mut downloading = Downloading::start()?;
        let node = &downloading.pair.nodes[MASTER];
        let theirs = "--start-daemon backup --mcast-interface eth0 --syncid 7";
        node.ipvsadm(&theirs.split(' ').collect::<Vec<_>>())?;
        let both = node.ipvs_sync()?;
        ensure!(both.len() == 2, "{both:?}");
        let director = &mut downloading.pair.directors[MASTER];
        director.kill9()?;
        let output = director.flush()?;
        ensure!(output.status.success(), "{output:?}");
        let left = node.ipvs_sync()?;
        ensure!(
            left.len() == 1 && left[0].starts_with("backup"),
            "{left:?} of {both:?}"
        );
        Ok(())
    })
}
