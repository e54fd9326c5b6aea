//! A pair of Evenkeel directors between clients and real servers.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use evenkeel_tests::{
    Article, Backend, Client, Evenkeel, Node, Watch, sole_holder, wait_holder, wait_until,
};
use serde_json::Value;

use super::vrrp::{Instance, connect, cut_off};
use super::{PATIENCE, Service, servers, tcp_backends};

/// The master, with the higher priority.
pub(crate) const MASTER: usize = 0;
/// The backup.
pub(crate) const BACKUP: usize = 1;
/// Priorities of the two.
pub(crate) const PRIORITIES: [u8; 2] = [120, 80];

/// An attempt to connect that takes so long has lost a packet: the kernel sends it again after a second.
/// (`TCPSynRetrans` also counts those that it sends again at once, because an answer did not fit.)
const SENT_AGAIN: Duration = Duration::from_millis(900);

/// Both directors run, and [`MASTER`] has the addresses.
pub(crate) struct Pair {
    pub(crate) net: Article,
    pub(crate) nodes: [Node; 2],
    pub(crate) directors: [Evenkeel; 2],
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) backends: Vec<Backend>,
}

impl Pair {
    /// Both with the same instance but for the priority, and a web service on the first address.
    pub(crate) fn of(make: impl Fn(u8) -> Instance) -> Result<Self> {
        let net = Article::pair(2)?;
        let configs = PRIORITIES.map(|priority| make(priority).toml() + &web(&net));
        Self::start(net, &configs, &make(1).held())
    }

    /// With these configurations.
    pub(crate) fn start(net: Article, configs: &[String; 2], addresses: &[IpAddr]) -> Result<Self> {
        let mut pair = Self::prepare(net, configs, addresses)?;
        for director in &mut pair.directors {
            director.start()?;
        }
        pair.wait(MASTER)?;
        Ok(pair)
    }

    /// With these configurations, and neither runs yet.
    pub(crate) fn prepare(
        net: Article,
        configs: &[String; 2],
        addresses: &[IpAddr],
    ) -> Result<Self> {
        let backup = net.backup.clone().context("a pair has a backup")?;
        let nodes = [net.director.clone(), backup];
        let backends = tcp_backends(&net, &servers(&net, 80))?;
        let [master, backup] = [0, 1].map(|it| Evenkeel::new(&nodes[it], &configs[it]));
        Ok(Self {
            directors: [master?, backup?],
            addresses: addresses.to_vec(),
            nodes,
            net,
            backends,
        })
    }

    /// Waits until this director alone has all addresses.
    pub(crate) fn wait(&self, which: usize) -> Result<Duration> {
        wait_holder(&self.nodes, &self.addresses, which, PATIENCE).with_context(|| self.logs())
    }

    /// Waits until this director has all addresses, whoever else has some.
    pub(crate) fn wait_has(&self, which: usize) -> Result<Duration> {
        let name = self.nodes[which].name();
        wait_until(&format!("{name} has the addresses"), PATIENCE, || {
            let all = self.nodes[which].addresses()?;
            Ok(self.addresses.iter().all(|it| all.contains(it)))
        })
        .with_context(|| self.logs())
    }

    /// Looks for a while whether this director alone has all addresses.
    pub(crate) fn stays(&self, which: usize, time: Duration) -> Result<()> {
        let watch = Watch::start(&self.nodes, &self.addresses)?;
        std::thread::sleep(time);
        let seen = watch.stop()?;
        let wanted = self.addresses.len();
        let otherwise =
            seen.longest(|held| held[which].len() < wanted || !held[1 - which].is_empty());
        ensure!(
            otherwise.is_zero(),
            "for {otherwise:?} it was otherwise\n{}",
            self.logs()
        );
        ensure!(
            sole_holder(&self.nodes, &self.addresses)? == Some(which),
            "no"
        );
        Ok(())
    }

    /// Asks a number of times through the service.
    pub(crate) fn serves(&self, times: usize) -> Result<()> {
        let answers = Client::new(&self.net.client).ask_times(self.net.vip(80), times);
        answers
            .map(drop)
            .with_context(|| self.neighbours() + &self.logs())
    }

    /// Whom everyone takes for whom.
    fn neighbours(&self) -> String {
        let net = &self.net;
        let everyone = [&net.client, &self.nodes[0], &self.nodes[1]].into_iter();
        everyone
            .chain(&net.servers)
            .map(|node| {
                let shown = node.run("ip", &["neigh", "show"]).unwrap_or_default();
                let links = node
                    .run("ip", &["-brief", "link", "show"])
                    .unwrap_or_default();
                format!("{}:\n{shown}{links}", node.name())
            })
            .collect()
    }

    /// Ends a director as a power cut would: addresses and rules stay on it, but nothing hears from it.
    pub(crate) fn die(&mut self, which: usize) -> Result<()> {
        // In this order: of a lost carrier it would hear in time to give its addresses up.
        self.directors[which].kill9()?;
        cut_off(&self.nodes[which])
    }

    /// Brings a director back that died or was stopped.
    pub(crate) fn come_back(&mut self, which: usize) -> Result<()> {
        connect(&self.nodes[which])?;
        self.directors[which].start()
    }

    /// What the status says of a director's first instance.
    pub(crate) fn report(&self, which: usize) -> Result<Value> {
        let status = self.directors[which].status()?;
        Ok(status["vrrp"]["instances"][0].clone())
    }

    /// Waits until a director's first instance is in this state.
    pub(crate) fn wait_state(&self, which: usize, state: &str) -> Result<Duration> {
        let what = format!("director {which} is {state}");
        self.directors[which].wait_status(&what, PATIENCE, |status| {
            status["vrrp"]["instances"][0]["state"] == state
        })
    }

    /// What both have logged.
    pub(crate) fn logs(&self) -> String {
        let [master, backup] = &self.directors;
        format!("master:\n{}backup:\n{}", master.log(), backup.log())
    }

    /// Opens connections through the service all the time while `action` goes on. None may fail, and no packet that
    /// opens one may be lost. (What is open when the addresses move is another matter: directors do not share their
    /// connections.)
    pub(crate) fn loses_nothing(
        &mut self,
        action: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        self.serves(1)?;
        let client = Client::new(&self.net.client);
        let streams = [2, 3]
            .map(|pause| client.keep_connecting(self.net.vip(80), Duration::from_millis(pause)));
        std::thread::sleep(Duration::from_millis(300));
        action(self)?;
        std::thread::sleep(Duration::from_millis(500));
        for stream in streams {
            let record = stream?.stop()?;
            let failed = record.failures().next();
            ensure!(failed.is_none(), "{failed:?}\n{}", self.logs());
            ensure!(
                record.longest() < SENT_AGAIN,
                "an attempt took {:?}\n{}",
                record.longest(),
                self.logs()
            );
            ensure!(
                record.answers.len() > 100,
                "{} answers",
                record.answers.len()
            );
        }
        Ok(())
    }
}

/// A web service on the article's address, without checks.
pub(crate) fn web(net: &Article) -> String {
    Service::new("web", net.vip(80))
        .servers(servers(net, 80))
        .text()
}

/// A web service on the article's address that checks its servers.
pub(crate) fn checked_web(net: &Article) -> Service {
    Service::new("web", net.vip(80)).checked()
}
