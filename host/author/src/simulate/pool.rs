//! The real servers: what they serve, and what waits for them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use evenkeel_core::connections::Counts;
use evenkeel_core::health::{CheckHealth, LastCheck, ServerHealth};
use evenkeel_core::model::{Forward, Server as ConfiguredServer};

use super::workload::Server;

/// A server as it is.
pub(super) struct RealServer {
    pub(super) spec: Server,
    pub(super) address: SocketAddr,
    /// It is in the configuration.
    pub(super) configured: bool,
    /// It answers.
    pub(super) works: bool,
    /// The director takes it to be up.
    pub(super) up: bool,
    /// Its connections.
    pub(super) counts: Counts,
    /// What was last reported of them.
    pub(super) reported: Counts,
    /// Ends of connections that began before its last failure do not count.
    pub(super) life: u32,
    /// When each place is free, after the beginning; with a capacity only.
    places: BinaryHeap<Reverse<Duration>>,
}

impl RealServer {
    /// The `n`th, from 0.
    fn new(n: u32, spec: Server) -> Self {
        let address = (Ipv4Addr::from(0x0a00_0001 + n), 80).into();
        let mut server = Self {
            spec,
            address,
            configured: true,
            works: true,
            up: true,
            counts: Counts::default(),
            reported: Counts::default(),
            life: 0,
            places: BinaryHeap::new(),
        };
        server.clear();
        server
    }

    /// It has nothing to do.
    fn clear(&mut self) {
        let places = self.spec.capacity.unwrap_or(0);
        self.places = (0..places).map(|_| Reverse(Duration::ZERO)).collect();
    }

    /// Its weight for new connections, as the director has it.
    pub(super) fn weight(&self) -> u32 {
        if self.up && self.configured {
            self.spec.weight
        } else {
            0
        }
    }

    /// How long a connection that comes now would wait.
    fn wait(&self, now: Duration) -> Duration {
        let free = self.places.peek().map_or(Duration::ZERO, |free| free.0);
        free.saturating_sub(now)
    }

    /// Takes a connection that a server of speed 1 needs so long for. How long it waits, and how long it takes then.
    pub(super) fn take(&mut self, now: Duration, lifetime: Duration) -> (Duration, Duration) {
        let wait = self.wait(now);
        let seconds = lifetime.as_secs_f64() / self.spec.speed;
        let service = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        if self.places.pop().is_some() {
            self.places
                .push(Reverse(now.saturating_add(wait).saturating_add(service)));
        }
        self.counts.active += 1;
        self.counts.total += 1;
        (wait, service)
    }

    /// A connection that it resets at once.
    pub(super) fn reset(&mut self) {
        self.counts.inactive += 1;
        self.counts.total += 1;
    }

    /// It fails: how many connections are lost.
    pub(super) fn fail(&mut self) -> u32 {
        self.works = false;
        self.life += 1;
        self.clear();
        let lost = std::mem::take(&mut self.counts.active);
        self.counts.inactive += lost;
        lost
    }

    /// What its checks say.
    pub(super) fn health(&self, now: Duration, instant: Instant) -> ServerHealth {
        let last = LastCheck {
            at: instant,
            latency: self.spec.latency + self.wait(now),
            verdict: String::new(),
        };
        let check = CheckHealth {
            plugin: "check".to_owned(),
            up: self.up,
            share: 100,
            reason: None,
            since: instant,
            last: self.works.then_some(last),
            signals: evenkeel_core::signals::Signals::NONE,
            failing: 0,
            plugin_error: None,
            checks: 1,
            failures: 0,
            unknown: 0,
        };
        ServerHealth {
            up: self.up,
            share: 100,
            reason: None,
            since: instant,
            checks: vec![check],
        }
    }
}

/// All of them, in the order in which they came.
pub(super) struct Pool {
    pub(super) servers: Vec<RealServer>,
    by_name: BTreeMap<String, usize>,
    by_address: BTreeMap<SocketAddr, usize>,
}

impl Pool {
    pub(super) fn new(specs: &[Server]) -> Self {
        let mut pool = Self {
            servers: Vec::new(),
            by_name: BTreeMap::new(),
            by_address: BTreeMap::new(),
        };
        specs.iter().for_each(|spec| pool.add(spec.clone()));
        pool
    }

    pub(super) fn add(&mut self, spec: Server) {
        let n = self.servers.len();
        let server = RealServer::new(u32::try_from(n).unwrap_or(0), spec);
        self.by_name.insert(server.spec.name.clone(), n);
        self.by_address.insert(server.address, n);
        self.servers.push(server);
    }

    /// The server of that name, and its number.
    pub(super) fn named(&mut self, name: &str) -> Option<(usize, &mut RealServer)> {
        let n = *self.by_name.get(name)?;
        self.servers.get_mut(n).map(|server| (n, server))
    }

    /// The number of the server at that address.
    pub(super) fn at(&self, address: SocketAddr) -> Option<usize> {
        self.by_address.get(&address).copied()
    }

    /// Those that are configured, as the director takes them.
    pub(super) fn configured(&self) -> Vec<ConfiguredServer> {
        let configured = self.servers.iter().filter(|server| server.configured);
        configured
            .map(|server| ConfiguredServer {
                name: server.spec.name.clone(),
                address: server.address,
                forward: Forward::Nat,
                weight: server.spec.weight,
                inhibit_on_failure: false,
                upper_threshold: None,
                required: Default::default(),
                notify: None,
                role: Default::default(),
                lower_threshold: None,
                labels: server.spec.labels.clone(),
                checks: Vec::new(),
            })
            .collect()
    }
}
