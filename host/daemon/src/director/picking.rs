//! Services whose scheduler is asked about each new connection.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use evenkeel_core::manifest::Decision;
use evenkeel_core::model::{Service, ServiceKey};
use evenkeel_core::state::Queue;
use tracing::{error, warn};

use super::Director;
use super::instance::Instance;
use super::service::VirtualService;

/// The first queue that is used; programs that have queues of their own mostly begin with 0.
const FIRST: u16 = 0x6500;
/// Queues that are tried.
const QUEUES: u16 = 0x4000;

/// Who is to be asked about each new connection of a service.
pub(crate) struct Picking {
    pub(crate) service: ServiceKey,
    /// For logs.
    pub(crate) name: String,
    /// The seat's number, for [`super::Input::Picking`].
    pub(crate) number: u64,
    pub(crate) queue: Queue,
    pub(crate) instance: Instance,
    /// Whether the scheduler counts connections.
    pub(crate) counting: bool,
    pub(crate) snat: bool,
}

/// Why a queue is not served.
#[derive(Debug)]
pub(crate) enum NotPicking {
    /// Another program has the queue.
    Taken,
    /// The system refuses.
    Failed(std::io::Error),
}

/// The queues' numbers: those that the kernel's rules name stay.
#[derive(Debug, Default)]
pub(super) struct Queues {
    by_service: BTreeMap<ServiceKey, Queue>,
    /// Others have these.
    taken: BTreeSet<Queue>,
}

impl Queues {
    pub(super) fn adopt(by_service: BTreeMap<ServiceKey, Queue>) -> Self {
        Self {
            by_service,
            taken: BTreeSet::new(),
        }
    }

    /// The queue of a service that needs one.
    pub(super) fn of(&mut self, spec: &Service) -> Option<Queue> {
        if spec.decision != Decision::PerConnection {
            self.release(&spec.key);
            return None;
        }
        if let Some(queue) = self.by_service.get(&spec.key) {
            return Some(*queue);
        }
        let used: BTreeSet<Queue> = self.by_service.values().copied().collect();
        let queue = (FIRST..FIRST + QUEUES)
            .map(Queue)
            .find(|queue| !used.contains(queue) && !self.taken.contains(queue));
        match queue {
            Some(queue) => {
                self.by_service.insert(spec.key, queue);
            }
            None => error!(
                service = spec.name,
                "no queue is left for this service; it is followed by plan"
            ),
        }
        queue
    }

    /// The service needs its queue no more.
    pub(super) fn release(&mut self, key: &ServiceKey) {
        self.by_service.remove(key);
    }

    /// Another program has the service's queue.
    fn give_up(&mut self, key: &ServiceKey) {
        self.taken.extend(self.by_service.remove(key));
    }
}

impl VirtualService {
    /// How this instance is to be asked about each new connection.
    pub(super) fn pick_by(&self, service: ServiceKey, instance: &Instance) -> Option<Picking> {
        Some(Picking {
            service,
            name: self.spec.name.clone(),
            number: self.seat.number(),
            queue: self.queue?,
            instance: instance.clone(),
            counting: self.seat.facts().connections,
            snat: self.spec.snat,
        })
    }
}

impl Director {
    /// Whether the kernel is to ask about a service's connections.
    pub(crate) fn asks(&self, key: &ServiceKey) -> bool {
        let service = self.services.get(key);
        service.is_some_and(|service| service.picking)
    }

    /// A queue is served, or it cannot be.
    pub(super) fn picking(
        &mut self,
        key: ServiceKey,
        number: u64,
        outcome: Result<(), NotPicking>,
        now: Instant,
    ) {
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        // Nor of interest: what has been withdrawn meanwhile.
        if service.seat.number() != number || !self.opening.remove(&key) {
            return;
        }
        match outcome {
            Ok(()) => {
                service.picking = true;
                let wanted = service.wanted();
                self.want(key, &wanted);
            }
            Err(NotPicking::Taken) => {
                let queue = service.queue.map(|queue| queue.0);
                warn!(
                    service = service.spec.name,
                    queue, "another program has this queue; taking another one"
                );
                self.queues.give_up(&key);
                service.queue = self.queues.of(&service.spec);
                service.picking = false;
                self.news(key, false);
            }
            Err(NotPicking::Failed(error)) => {
                let problem = format!("cannot be asked about each connection: {error}");
                self.failed(key, problem, now);
            }
        }
    }

    /// A scheduler failed when it was asked about a connection.
    pub(super) fn pick_failed(
        &mut self,
        key: ServiceKey,
        number: u64,
        problem: String,
        now: Instant,
    ) {
        let opening = self.opening.contains(&key);
        let current = self
            .services
            .get(&key)
            .is_some_and(|service| service.seat.number() == number && (service.picking || opening));
        if current {
            self.failed(key, problem, now);
        }
    }
}
