//! Services whose scheduler decides each new connection, through a queue.

use std::time::Instant;

use tracing::warn;

use super::event::{Effect, QueueError, VerdictRequest};
use super::instance::Instance;
use super::machine::Director;
use super::service::VirtualService;
use crate::model::ServiceKey;

impl VirtualService {
    /// How this instance is to decide each new connection.
    pub(super) fn verdict_request(&self, instance: &Instance) -> Option<VerdictRequest> {
        Some(VerdictRequest {
            service: self.spec.key,
            name: self.spec.name.clone(),
            generation: self.supervisor.generation(),
            queue: self.queue?,
            instance: instance.clone(),
            counting: self.supervisor.facts().connections,
            snat: self.spec.snat,
        })
    }
}

impl Director {
    /// Nobody is to decide a service's connections any more.
    pub(super) fn stop_queue(&mut self, service: ServiceKey, release: bool) {
        self.effects.push(Effect::StopQueue { service, release });
    }

    /// A queue is served, or it cannot be.
    pub(super) fn queue_served(
        &mut self,
        key: ServiceKey,
        generation: u64,
        outcome: Result<(), QueueError>,
        now: Instant,
    ) {
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        // Nor of interest: what has been withdrawn meanwhile.
        if service.supervisor.generation() != generation || !self.opening_queues.remove(&key) {
            return;
        }
        match outcome {
            Ok(()) => {
                service.queue_served = true;
                self.want(key);
            }
            Err(QueueError::InUse) => {
                let queue = service.queue.map(|queue| queue.0);
                warn!(
                    service = service.spec.name,
                    queue, "another program has this queue; taking another one"
                );
                self.queues.give_up(&key);
                service.queue = self.queues.of(&service.spec);
                service.queue_served = false;
                self.servers_changed(key, false);
            }
            Err(QueueError::Failed(error)) => {
                let problem = format!("cannot decide each connection: {error}");
                self.scheduler_failed(key, problem, now);
            }
        }
    }

    /// A scheduler failed to give a verdict on a connection.
    pub(super) fn verdict_failed(
        &mut self,
        key: ServiceKey,
        generation: u64,
        problem: String,
        now: Instant,
    ) {
        let opening = self.opening_queues.contains(&key);
        let current = self.services.get(&key).is_some_and(|service| {
            service.supervisor.generation() == generation && (service.queue_served || opening)
        });
        if current {
            self.scheduler_failed(key, problem, now);
        }
    }
}
