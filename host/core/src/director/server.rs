//! One real server of a virtual service: its configuration, health and connections.

use std::time::Instant;

use crate::connections::{Counts, Rate};
use crate::desired::Usable;
use crate::health::ServerHealth;
use crate::manifest::Facts;
use crate::model::Server;
use crate::pool::{Duty, Member};
use crate::scheduler::{BackendFacts, BackendHealth, Load, SchedulerBackend};
use crate::signals::Signals;
use crate::slow_start::{self, SlowStart};
use crate::state::BackendId;
use crate::threshold;

/// A real server as the director keeps it.
pub(super) struct RealServer {
    pub(super) spec: Server,
    pub(super) id: BackendId,
    /// `None`: it has no checks and is always taken as up.
    pub(super) health: Option<ServerHealth>,
    /// Its connections as the kernel knows them, while they are counted.
    pub(super) counted: Counts,
    /// How many of them are new of late.
    pub(super) rate: Rate,
    /// That, as of the last time that they were counted.
    pub(super) per_minute: u32,
    /// Its service's address is on another director: the connections that the kernel still knows are not here.
    pub(super) elsewhere: bool,
    /// What it does in its pool.
    pub(super) duty: Duty,
    /// It came back a while ago.
    pub(super) slow_start: Option<SlowStart>,
    /// Of how many [steps](slow_start::STEPS) its weight is because of that; `None`: it has the whole.
    pub(super) steps: Option<u32>,
    /// What weights are multiplied with for as long as some server of the service has no whole weight.
    pub(super) scale: u32,
    /// Whether it takes no new connections because of its thresholds.
    pub(super) full: bool,
    /// What the scheduler was last told of it; `None`: of nothing.
    pub(super) reported: Option<Box<BackendFacts>>,
}

impl RealServer {
    pub(super) fn up(&self) -> bool {
        self.health.as_ref().is_none_or(|health| health.up)
    }

    /// The weight now: [`Self::healthy_weight`], which is 0 while it is down, less what it does not get yet since it has
    /// just come back; 0 while its thresholds or its pool keep it from new connections.
    pub(super) fn weight(&self) -> u32 {
        match self.duty {
            _ if self.full => 0,
            Duty::Waits => 0,
            Duty::Forced => self.spec.weight.saturating_mul(self.scale),
            Duty::Serves => {
                let whole = self.healthy_weight().saturating_mul(self.scale);
                match self.steps {
                    Some(steps) if whole > 0 => (u64::from(whole) * u64::from(steps)
                        / u64::from(slow_start::STEPS))
                    .try_into()
                    .unwrap_or(whole)
                    .max(1),
                    _ => whole,
                }
            }
        }
    }

    /// Whether it gets connections as far as its health is concerned, so that its facts matter.
    pub(super) fn in_use(&self) -> bool {
        self.up() || self.duty == Duty::Forced
    }

    /// As plans are made for it.
    pub(super) fn for_plans(&self) -> (bool, u32) {
        (self.is_usable(), self.weight())
    }

    /// As its pool sees it.
    pub(super) fn as_member(&self) -> Member {
        Member {
            id: self.id,
            role: self.spec.role,
            up: self.up(),
            weight: self.healthy_weight(),
        }
    }

    /// The configured weight, less what the checkers take from it, however many connections it has.
    pub(super) fn healthy_weight(&self) -> u32 {
        self.health
            .as_ref()
            .map_or(self.spec.weight, |health| health.weight(self.spec.weight))
    }

    /// What a health report has changed. `before`: its [`Self::healthy_weight`] before that.
    pub(super) fn in_words(&self, before: u32) -> String {
        let (name, after) = (&self.spec.name, self.healthy_weight());
        let reason = self.health.as_ref().and_then(|it| it.reason.as_deref());
        let reason = reason.map(|why| format!(": {why}")).unwrap_or_default();
        match (self.up(), after == before) {
            (false, _) => format!("server {name} is down{reason}"),
            (true, true) => format!("server {name} is up{reason}"),
            (true, false) => format!("server {name} is up, weight {before} -> {after}{reason}"),
        }
    }

    /// Its connections, while they are counted.
    pub(super) fn counts(&self) -> Counts {
        if self.elsewhere {
            Counts {
                active: 0,
                inactive: 0,
                ..self.counted
            }
        } else {
            self.counted
        }
    }

    /// Takes in its counts. Says whether that fills it or makes it take connections again.
    pub(super) fn count(&mut self, counts: Counts, now: Instant) -> bool {
        self.rate.counted(counts.total, now);
        self.counted = counts;
        self.per_minute = self.rate.per_minute(counts.total, now);
        self.fill()
    }

