//! The numbers of the NFQUEUEs through which services have their connections decided.

use std::collections::{BTreeMap, BTreeSet};

use tracing::error;

use crate::manifest::Decision;
use crate::model::{Service, ServiceKey};
use crate::state::{Queue, State};

/// The first queue that is used; programs that have queues of their own mostly begin with 0.
const FIRST_QUEUE: u16 = 0x6500;
/// Queues that are tried.
const MAX_QUEUES: u16 = 0x4000;

/// Which service has which queue. Those that the kernel's rules name stay.
#[derive(Debug, Default)]
pub(super) struct QueueNumbers {
    by_service: BTreeMap<ServiceKey, Queue>,
    /// Other programs have these.
    in_use: BTreeSet<Queue>,
}

impl QueueNumbers {
    /// As the kernel's rules have them.
    pub(super) fn adopt(state: &State) -> Self {
        let services = state.services.iter();
        let by_service = services.filter_map(|(key, service)| Some((*key, service.queue?)));
        Self {
            by_service: by_service.collect(),
            in_use: BTreeSet::new(),
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
        let queue = (FIRST_QUEUE..FIRST_QUEUE + MAX_QUEUES)
            .map(Queue)
            .find(|queue| !used.contains(queue) && !self.in_use.contains(queue));
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

    /// Another program has the service's queue: it is left to it.
    pub(super) fn give_up(&mut self, key: &ServiceKey) {
        self.in_use.extend(self.by_service.remove(key));
    }
}
