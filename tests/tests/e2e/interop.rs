//! keepalived: alone as the measure, and together with Evenkeel, both ways round.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::support::PATIENCE;
use crate::support::vrrp::{Instance, connect, cut_off};
use anyhow::{Context as _, Result, ensure};
use evenkeel_tests::{
    Article, Capture, Evenkeel, Frame, Keepalived, Node, Ping, Watch, isolated_with, sole_holder,
    wait_holder, wait_until,
};

const NEEDED: &[&str] = &[Keepalived::PROGRAM];
const SECOND: Duration = Duration::from_secs(1);
const PRIORITIES: [u8; 2] = [120, 80];

/// One of the two programs.
enum Director {
    Evenkeel(Box<Evenkeel>),
    Keepalived(Keepalived),
}

/// Which program a director runs.
#[derive(Clone, Copy)]
enum Kind {
    Evenkeel,
    Keepalived,
}

impl Director {
    fn new(kind: Kind, node: &Node, instance: &Instance) -> Result<Self> {
        Ok(match kind {
            Kind::Evenkeel => Self::Evenkeel(Box::new(Evenkeel::new(node, &instance.toml())?)),
            Kind::Keepalived => Self::Keepalived(Keepalived::new(node, &instance.keepalived())?),
        })
    }

    fn start(&mut self) -> Result<()> {
        match self {
            Self::Evenkeel(it) => it.start(),
            Self::Keepalived(it) => it.start(),
        }
    }

    fn sigterm(&mut self) -> Result<()> {
        match self {
            Self::Evenkeel(it) => it.sigterm().map(drop),
            Self::Keepalived(it) => it.sigterm(),
        }
    }

    fn kill9(&mut self) -> Result<()> {
        match self {
            Self::Evenkeel(it) => it.kill9(),
            Self::Keepalived(it) => it.kill9(),
        }
    }

    fn log(&self) -> String {
        match self {
            Self::Evenkeel(it) => format!("Evenkeel:\n{}", it.log()),
            Self::Keepalived(it) => format!("keepalived:\n{}", it.log()),
        }
    }
}

struct Pair {
    net: Article,
    nodes: Vec<Node>,
    directors: [Director; 2],
    addresses: Vec<IpAddr>,
    interval: Duration,
}

impl Pair {
    fn start(kinds: [Kind; 2], make: fn(u8) -> Instance) -> Result<Self> {
        let net = Article::pair(1)?;
        let nodes = net.directors();
        let make_one =
            |which: usize| Director::new(kinds[which], &nodes[which], &make(PRIORITIES[which]));
        let mut directors = [make_one(0)?, make_one(1)?];
        for director in &mut directors {
            director.start()?;
        }
        let instance = make(1);
        let pair = Self {
            net,
            nodes,
            directors,
            addresses: instance.held(),
            interval: instance.interval,
        };
        pair.wait(0)?;
        Ok(pair)
    }

    fn wait(&self, which: usize) -> Result<()> {
        wait_holder(&self.nodes, &self.addresses, which, PATIENCE)
            .map(drop)
            .with_context(|| self.logs())
    }

    fn wait_has(&self, which: usize) -> Result<()> {
        wait_until("the other one has the addresses", PATIENCE, || {
            let all = self.nodes[which].addresses()?;
            Ok(self.addresses.iter().all(|it| all.contains(it)))
        })
        .map(drop)
        .with_context(|| self.logs())
    }

    /// One holder for several intervals, and one sender of adverts.
    fn is_settled(&self, which: usize) -> Result<()> {
        let watch = Watch::start(&self.nodes, &self.addresses)?;
        // Of named peers, nobody else hears.
        let capture = Capture::start(&self.nodes[0])?;
        std::thread::sleep(3 * self.interval + SECOND / 4);
        let (seen, frames) = (watch.stop()?, capture.stop()?);
        let otherwise = seen.longest(|held| {
            held[which].len() < self.addresses.len() || !held[1 - which].is_empty()
        });
        ensure!(
            otherwise.is_zero(),
            "for {otherwise:?} it was otherwise\n{}",
            self.logs()
        );
        let adverts: Vec<_> = frames.iter().filter_map(Frame::advert).collect();
        ensure!(adverts.len() >= 3, "{} adverts", adverts.len());
        for advert in adverts {
            ensure!(
                advert.priority == PRIORITIES[which],
                "an advert of the other one: {advert:?}\n{}",
                self.logs()
            );
        }
        ensure!(
            sole_holder(&self.nodes, &self.addresses)? == Some(which),
            "no"
        );
        Ok(())
    }

    fn logs(&self) -> String {
        let [master, backup] = &self.directors;
        format!("master: {}\nbackup: {}", master.log(), backup.log())
    }
}

