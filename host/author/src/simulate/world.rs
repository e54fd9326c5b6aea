//! The simulation: from one happening to the next. No clock and no I/O but the plugin's own.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::balancer::Balancer;
use super::chance::Chance;
use super::measure::Measure;
use super::pool::Pool;
use super::workload::{Happening, Workload};

/// Counts of connections are reported at most this often, as by the daemon's counter (`evenkeel_flows`,
/// `REPORT_INTERVAL`).
const REPORT_INTERVAL: Duration = Duration::from_millis(20);

/// What is to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    /// Of the workload, by number.
    Event(usize),
    /// The director learns whether the server works.
    Known(usize),
    /// A connection comes, if the rate is still the same.
    Arrival(u32),
    /// A connection of the server's present life ends.
    End(usize, u32),
    /// A connection is forgotten.
    Forget(usize),
    /// Counts are reported.
    Report,
    /// Servers are checked.
    Check,
    /// Connections are counted for the charts.
    Sample,
}

/// One simulation.
pub(super) struct World<'a> {
    workload: &'a Workload,
    pool: Pool,
    balancer: Balancer,
    chance: Chance,
    measure: Measure,
    now: Duration,
    /// What is to happen, the first on top; what was put in first of those of one time.
    agenda: BinaryHeap<Reverse<(Duration, u64, Next)>>,
    entered: u64,
    rate: f64,
    /// How often the rate has changed.
    rates: u32,
    /// When counts were reported last, and whether they are about to be.
    reported: (Option<Duration>, bool),
    /// Connections so far, for their ports.
    connections: u32,
}

impl<'a> World<'a> {
    /// All is ready, and nothing has happened.
    pub(super) fn new(workload: &'a Workload, pool: Pool, balancer: Balancer) -> Self {
        let mut world = Self {
            chance: Chance::new(workload.seed, &workload.clients),
            measure: Measure::new(workload),
            pool,
            balancer,
            workload,
            now: Duration::ZERO,
            agenda: BinaryHeap::new(),
            entered: 0,
            rate: workload.clients.rate,
            rates: 0,
            reported: (None, false),
            connections: 0,
        };
        for (number, event) in workload.events.iter().enumerate() {
            world.enter(event.at, Next::Event(number));
        }
        world.enter(Duration::ZERO, Next::Check);
        world.enter(Duration::ZERO, Next::Sample);
        world.next_arrival();
        world
    }

    /// Plays all of it. What was measured, and who has balanced.
    pub(super) fn play(mut self) -> (Measure, Balancer, Pool) {
        loop {
            let entered = self.agenda.peek().map(|next| next.0.0);
            let wake = self.balancer.wake();
            let Some(at) = entered.into_iter().chain(wake).min() else {
                break;
            };
            if at > self.workload.duration {
                break;
            }
            self.now = self.now.max(at);
            self.balancer.pass(self.now);
            if wake.is_some_and(|wake| wake <= at) {
                self.balancer.settle();
            }
            if entered == Some(at)
                && let Some(Reverse((_, _, next))) = self.agenda.pop()
            {
                self.happen(next);
            }
        }
        self.measure.finish(&self.pool);
        (self.measure, self.balancer, self.pool)
    }

    fn enter(&mut self, at: Duration, next: Next) {
        self.entered += 1;
        self.agenda.push(Reverse((at, self.entered, next)));
    }

    fn happen(&mut self, next: Next) {
        match next {
            Next::Event(number) => self.event(number),
            Next::Known(server) => self.known(server),
            Next::Arrival(rates) if rates == self.rates => {
                self.arrival();
                self.next_arrival();
            }
            Next::Arrival(_) => {}
            Next::End(server, life) => self.end(server, life),
            Next::Forget(server) => {
                if let Some(server) = self.pool.servers.get_mut(server) {
                    server.counts.inactive = server.counts.inactive.saturating_sub(1);
                }
                self.counts_changed();
            }
            Next::Report => self.report(),
            Next::Check => {
                self.check();
                self.enter(self.now + self.workload.check_interval, Next::Check);
            }
            Next::Sample => {
                self.measure.sample(&self.pool);
                self.enter(self.now + self.measure.step(), Next::Sample);
            }
        }
    }

    fn next_arrival(&mut self) {
        let arrivals = self.workload.clients.arrivals;
        if let Some(distance) = self.chance.distance(arrivals, self.rate) {
            let at = self.now.saturating_add(distance);
            self.enter(at, Next::Arrival(self.rates));
        }
    }

