//! One virtual service as the director keeps it: its configuration, its servers' health, and its scheduler's last good plan.

use evenkeel_core::connections::Counts;
use evenkeel_core::desired::{self, Usable};
use evenkeel_core::health::ServerHealth;
use evenkeel_core::manifest::{Decision, Facts};
use evenkeel_core::model::{Server, Service};
use evenkeel_core::quorum::Quorum;
use evenkeel_core::state::{BackendId, Queue, ServiceState, Spread};
use evenkeel_core::threshold;
use evenkeel_runtime::{Backend, BackendFacts, Load};

use super::Effect;
use super::seat::{News, Seat};

/// See the module's documentation.
pub(crate) struct VirtualService {
    pub(crate) spec: Service,
    pub(crate) seat: Seat,
    pub(crate) servers: Vec<RealServer>,
    /// The last plan that could be used, laid out.
    pub(crate) last_good: Option<Spread>,
    /// The servers that the plan under way is made for.
    pub(crate) asked_about: Vec<Usable>,
    /// What is wrong with the scheduler.
    pub(crate) problem: Option<String>,
    pub(crate) quorum: Quorum,
    /// Through which it is asked about each connection, where it is.
    pub(crate) queue: Option<Queue>,
    /// Whether the queue is being served, by an instance that works.
    pub(crate) picking: bool,
}

/// A real server of a virtual service.
pub(crate) struct RealServer {
    pub(crate) spec: Server,
    pub(crate) id: BackendId,
    /// `None`: it has no checks and is always taken as up.
    pub(crate) health: Option<ServerHealth>,
    /// Its connections, while they are counted.
    pub(crate) counts: Counts,
    /// Whether it takes no new connections because of its thresholds.
    pub(crate) full: bool,
    /// What the scheduler was last told of it.
    pub(crate) told: BackendFacts,
}

impl RealServer {
    pub(crate) fn up(&self) -> bool {
        self.health.as_ref().is_none_or(|health| health.up)
    }

    /// The weight now: the configured one, less what the checkers take from it; 0 while its thresholds keep it from new connections.
    pub(crate) fn weight(&self) -> u32 {
        if self.full {
            return 0;
        }
        self.health
            .as_ref()
            .map_or(self.spec.weight, |health| health.weight(self.spec.weight))
    }
}

impl RealServer {
    /// Takes in its counts. Says whether that fills it or makes it take connections again.
    pub(crate) fn count(&mut self, counts: Counts) -> bool {
        self.counts = counts;
        let (upper, lower) = (self.spec.upper_threshold, self.spec.lower_threshold);
        let was = self.full;
        self.full = threshold::full(was, counts.all(), upper, lower);
        was != self.full
    }

    /// What a scheduler that wants these facts is told of it.
    pub(crate) fn facts(&self, wanted: Facts) -> BackendFacts {
        let checks = self.health.iter().flat_map(|health| &health.checks);
        let passed = checks.filter(|check| check.up && check.plugin_error.is_none());
        let latency = passed
            .filter_map(|check| check.last.as_ref())
            .map(|last| last.latency)
            .max();
        BackendFacts {
            counts: if wanted.connections {
                self.counts
            } else {
                Counts::default()
            },
            latency: latency.filter(|_| wanted.latency),
        }
    }
}

impl VirtualService {
    /// What its scheduler is to be told: all servers, or the facts that have changed since it was told last.
    pub(crate) fn news(servers: &mut [RealServer], wanted: Facts, whole: bool) -> News {
        let up = servers.iter_mut().filter(|server| server.up());
        if whole {
            return News::Backends(up.map(|server| server.tell(wanted)).collect());
        }
        let changed = up.filter_map(|server| {
            let facts = server.facts(wanted);
            (facts != server.told).then(|| {
                server.told = facts;
                Load {
                    id: server.id,
                    facts,
                }
            })
        });
        News::Loads(changed.collect())
    }

    /// Whether some fact has changed that its scheduler wants to be told of.
    pub(crate) fn has_changes(&self) -> bool {
        let wanted = self.seat.facts();
        (wanted.connections || wanted.latency)
            && self
                .servers
                .iter()
                .any(|server| server.up() && server.facts(wanted) != server.told)
    }

    /// Whether it has its quorum, as its servers are now.
    pub(crate) fn quorum_now(&mut self) -> Effect {
        self.quorum.update(&self.spec, live_weight(&self.servers));
        Effect::Quorum {
            service: self.spec.name.clone(),
            reached: self.quorum.reached(),
        }
    }

    /// What the kernel should hold.
    pub(crate) fn wanted(&self) -> ServiceState {
        let usable = usable(&self.servers);
        let state = desired::service_state(self.spec.snat, &usable, self.last_good.as_ref());
        let asks = self.picking
            && self.seat.decision() == Decision::PerConnection
            && usable.iter().any(|server| server.weight > 0);
        ServiceState {
            persistence: self.spec.persistence,
            queue: self.queue.filter(|_| asks),
            ..state
        }
    }

    /// Takes in a health report. Returns whether anything changed for the kernel, or `None` when there is no such server.
    pub(crate) fn set_health(
        &mut self,
        address: std::net::SocketAddr,
        health: ServerHealth,
    ) -> Option<HealthChange> {
        let server = self
            .servers
            .iter_mut()
            .find(|server| server.spec.address == address)?;
        let before = (server.up(), server.weight());
        server.health = Some(health);
        let after = (server.up(), server.weight());
        Some(HealthChange {
            id: server.id,
            went_down: before.0 && !after.0,
            takes_less: after.1 < before.1,
            changed: before != after,
        })
    }
}

/// The sum of the weights of the servers that are up.
pub(super) fn live_weight(servers: &[RealServer]) -> u64 {
    servers
        .iter()
        .filter(|server| server.up())
        .map(|server| u64::from(server.weight()))
        .sum()
}

/// The servers that are up, and those that stay although they have failed (`inhibit_on_failure`).
pub(super) fn usable(servers: &[RealServer]) -> Vec<Usable> {
    servers
        .iter()
        .filter(|server| server.up() || server.spec.inhibit_on_failure)
        .map(|server| Usable {
            id: server.id,
            address: server.spec.address,
            forward: server.spec.forward,
            weight: if server.up() { server.weight() } else { 0 },
            thresholds: (
                server.spec.upper_threshold.unwrap_or(0),
                server.spec.lower_threshold.unwrap_or(0),
            ),
        })
        .collect()
}

impl RealServer {
    /// As its scheduler sees it, which is told of it herewith.
    fn tell(&mut self, wanted: Facts) -> Backend {
        self.told = self.facts(wanted);
        let labels = self.spec.labels.iter();
        Backend {
            id: self.id,
            name: self.spec.name.clone(),
            address: self.spec.address,
            weight: self.weight(),
            facts: self.told,
            labels: labels
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        }
    }
}

/// What a health report changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HealthChange {
    pub(crate) id: BackendId,
    pub(crate) went_down: bool,
    pub(crate) takes_less: bool,
    pub(crate) changed: bool,
}
