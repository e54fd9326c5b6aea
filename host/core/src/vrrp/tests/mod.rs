//! The machine as its driver sees it.

mod deadlines;
mod garbage;
mod groups;
mod hanging;
mod log;
mod packets;
mod simulation;
mod table;
mod timers;
mod world;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::packet::{Advert, Authentication};
use super::router::Router;
use super::{Hearing, Input, Output, State};
use crate::model::{
    Announce, Checksum, Family, Notify, VirtualAddress, Vrrp, VrrpInstance, VrrpVersion,
};

const MS: Duration = Duration::from_millis(1);
const GROUP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(224, 0, 0, 18));

#[expect(clippy::disallowed_methods, reason = "only differences to it matter")]
fn start() -> Instant {
    Instant::now()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn address(addr: &str, interface: &str) -> VirtualAddress {
    VirtualAddress {
        addr: ip(addr),
        prefix: 24,
        interface: interface.to_owned(),
        label: None,
        scope: 0,
        advertised: true,
    }
}

/// The article's instance, in version 3 with an advert every 100 ms.
fn instance(priority: u8) -> VrrpInstance {
    VrrpInstance {
        name: "VI_1".to_owned(),
        interface: "eth0".to_owned(),
        router_id: 51,
        version: VrrpVersion::V3,
        family: Family::V4,
        priority,
        advert_interval: 100 * MS,
        preempt: true,
        preempt_delay: Duration::ZERO,
        password: None,
        checksum: Checksum::PseudoHeader,
        source: None,
        peers: Vec::new(),
        addresses: vec![
            address("10.10.54.151", "eth0"),
            address("172.16.50.254", "eth1"),
        ],
        routes: Vec::new(),
        rules: Vec::new(),
        announce: Announce::default(),
        virtual_mac: None,
        address_lifetime: None,
        track: Vec::new(),
        notify: Notify::default(),
    }
}

fn config(instance: VrrpInstance) -> Vrrp {
    Vrrp {
        instances: vec![instance],
        ..Vrrp::default()
    }
}

/// An advert of that instance by another router.
fn advert(priority: u8) -> Advert {
    Advert {
        version: VrrpVersion::V3,
        router_id: 51,
        priority,
        interval: 100 * MS,
        addresses: vec![ip("10.10.54.151"), ip("172.16.50.254")],
        authentication: Authentication::None,
    }
}

/// One router, 10.10.54.155, and a clock.
struct Bench {
    router: Router,
    now: Instant,
    begin: Instant,
}

impl Bench {
    /// With everything up and ready; a backup, unless it is the owner.
    fn new(instance: VrrpInstance) -> Self {
        let mut bench = Self::asleep(instance);
        bench.interfaces(true);
        bench.give(Input::Ready);
        bench
    }

    /// Before anything is known.
    fn asleep(instance: VrrpInstance) -> Self {
        let begin = start();
        Self {
            router: Router::new(&config(instance), begin),
            now: begin,
            begin,
        }
    }

    /// Master, with its addresses in place.
    fn master(instance: VrrpInstance) -> Self {
        let mut bench = Self::new(instance);
        while bench.state() != State::Master {
            bench.reach_next();
        }
        bench.give(Input::Held { instance: "VI_1" });
        bench.outputs();
        bench
    }

    fn interfaces(&mut self, up: bool) {
        for name in ["eth0", "eth1"] {
            self.interface(name, up);
        }
    }

    fn interface(&mut self, name: &str, up: bool) {
        self.link(name, up);
        if name == "eth0" {
            self.hearing(Hearing::Works);
        }
    }

    /// The interface alone: whether the socket hears is another matter.
    fn link(&mut self, name: &str, up: bool) {
        let host = if name == "eth0" {
            "10.10.54.155"
        } else {
            "172.16.50.155"
        };
        self.give(Input::Interface {
            name,
            up,
            ipv4: Some(ip(host)),
            ipv6: None,
        });
    }

    /// How the socket for its adverts is.
    fn hearing(&mut self, hearing: Hearing<'_>) {
        let instance = "VI_1";
        self.give(Input::Hearing { instance, hearing });
    }

    fn give(&mut self, input: Input<'_>) {
        self.router.handle(input, self.now);
    }

    fn hear(&mut self, from: &str, advert: &Advert) {
        let payload = advert.encode(ip(from), GROUP, Checksum::PseudoHeader);
        self.hear_bytes(from, 255, &payload);
    }

    fn hear_bytes(&mut self, from: &str, ttl: u8, payload: &[u8]) {
        self.give(Input::Received {
            interface: "eth0",
            source: ip(from),
            destination: GROUP,
            ttl,
            payload,
        });
    }

    /// Lets time pass, with every timer on time.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.router.poll_at().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.router.poll(self.now);
        }
        self.now = end;
    }

    /// Lets time pass without running.
    fn sleep(&mut self, time: Duration) {
        self.now += time;
    }

    /// Does what is due.
    fn wake(&mut self) {
        self.router.poll(self.now);
    }

    /// To the next timer.
    fn reach_next(&mut self) {
        let at = self.router.poll_at().expect("something to wait for");
        self.pass(at.saturating_duration_since(self.now));
    }

    fn state(&self) -> State {
        self.router.report(self.now)[0].state
    }

    fn holding(&self) -> bool {
        self.router.report(self.now)[0].holding
    }

    /// What is to be done, in short: `send 100`, `hold`, `release`, `announce 5`, `notify Master`, `warn`, `say`.
    fn outputs(&mut self) -> Vec<String> {
        self.router.outputs().iter().map(short).collect()
    }

    /// The same without what is only for the log.
    fn deeds(&mut self) -> Vec<String> {
        let mut deeds = self.outputs();
        deeds.retain(|it| it != "say" && it != "warn");
        deeds
    }
}

fn short(output: &Output) -> String {
    match output {
        Output::Send { messages, .. } => format!("send {}", messages[0].1[2]),
        Output::Hold { .. } => "hold".to_owned(),
        Output::Release { .. } => "release".to_owned(),
        Output::Announce { rounds, .. } => format!("announce {rounds}"),
        Output::Notify { group, state, .. } => {
            let whose = if *group { "group " } else { "" };
            format!("notify {whose}{state:?}")
        }
        Output::Event(event) if event.warning => "warn".to_owned(),
        Output::Event(_) => "say".to_owned(),
    }
}