    /// A client connects.
    fn arrival(&mut self) {
        let client = self.chance.client();
        let lifetime = self.chance.lifetime(self.workload.lifetime);
        let address = Ipv4Addr::from(0xac10_0000 | client);
        // Each connection has a port that this client has not used for long.
        let port = u16::try_from(1024 + self.connections % 64_000).unwrap_or(u16::MAX);
        self.connections = self.connections.wrapping_add(1);
        let placed = self
            .balancer
            .place(SocketAddr::from((address, port)), &mut self.chance);
        let Some(number) = placed.and_then(|address| self.pool.at(address)) else {
            self.measure.refused(client);
            return;
        };
        self.measure.placed(client, number);
        let Some(server) = self.pool.servers.get_mut(number) else {
            return;
        };
        if server.works {
            let (wait, service) = server.take(self.now, lifetime);
            let life = server.life;
            self.measure.served(wait, service);
            let end = self.now.saturating_add(wait).saturating_add(service);
            self.enter(end, Next::End(number, life));
        } else {
            server.reset();
            self.measure.failed(number);
            self.closed(number, 1);
        }
        self.counts_changed();
    }

    fn end(&mut self, number: usize, life: u32) {
        let Some(server) = self.pool.servers.get_mut(number) else {
            return;
        };
        if server.life == life {
            server.counts.active = server.counts.active.saturating_sub(1);
            server.counts.inactive += 1;
            self.closed(number, 1);
            self.counts_changed();
        }
    }

    /// So many connections are closed, and to be forgotten in time.
    fn closed(&mut self, number: usize, count: u32) {
        for _ in 0..count {
            self.enter(
                self.now.saturating_add(self.workload.closing),
                Next::Forget(number),
            );
        }
    }

    /// The director is to hear of counts, when it is time.
    fn counts_changed(&mut self) {
        if self.balancer.counts() && !std::mem::replace(&mut self.reported.1, true) {
            let last = self.reported.0;
            let at = last.map_or(self.now, |last| self.now.max(last + REPORT_INTERVAL));
            self.enter(at, Next::Report);
        }
    }

    fn report(&mut self) {
        self.reported = (Some(self.now), false);
        let servers = self.pool.servers.iter_mut();
        let changed = servers.filter(|server| server.counts != server.reported);
        let counts: Vec<_> = changed
            .map(|server| {
                server.reported = server.counts;
                (server.address, server.counts)
            })
            .collect();
        self.balancer.counted(&counts);
        self.balancer.settle();
    }

    fn check(&mut self) {
        let instant = self.balancer.instant();
        for server in self.pool.servers.iter().filter(|it| it.configured) {
            let health = server.health(self.now, instant);
            self.balancer.health(server.address, health);
        }
        self.balancer.settle();
    }

    fn event(&mut self, number: usize) {
        let workload = self.workload;
        let Some(event) = workload.events.get(number) else {
            return;
        };
        match &event.what {
            Happening::Fail(name) => self.works(name, false),
            Happening::Return(name) => self.works(name, true),
            Happening::Drain(name) => self.reconfigure(event.what.to_string(), |pool| {
                set_weight(pool, name, 0);
            }),
            Happening::Weights(weights) => self.reconfigure(event.what.to_string(), |pool| {
                weights
                    .iter()
                    .for_each(|(name, weight)| set_weight(pool, name, *weight));
            }),
            Happening::Remove(name) => self.reconfigure(event.what.to_string(), |pool| {
                if let Some((_, server)) = pool.named(name) {
                    server.configured = false;
                }
            }),
            Happening::Add(server) => {
                self.reconfigure(event.what.to_string(), |pool| pool.add(server.clone()));
                self.measure.grow(&self.pool);
            }
            Happening::Rate(rate) => {
                (self.rate, self.rates) = (*rate, self.rates + 1);
                self.next_arrival();
            }
        }
    }

    /// A server fails, or works again; the director learns of it later.
    fn works(&mut self, name: &str, works: bool) {
        let Some((number, server)) = self.pool.named(name) else {
            return;
        };
        if server.works == works {
            return;
        }
        if works {
            server.works = true;
        } else {
            let lost = server.fail();
            self.measure.lost(number, lost);
            self.closed(number, lost);
            self.counts_changed();
        }
        self.enter(self.now + self.workload.detection, Next::Known(number));
    }

    /// The director learns whether it works.
    fn known(&mut self, number: usize) {
        let Some(server) = self.pool.servers.get(number) else {
            return;
        };
        if server.up == server.works {
            return;
        }
        let (name, works) = (server.spec.name.clone(), server.works);
        let what = format!("{name} is taken {}", if works { "in again" } else { "out" });
        self.measure.pool_changes(&self.pool);
        let before = self.balancer.spread();
        if let Some(server) = self.pool.servers.get_mut(number) {
            server.up = works;
            if server.configured {
                let health = server.health(self.now, self.balancer.instant());
                self.balancer.health(server.address, health);
            }
        }
        self.balancer.settle();
        self.measure
            .changed(self.now, what, before, self.balancer.spread());
    }

    /// Another configuration.
    fn reconfigure(&mut self, what: String, change: impl FnOnce(&mut Pool)) {
        self.measure.pool_changes(&self.pool);
        let before = self.balancer.spread();
        change(&mut self.pool);
        self.balancer.configure(self.pool.configured());
        self.measure
            .changed(self.now, what, before, self.balancer.spread());
    }
}

fn set_weight(pool: &mut Pool, name: &str, weight: u32) {
    if let Some((_, server)) = pool.named(name) {
        server.spec.weight = weight;
    }
}
