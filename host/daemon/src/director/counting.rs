//! What counts of connections change: a server's thresholds, and what its scheduler is told.

use std::collections::BTreeSet;
use std::time::Duration;

use evenkeel_core::connections::Counts;
use evenkeel_core::model::ServiceKey;
use evenkeel_core::state::{BackendId, Selector, Spread};
use tracing::{debug, info};

use super::Director;

/// A scheduler is told of changed facts, and makes a new plan, at most this often: 40 times a second...
const PACE: Duration = Duration::from_millis(25);
/// ...or, with many services, so often that all of them together keep one processor half busy at most.
const PACE_PER_SERVICE: Duration = Duration::from_micros(200);

/// How long a scheduler is left alone between changes of facts where there are so many services.
pub(super) fn pace(services: usize) -> Duration {
    let services = u32::try_from(services).unwrap_or(u32::MAX);
    PACE.max(PACE_PER_SERVICE.saturating_mul(services))
}

impl Director {
    /// Nobody will follow the counts of connections any more: plans that were made for the next moment only give way to what holds for
    /// long, shares by weight.
    pub(crate) fn leave(&mut self) {
        let keys: Vec<ServiceKey> = self.services.keys().copied().collect();
        for key in keys {
            let Some(service) = self.services.get_mut(&key) else {
                continue;
            };
            let counts = service.seat.facts().connections;
            let follows = matches!(&service.last_good, Some(Spread::Slots { selector, .. }) if *selector == Selector::Sequence);
            if counts && follows {
                service.last_good = None;
                let wanted = service.wanted();
                self.want(key, &wanted);
            }
        }
    }

    /// Whether anybody wants to know how many connections there are: a scheduler, or a threshold.
    pub(crate) fn wants_counts(&self) -> bool {
        self.services.values().any(|service| {
            let limited = |it: &super::RealServer| it.spec.upper_threshold.is_some();
            service.seat.facts().connections || service.servers.iter().any(limited)
        })
    }

    /// Whether a scheduler wants to know how long checks take.
    pub(crate) fn wants_latency(&self) -> bool {
        let mut services = self.services.values();
        services.any(|service| service.seat.facts().latency)
    }

    pub(super) fn counted(&mut self, counts: &[(BackendId, Counts)]) {
        let mut changed: BTreeSet<ServiceKey> = BTreeSet::new();
        for (id, counts) in counts {
            let Some(service) = self
                .owners
                .get(id)
                .and_then(|key| self.services.get_mut(key))
            else {
                continue;
            };
            let key = service.spec.key;
            let Some(server) = service.servers.iter_mut().find(|server| server.id == *id) else {
                continue;
            };
            changed.insert(key);
            if server.count(*counts) {
                let (service, server, full) = (&service.spec.name, &server.spec.name, server.full);
                if full {
                    info!(
                        service,
                        server,
                        connections = counts.all(),
                        "the server is at its upper threshold: no new connections"
                    );
                } else {
                    debug!(
                        service,
                        server,
                        connections = counts.all(),
                        "the server takes new connections again"
                    );
                }
                self.news(key, full);
            }
        }
        for key in changed {
            self.facts_changed(key);
        }
    }

    /// Some facts of a service's servers may have changed; its scheduler is told when it is time.
    pub(super) fn facts_changed(&mut self, key: ServiceKey) {
        if let Some(service) = self.services.get_mut(&key)
            && service.has_changes()
        {
            service.seat.tell_changes();
            self.curious.insert(key);
        }
    }
}
