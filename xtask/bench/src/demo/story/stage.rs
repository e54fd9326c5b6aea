//! All that is on the stage, and the first steps on it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use evenkeel_tests::{Article, Client, Nginx, Paths};

use super::super::tell::{Teller, seconds};
use super::directors::{BACKUP, Directors, MASTER};

const SERVERS: usize = 2;

/// All that is on the stage.
pub(super) struct Stage {
    pub(super) teller: Teller,
    pub(super) net: Article,
    pub(super) client: Client,
    pub(super) web: SocketAddr,
    pub(super) nginx: Vec<Option<Nginx>>,
    pub(super) directors: Directors,
}

impl Stage {
    pub(super) fn set(paths: Paths) -> Result<Self> {
        let mut teller = Teller::new();
        teller.chapter("The network");
        let net = Article::pair(SERVERS)?;
        teller.quote(&format!(
            "client                        10.10.54.10\n    │\n    ├─ 10.10.54.0/24 ── service {vip}\n    │\n\
             director (master), backup     10.10.54.155 / 172.16.50.155, 10.10.54.156 / 172.16.50.156\n    │\n    \
             ├─ 172.16.50.0/24 ─ gateway {gateway}\n    │\n\
             server1, server2              172.16.50.157, 172.16.50.159",
            vip = Article::VIP,
            gateway = Article::GATEWAY,
        ));
        let directors = Directors::new(net.directors(), paths)?;
        let client = Client::new(&net.client).timeout(Duration::from_secs(1));
        let web = net.vip(80);
        let mut stage = Self {
            teller,
            net,
            client,
            web,
            nginx: Vec::new(),
            directors,
        };
        for number in 0..SERVERS {
            let nginx = stage.start_nginx(number)?;
            stage.nginx.push(Some(nginx));
        }
        stage.teller.say("both real servers run nginx");
        Ok(stage)
    }

    pub(super) fn start_nginx(&self, number: usize) -> Result<Nginx> {
        let node = &self.net.servers[number];
        Nginx::start(node, &[self.net.server(number, 80)], node.name())
    }

    pub(super) fn check(&mut self) -> Result<()> {
        self.teller
            .chapter("evenkeel check --config examples/director-master.toml");
        let output = self.directors[MASTER].check()?;
        self.teller.quote(&String::from_utf8_lossy(
            &[output.stdout, output.stderr].concat(),
        ));
        self.teller
            .promise(output.status.success(), "nothing is in the way");
        Ok(())
    }

    pub(super) fn begin(&mut self) -> Result<()> {
        self.teller
            .chapter("evenkeel run, on both directors: one of them becomes master");
        self.start_both()?;
        let rules = self.directors.nodes[BACKUP]
            .run("nft", &["list", "map", "inet", "evenkeel", "svc4"])?;
        self.teller.promise(
            rules.contains(&Article::VIP.to_string()),
            "the backup's kernel holds the service already",
        );
        for which in [MASTER, BACKUP] {
            self.status(which)?;
        }
        Ok(())
    }

    /// Starts both directors and waits for the master.
    pub(super) fn start_both(&mut self) -> Result<()> {
        let start = Instant::now();
        for which in [MASTER, BACKUP] {
            self.directors[which].start()?;
        }
        self.teller.say(&format!(
            "both daemons run after {}",
            seconds(start.elapsed())
        ));
        self.directors.wait_alone(MASTER)?;
        self.teller.say(&format!(
            "the director has both addresses after {}, and the backup has none",
            seconds(start.elapsed())
        ));
        Ok(())
    }

    pub(super) fn status(&self, which: usize) -> Result<()> {
        let name = self.directors.nodes[which].name();
        self.teller.say(&format!("{name}# evenkeel status"));
        self.teller.quote(&self.directors[which].status_table()?);
        Ok(())
    }
}
