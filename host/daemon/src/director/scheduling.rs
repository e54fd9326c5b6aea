//! What schedulers are asked, and what becomes of their answers.

use std::time::Instant;

use evenkeel_core::desired;
use evenkeel_core::manifest::Decision;
use evenkeel_core::model::ServiceKey;
use evenkeel_core::plan::Plan;
use tracing::{info, warn};

use super::instance::Instance;
use super::seat::Done;
use super::{Director, Effect, stop_picking};

impl Director {
    /// The servers of a service changed. Its scheduler is asked; where one of them takes less than before, the kernel is told
    /// at once, by what is left of the last plan, rather than after the plugin has answered.
    pub(super) fn news(&mut self, key: ServiceKey, at_once: bool) {
        self.curious.insert(key);
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        service.seat.tell();
        if !self.unanswered.contains(&key) && (at_once || service.seat.failed()) {
            let wanted = service.wanted();
            self.want(key, &wanted);
        }
    }

    pub(super) fn answered(&mut self, key: ServiceKey, number: u64, done: Done, now: Instant) {
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        if service.seat.number() != number {
            return;
        }
        self.unanswered.remove(&key);
        self.curious.insert(key);
        match done {
            Ok((instance, plan)) => self.planned(key, instance, plan.as_ref(), now),
            Err(error) => self.failed(key, error.to_string(), now),
        }
    }

    /// A scheduler has answered: with a plan, if it was asked for one.
    fn planned(&mut self, key: ServiceKey, instance: Instance, plan: Option<&Plan>, now: Instant) {
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        let decision = service.seat.decision();
        let accepted = plan.map(|plan| desired::accept(&service.asked_about, plan, decision));
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
                        plugin = service.seat.name(),
                        "the scheduler works again"
                    );
                }
                if decision == Decision::PerConnection
                    && !service.picking
                    && let Some(picking) = service.pick_by(key, &instance)
                    && self.opening.insert(key)
                {
                    self.effects.push(Effect::Pick(picking));
                }
                service.seat.done(instance, plan, now);
                if service.has_changes() {
                    service.seat.tell_changes();
                }
                let wanted = service.wanted();
                self.want(key, &wanted);
            }
            Err(error) => {
                let problem = format!("{}: {error}", service.seat.title());
                self.failed(key, problem, now);
            }
        }
    }

    /// A scheduler has failed, or its plan cannot be used.
    pub(super) fn failed(&mut self, key: ServiceKey, problem: String, now: Instant) {
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        // Whatever is under way with the instance is of no interest any more.
        self.seats += 1;
        let wait = service.seat.fail(self.seats, now);
        warn!(
            service = service.spec.name,
            plugin = service.seat.name(),
            version = service.seat.version(),
            error = problem,
            restart_in = ?wait,
            "the scheduler failed; its last good plan stays"
        );
        service.problem = Some(problem);
        if std::mem::take(&mut service.picking) | self.opening.remove(&key) {
            self.effects.push(stop_picking(key, false));
        }
        let wanted = service.wanted();
        self.want(key, &wanted);
        self.curious.insert(key);
    }
}
