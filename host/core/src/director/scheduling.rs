//! When schedulers are run, and what becomes of their plans.

use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::event::Effect;
use super::instance::Instance;
use super::job::JobResult;
use super::machine::Director;
use crate::desired;
use crate::manifest::Decision;
use crate::model::ServiceKey;
use crate::plan::Plan;
use crate::scheduler::SavedState;
use crate::state::Spread;

/// What a scheduler has answered, where it can be used.
pub(super) struct Accepted {
    /// Its plan, if it was asked for one.
    pub(super) plan: Option<Plan>,
    /// The plan laid out, where one is needed.
    pub(super) spread: Option<Spread>,
    /// It has just taken over from another one.
    pub(super) is_new: bool,
}

impl Director {
    /// The servers of a service changed. Its scheduler makes a new plan; where one of them takes less than before,
    /// the kernel is told at once, by what is left of the last plan, rather than after the plugin has answered.
    pub(super) fn servers_changed(&mut self, key: ServiceKey, at_once: bool) {
        self.needs_plan.insert(key);
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        service.supervisor.servers_changed();
        if let Some(second) = &mut service.second {
            second.servers_changed();
        }
        let planned = !self.awaiting_first_plan.contains(&key);
        if planned && (at_once || service.supervisor.failed()) {
            self.want(key);
        }
    }

    /// Some facts of a service's servers may have changed; its scheduler is told when it is time.
    pub(super) fn facts_changed(&mut self, key: ServiceKey, now: Instant) {
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        let first = service.has_changes();
        if first {
            service.supervisor.facts_changed(now);
        }
        let second = service.second.as_mut();
        let second = second.is_some_and(|it| it.facts_changed(&service.servers, now));
        if first || second {
            self.needs_plan.insert(key);
        }
    }

    /// A scheduler has run.
    pub(super) fn scheduler_done(
        &mut self,
        key: ServiceKey,
        generation: u64,
        (result, took): (JobResult, Duration),
        now: Instant,
    ) {
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        if service
            .second
            .as_ref()
            .is_some_and(|it| it.runs(generation))
        {
            return self.second_done(key, result, took, now);
        }
        if service.supervisor.tries(generation) {
            self.needs_plan.insert(key);
            return self.tried(key, result, now);
        }
        if service.supervisor.generation() != generation {
            return;
        }
        self.awaiting_first_plan.remove(&key);
        self.needs_plan.insert(key);
        match result {
            Ok(ran) => {
                self.exported(key, ran.exported);
                self.planned(key, ran.instance, ran.plan, now);
            }
            Err(error) => self.scheduler_failed(key, error.to_string(), now),
        }
    }

    /// What a scheduler would hand to its successor is kept for the next start of the daemon, where it has changed.
    pub(super) fn exported(&mut self, key: ServiceKey, state: Option<SavedState>) {
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        let Some(state) = state.filter(|state| service.kept.as_ref() != Some(state)) else {
            return;
        };
        service.kept = Some(state.clone());
        self.effects.push(Effect::KeepState {
            service: key,
            plugin: service.supervisor.name().to_owned(),
            state,
        });
    }

    /// A scheduler has answered: with a plan, if it was asked for one.
    fn planned(&mut self, key: ServiceKey, instance: Instance, plan: Option<Plan>, now: Instant) {
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        let decision = service.supervisor.decision();
        let spread = plan
            .as_ref()
            .map(|plan| desired::accept(&service.planned_for, plan, decision));
        match spread.transpose() {
            Ok(spread) => {
                let accepted = Accepted {
                    plan,
                    spread: spread.flatten(),
                    is_new: false,
                };
                self.accepted(key, instance, accepted, now);
            }
            Err(error) => {
                let problem = format!("{}: {error}", service.supervisor.title());
                self.scheduler_failed(key, problem, now);
            }
        }
    }

    /// A scheduler has answered what can be used.
    pub(super) fn accepted(
        &mut self,
        key: ServiceKey,
        instance: Instance,
        accepted: Accepted,
        now: Instant,
    ) {
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        let plan = accepted.plan.as_ref();
        service.follow_plan(plan, accepted.spread, now);
        if service.supervisor.decision() == Decision::PerConnection
            && (accepted.is_new || !service.queue_served)
            && let Some(request) = service.verdict_request(&instance)
            && self.opening_queues.insert(key)
        {
            self.effects.push(Effect::ServeQueue(request));
        }
        if service.supervisor.done(instance, plan, now) && service.problem.take().is_some() {
            info!(
                service = service.spec.name,
                plugin = service.supervisor.name(),
                "the scheduler works again"
            );
        }
        if service.has_changes() {
            service.supervisor.facts_changed(now);
        }
        self.judge_second(key);
        self.want(key);
    }

    /// A scheduler has failed, or its plan cannot be used.
    pub(super) fn scheduler_failed(&mut self, key: ServiceKey, problem: String, now: Instant) {
        // Whatever is under way with the instance is of no interest any more.
        let generation = self.next_generation();
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        let wait = service.supervisor.fail(generation, now);
        let meanwhile = service.meanwhile();
        warn!(
            service = service.spec.name,
            plugin = service.supervisor.name(),
            version = service.supervisor.version(),
            error = problem,
            restart_in = ?wait,
            "the scheduler failed; {meanwhile}"
        );
        service.problem = Some(problem);
        if std::mem::take(&mut service.queue_served) | self.opening_queues.remove(&key) {
            self.stop_queue(key, false);
        }
        self.want(key);
        self.needs_plan.insert(key);
    }
}
