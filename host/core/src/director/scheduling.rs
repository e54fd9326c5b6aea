//! When schedulers are run, and what becomes of their plans.

use std::time::Instant;

use tracing::{info, warn};

use super::event::Effect;
use super::instance::Instance;
use super::job::JobResult;
use super::machine::Director;
use crate::desired;
use crate::manifest::Decision;
use crate::model::ServiceKey;
use crate::plan::Plan;

impl Director {
    /// The servers of a service changed. Its scheduler makes a new plan; where one of them takes less than before,
    /// the kernel is told at once, by what is left of the last plan, rather than after the plugin has answered.
    pub(super) fn servers_changed(&mut self, key: ServiceKey, at_once: bool) {
        self.needs_plan.insert(key);
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        service.supervisor.servers_changed();
        let planned = !self.awaiting_first_plan.contains(&key);
        if planned && (at_once || service.supervisor.failed()) {
            self.want(key);
        }
    }

    /// Some facts of a service's servers may have changed; its scheduler is told when it is time.
    pub(super) fn facts_changed(&mut self, key: ServiceKey, now: Instant) {
        if let Some(service) = self.services.get_mut(&key)
            && service.has_changes()
        {
            service.supervisor.facts_changed(now);
            self.needs_plan.insert(key);
        }
    }

    /// A scheduler has run.
    pub(super) fn scheduler_done(
        &mut self,
        key: ServiceKey,
        generation: u64,
        result: JobResult,
        now: Instant,
    ) {
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        if service.supervisor.generation() != generation {
            return;
        }
        self.awaiting_first_plan.remove(&key);
        self.needs_plan.insert(key);
        match result {
            Ok((instance, plan)) => self.planned(key, instance, plan.as_ref(), now),
            Err(error) => self.scheduler_failed(key, error.to_string(), now),
        }
    }

    /// A scheduler has answered: with a plan, if it was asked for one.
    fn planned(&mut self, key: ServiceKey, instance: Instance, plan: Option<&Plan>, now: Instant) {
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        let decision = service.supervisor.decision();
        let accepted = plan.map(|plan| desired::accept(&service.planned_for, plan, decision));
        match accepted.transpose() {
            Ok(spread) => {
                if plan == Some(&Plan::PerConnection) {
                    service.last_good = None;
                } else if let Some(Some(spread)) = spread {
                    service.last_good = Some(spread);
                }
                if service.problem.take().is_some() {
                    info!(
                        service = service.spec.name,
                        plugin = service.supervisor.name(),
                        "the scheduler works again"
                    );
                }
                if decision == Decision::PerConnection
                    && !service.queue_served
                    && let Some(request) = service.verdict_request(&instance)
                    && self.opening_queues.insert(key)
                {
                    self.effects.push(Effect::ServeQueue(request));
                }
                service.supervisor.done(instance, plan, now);
                if service.has_changes() {
                    service.supervisor.facts_changed(now);
                }
                self.want(key);
            }
            Err(error) => {
                let problem = format!("{}: {error}", service.supervisor.title());
                self.scheduler_failed(key, problem, now);
            }
        }
    }

    /// A scheduler has failed, or its plan cannot be used.
    pub(super) fn scheduler_failed(&mut self, key: ServiceKey, problem: String, now: Instant) {
        // Whatever is under way with the instance is of no interest any more.
        let generation = self.next_generation();
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        let wait = service.supervisor.fail(generation, now);
        warn!(
            service = service.spec.name,
            plugin = service.supervisor.name(),
            version = service.supervisor.version(),
            error = problem,
            restart_in = ?wait,
            "the scheduler failed; its last good plan stays"
        );
        service.problem = Some(problem);
        if std::mem::take(&mut service.queue_served) | self.opening_queues.remove(&key) {
            self.stop_queue(key, false);
        }
        self.want(key);
        self.needs_plan.insert(key);
    }
}
