//! Everything that can move an address, once.

use std::net::IpAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use evenkeel_tests::{Article, Capture, Node, Ping, eventually, wait_holder};

use super::attempts::{Attempts, Seen};
use super::interval::Interval;
use super::pair::{Program, Router, down_time, routers};

/// From one question to the next.
pub(crate) const PACE: Duration = Duration::from_millis(5);
/// How long anything may take that is not bound to the interval.
const LIMIT: Duration = Duration::from_secs(20);
/// What is waited before and after an event, so that the gap has an edge on either side.
const MARGIN: Duration = Duration::from_millis(200);

/// What moves the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    /// The master's cables are cut and it is killed.
    Death,
    /// SIGTERM to the master.
    Stop,
    /// The better router returns.
    Return,
    /// An operator tells the master to hand over. Evenkeel only.
    Resign,
}

impl Event {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Death => "master killed, links down",
            Self::Stop => "SIGTERM to the master",
            Self::Return => "the better one returns",
            Self::Resign => "evenkeel vrrp resign",
        }
    }

    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Death => "death",
            Self::Stop => "stop",
            Self::Return => "return",
            Self::Resign => "resign",
        }
    }
}

/// What a client saw of one event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// From the last answer before to the first one after.
    pub(crate) gap: Duration,
    /// Connections through the service; for planned handovers of Evenkeel.
    pub(crate) attempts: Option<Seen>,
}

/// A pair that has just been started.
pub(crate) struct Round<'a> {
    net: &'a Article,
    nodes: Vec<Node>,
    program: Program,
    interval: Interval,
    phase: f64,
    routers: Vec<Router>,
}

impl<'a> Round<'a> {
    /// `phase`: the part of the interval after an advert at which the master dies.
    pub(crate) fn new(
        net: &'a Article,
        program: Program,
        interval: Interval,
        phase: f64,
    ) -> Result<Self> {
        let nodes = net.directors();
        let routers = routers(net, &nodes, program, interval)?;
        Ok(Self {
            net,
            nodes,
            program,
            interval,
            phase,
            routers,
        })
    }

    /// All events, one after the other, and a clean network at the end.
    pub(crate) fn run(mut self) -> Result<Vec<(Event, Measured)>> {
        let seen = self.events().with_context(|| {
            let logs: Vec<String> = self.routers.iter().map(Router::log).collect();
            logs.join("\n----\n")
        })?;
        self.clear()?;
        Ok(seen)
    }

    fn events(&mut self) -> Result<Vec<(Event, Measured)>> {
        for router in &mut self.routers {
            router.start()?;
        }
        self.wait_alone(0)?;
        let mut seen = Vec::new();
        if self.program == Program::Evenkeel {
            seen.push(self.measure(Event::Resign)?);
            self.routers[0].order("resume")?;
            self.wait_alone(0)?;
        }
        for event in [Event::Stop, Event::Return, Event::Death] {
            seen.push(self.measure(event)?);
        }
        Ok(seen)
    }

    fn measure(&mut self, event: Event) -> Result<(Event, Measured)> {
        sleep(MARGIN + 2 * self.interval.duration());
        let watched = self.program == Program::Evenkeel && event != Event::Death;
        let attempts = watched.then(|| Attempts::start(self.net)).transpose()?;
        let ping = Ping::start(&self.net.client, IpAddr::V4(Article::VIP), PACE)?;
        sleep(MARGIN);
        match event {
            Event::Death => self.kill()?,
            Event::Stop => self.routers[0].sigterm()?,
            Event::Return => self.routers[0].start()?,
            Event::Resign => self.routers[0].order("resign")?,
        }
        match event {
            // Whoever is dead may keep its addresses: nobody hears it.
            Event::Death => wait_holder(&self.nodes[1..], &Article::VIRTUAL, 0, LIMIT).map(drop)?,
            Event::Stop | Event::Resign => self.wait_alone(1)?,
            Event::Return => self.wait_alone(0)?,
        }
        sleep(MARGIN);
        let pings = ping.stop()?;
        let last = pings.answered.iter().rev().take(10).flatten().count();
        ensure!(last > 0, "{}: nobody answers any more", event.name());
        let attempts = attempts.map(Attempts::stop).transpose()?;
        let gap = pings.gap();
        Ok((event, Measured { gap, attempts }))
    }

    /// As a power cut does it: from one moment on nothing of it is heard. So the cable goes first, and whatever the
    /// program does in the milliseconds until its end, nobody learns of it.
    fn kill(&mut self) -> Result<()> {
        let advert = self.next_advert()?;
        let moment = advert + self.interval.duration().mul_f64(self.phase);
        sleep(moment.saturating_duration_since(Instant::now()));
        let master = &self.nodes[0];
        master.cut("eth0")?;
        self.routers[0].kill9()?;
        master.cut("eth1")
    }

    /// When the next advert is heard.
    fn next_advert(&self) -> Result<Instant> {
        let capture = Capture::start(&self.net.client)?;
        eventually("an advert", LIMIT, || {
            let frames = capture.frames();
            let advert = frames.iter().rev().find(|frame| frame.advert().is_some());
            Ok(advert.map(|frame| frame.at))
        })
    }

    fn wait_alone(&self, which: usize) -> Result<()> {
        let limit = LIMIT + 2 * down_time(self.interval);
        wait_holder(&self.nodes, &Article::VIRTUAL, which, limit).map(drop)
    }

    /// Ends both programs and takes away what they left.
    fn clear(self) -> Result<()> {
        for router in &self.routers {
            if let Router::Evenkeel(it) = router {
                it.flush()?;
            }
        }
        drop(self.routers);
        for node in &self.nodes {
            node.mend("eth0")?;
            node.mend("eth1")?;
            let held = node.addresses()?;
            for (address, interface) in Article::VIRTUAL.iter().zip(["eth0", "eth1"]) {
                if held.contains(address) {
                    node.delete_address(interface, &format!("{address}/24"))?;
                }
            }
        }
        Ok(())
    }
}