/// The one of the higher priority resigns, comes back, dies, comes back.
fn take_turns(kinds: [Kind; 2], make: fn(u8) -> Instance) -> Result<()> {
    let mut pair = Pair::start(kinds, make)?;
    pair.is_settled(0)?;
    let watch = Watch::start(&pair.nodes, &pair.addresses)?;
    pair.directors[0].sigterm()?;
    pair.wait(1)?;
    pair.is_settled(1)?;
    pair.directors[0].start()?;
    pair.wait(0)?;
    let seen = watch.stop()?;
    ensure!(seen.moves() == 2, "{} moves\n{}", seen.moves(), pair.logs());
    ensure!(seen.divided() < SECOND / 2, "{:?} apart", seen.divided());
    pair.is_settled(0)?;
    // Of a lost carrier it would hear in time to give its addresses up.
    pair.directors[0].kill9()?;
    cut_off(&pair.nodes[0])?;
    pair.wait_has(1)?;
    connect(&pair.nodes[0])?;
    pair.directors[0].start()?;
    pair.wait(0)?;
    pair.is_settled(0)
}

const WITH_BACKUP: [Kind; 2] = [Kind::Evenkeel, Kind::Keepalived];
const WITH_MASTER: [Kind; 2] = [Kind::Keepalived, Kind::Evenkeel];

#[test]
fn evenkeel_and_a_keepalived_backup_take_turns_in_version_2_with_a_password() -> Result<()> {
    isolated_with(NEEDED, || take_turns(WITH_BACKUP, Instance::v2))
}

#[test]
fn evenkeel_and_a_keepalived_master_take_turns_in_version_2_with_a_password() -> Result<()> {
    isolated_with(NEEDED, || take_turns(WITH_MASTER, Instance::v2))
}

#[test]
fn evenkeel_and_a_keepalived_backup_take_turns_in_version_3_every_100_ms() -> Result<()> {
    isolated_with(NEEDED, || take_turns(WITH_BACKUP, Instance::v3))
}

#[test]
fn evenkeel_and_a_keepalived_master_take_turns_in_version_3_every_100_ms() -> Result<()> {
    isolated_with(NEEDED, || take_turns(WITH_MASTER, Instance::v3))
}

#[test]
fn evenkeel_and_a_keepalived_backup_take_turns_over_ipv6() -> Result<()> {
    isolated_with(NEEDED, || take_turns(WITH_BACKUP, Instance::v6))
}

#[test]
fn evenkeel_and_a_keepalived_master_take_turns_over_ipv6() -> Result<()> {
    isolated_with(NEEDED, || take_turns(WITH_MASTER, Instance::v6))
}

#[test]
fn evenkeel_and_a_keepalived_backup_take_turns_as_named_peers() -> Result<()> {
    isolated_with(NEEDED, || take_turns(WITH_BACKUP, Instance::unicast))
}

#[test]
fn evenkeel_and_a_keepalived_master_take_turns_as_named_peers() -> Result<()> {
    isolated_with(NEEDED, || take_turns(WITH_MASTER, Instance::unicast))
}

#[test]
fn two_keepalived_take_turns_as_evenkeel_is_expected_to() -> Result<()> {
    isolated_with(NEEDED, || take_turns([Kind::Keepalived; 2], Instance::v3))
}

#[test]
fn a_keepalived_pair_moves_both_addresses_by_death_and_by_resignation() -> Result<()> {
    isolated_with(NEEDED, || {
        let mut pair = Pair::start([Kind::Keepalived; 2], Instance::v3)?;
        let ping = Ping::start(&pair.net.client, Article::VIRTUAL[0], SECOND / 200)?;
        let watch = Watch::start(&pair.nodes, &pair.addresses)?;
        std::thread::sleep(SECOND / 5);
        pair.directors[0].sigterm()?;
        pair.wait(1)?;
        pair.directors[0].start()?;
        pair.wait(0)?;
        let capture = Capture::start(&pair.net.client)?;
        let killed = Instant::now();
        // In this order: of a lost carrier it would hear in time to give its addresses up.
        pair.directors[0].kill9()?;
        cut_off(&pair.nodes[0])?;
        // The dead one keeps them: as keepalived leaves it.
        std::thread::sleep(SECOND);
        let (pings, seen) = (ping.stop()?, watch.stop()?);
        assert_eq!(seen.moves(), 2, "{}", pair.logs());
        assert!(seen.doubled() > SECOND / 4, "{:?}", seen.doubled());
        // Longer than the pace of the pings; how much longer says how long it took to cut the dead one off.
        assert!(pings.gap() > SECOND / 50, "{:?}", pings.gap());
        let frames = capture.stop()?;
        let adverts: Vec<_> = frames.iter().filter_map(Frame::advert).collect();
        assert_eq!(adverts.last().unwrap().priority, PRIORITIES[1]);
        let announced = Some(Article::VIRTUAL[0]);
        let told = |it: &Frame| it.at > killed && it.announced() == announced;
        assert!(frames.iter().any(told));
        Ok(())
    })
}
