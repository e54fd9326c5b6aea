//! The two directors.

use std::fs;
use std::mem::replace;
use std::ops::{Index, IndexMut};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use evenkeel_tests::{Article, Evenkeel, Node, Paths, wait_holder};

use super::limits::LIMIT;
use xtask::cmd::root;

/// The director that is master while both are well, and the other one.
pub(super) const MASTER: usize = 0;
pub(super) const BACKUP: usize = 1;

/// Master and backup, by number.
pub(super) struct Directors {
    pub(super) nodes: Vec<Node>,
    daemons: Vec<Evenkeel>,
    paths: Paths,
    earlier_logs: Vec<String>,
}

/// What is changed in the examples so that adverts come ten times a second.
const QUICKER: [(&str, &str); 3] = [
    ("version = 2\n", "version = 3\n"),
    (
        "advert_interval = \"1s\"\n",
        "advert_interval = \"100ms\"\n",
    ),
    ("password = \"1111\"\n", ""),
];

impl Directors {
    /// How long the backup hears nothing before it takes over, with an advert a second: three intervals and (256 -
    /// 80)/256 s.
    pub(super) const SLOW: Duration = Duration::from_micros(3_687_500);
    /// The same with an advert every 100 ms.
    pub(super) const QUICK: Duration = Duration::from_micros(368_750);
    /// Their files in `examples/`.
    const ROLES: [&str; 2] = ["master", "backup"];

    pub(super) fn new(nodes: Vec<Node>, paths: Paths) -> Result<Self> {
        let mut daemons = Vec::new();
        for (node, role) in nodes.iter().zip(Self::ROLES) {
            let config = example(&format!("director-{role}.toml"))?;
            daemons.push(Evenkeel::with_paths(node, &config, paths.clone())?);
        }
        Ok(Self {
            earlier_logs: vec![String::new(); nodes.len()],
            nodes,
            daemons,
            paths,
        })
    }

    /// With its keepalived.conf from now on. It must have been ended.
    pub(super) fn keepalived_conf(&mut self, which: usize) -> Result<()> {
        let config = example(&format!("keepalived-{}.conf", Self::ROLES[which]))?;
        let daemon = Evenkeel::with_paths(&self.nodes[which], "", self.paths.clone())?;
        self.replace(which, daemon.file("keepalived.conf", config.as_bytes())?);
        Ok(())
    }

    /// With its example and ten adverts a second from now on. It must have been ended. Returns the lines that are
    /// changed.
    pub(super) fn quick_example(&mut self, which: usize) -> Result<String> {
        let mut config = example(&format!("director-{}.toml", Self::ROLES[which]))?;
        let mut changes = String::new();
        for (slow, quick) in QUICKER {
            ensure!(config.contains(slow), "the example has no line {slow}");
            config = config.replacen(slow, quick, 1);
            changes += &format!("- {slow}");
            if !quick.is_empty() {
                changes += &format!("+ {quick}");
            }
        }
        let daemon = Evenkeel::with_paths(&self.nodes[which], &config, self.paths.clone())?;
        self.replace(which, daemon);
        Ok(changes)
    }

    fn replace(&mut self, which: usize, daemon: Evenkeel) {
        let before = replace(&mut self.daemons[which], daemon);
        self.earlier_logs[which] += &before.log();
    }

    /// Waits until one has both addresses and the other has none.
    pub(super) fn wait_alone(&self, which: usize) -> Result<Duration> {
        wait_holder(&self.nodes, &Article::VIRTUAL, which, LIMIT)
    }

    /// Waits until one has both addresses, whatever the other one, of whom nobody hears, still has.
    pub(super) fn wait_has(&self, which: usize) -> Result<Duration> {
        wait_holder(&self.nodes[which..=which], &Article::VIRTUAL, 0, LIMIT)
    }

    /// Kills a director's daemon and cuts its cables.
    pub(super) fn kill(&mut self, which: usize) -> Result<()> {
        self.daemons[which].kill9()?;
        for interface in ["eth0", "eth1"] {
            self.nodes[which].cut(interface)?;
        }
        Ok(())
    }

    /// Names and logs.
    pub(super) fn logs(&self) -> impl Iterator<Item = (&str, String)> {
        let daemons = self.daemons.iter().zip(&self.earlier_logs);
        self.nodes
            .iter()
            .zip(daemons)
            .map(|(node, (daemon, earlier))| (node.name(), earlier.clone() + &daemon.log()))
    }
}

impl Index<usize> for Directors {
    type Output = Evenkeel;

    fn index(&self, which: usize) -> &Evenkeel {
        &self.daemons[which]
    }
}

impl IndexMut<usize> for Directors {
    fn index_mut(&mut self, which: usize) -> &mut Evenkeel {
        &mut self.daemons[which]
    }
}

fn example(name: &str) -> Result<String> {
    let file = root().join("examples").join(name);
    fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
}