    /// Its thresholds may be others now.
    pub(super) fn refill(&mut self) {
        self.fill();
    }

    /// Its service's address is on another director, or is not. Says whether that fills it or makes it take connections
    /// again.
    pub(super) fn set_elsewhere(&mut self, elsewhere: bool) -> bool {
        self.elsewhere = elsewhere;
        self.fill()
    }

    fn fill(&mut self) -> bool {
        let (upper, lower) = (self.spec.upper_threshold, self.spec.lower_threshold);
        let was = self.full;
        self.full = threshold::full(was, self.counts().all(), upper, lower);
        was != self.full
    }

    /// What a scheduler that wants these facts is told of it.
    pub(super) fn facts(&self, wanted: Facts) -> BackendFacts {
        let checks = self.health.iter().flat_map(|health| &health.checks);
        let passed = checks.filter(|check| check.up && check.plugin_error.is_none());
        let latency = passed
            .filter_map(|check| check.last.as_ref())
            .map(|last| last.latency)
            .max();
        let counts = self.counts();
        let of_connections = wanted.connections;
        BackendFacts {
            counts: if of_connections {
                Counts {
                    failed: 0,
                    traffic: None,
                    ..counts
                }
            } else {
                Counts::default()
            },
            latency: latency.filter(|_| wanted.latency),
            signals: if wanted.signals {
                let checks = self.health.iter().flat_map(|health| &health.checks);
                Signals::merged(checks.map(|check| &check.signals))
            } else {
                Signals::NONE
            },
            per_minute: if of_connections { self.per_minute } else { 0 },
            failed: if of_connections { counts.failed } else { 0 },
            traffic: counts.traffic.filter(|_| wanted.traffic),
        }
    }

    /// Whether plans are made for it: it is up, or stays for its connections (`inhibit_on_failure`).
    fn is_usable(&self) -> bool {
        self.in_use() || self.spec.inhibit_on_failure
    }

    /// Its health, for its scheduler.
    fn in_short(&self) -> BackendHealth {
        match &self.health {
            Some(health) if !health.up => BackendHealth::Failed,
            Some(health) if health.share < 100 => BackendHealth::Degraded(health.share),
            Some(_) | None => BackendHealth::Healthy,
        }
    }

    /// As its scheduler sees it, which is told of it herewith.
    pub(super) fn report(&mut self, wanted: Facts) -> SchedulerBackend {
        let facts = self.facts(wanted);
        self.reported = boxed(&facts);
        self.seen(facts)
    }

    /// As a scheduler sees it that is told these facts.
    pub(super) fn seen(&self, facts: BackendFacts) -> SchedulerBackend {
        let labels = self.spec.labels.iter();
        SchedulerBackend {
            id: self.id,
            name: self.spec.name.clone(),
            address: self.spec.address,
            weight: self.weight(),
            configured_weight: self.spec.weight.saturating_mul(self.scale),
            health: self.in_short(),
            usable: self.is_usable(),
            facts,
            labels: labels
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        }
    }

    /// The facts that have changed since its scheduler was told last, which is told of them herewith.
    pub(super) fn report_changes(&mut self, wanted: Facts) -> Option<Load> {
        let facts = self.facts(wanted);
        (!self.was_told(&facts)).then(|| {
            self.reported = boxed(&facts);
            Load { id: self.id, facts }
        })
    }

    /// Whether its scheduler was told these facts last.
    pub(super) fn was_told(&self, facts: &BackendFacts) -> bool {
        match &self.reported {
            Some(reported) => **reported == *facts,
            None => *facts == BackendFacts::default(),
        }
    }

    /// As plans are made for it; `None`: it has failed, and does not stay for its connections (`inhibit_on_failure`).
    fn usable(&self) -> Option<Usable> {
        let spec = &self.spec;
        self.is_usable().then(|| Usable {
            id: self.id,
            address: spec.address,
            forward: spec.forward,
            weight: self.weight(),
            thresholds: (
                spec.upper_threshold.unwrap_or(0),
                spec.lower_threshold.unwrap_or(0),
            ),
        })
    }
}

/// Most schedulers ask for no facts, and there are many servers.
fn boxed(facts: &BackendFacts) -> Option<Box<BackendFacts>> {
    (*facts != BackendFacts::default()).then(|| Box::new(facts.clone()))
}

/// The servers that are up, and those that stay although they have failed.
pub(super) fn usable(servers: &[RealServer]) -> Vec<Usable> {
    servers.iter().filter_map(RealServer::usable).collect()
}
