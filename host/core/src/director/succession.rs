//! A scheduler that is to take the place of the one that runs: another plugin, other settings, or a new file.
//!
//! It is tried first, on the thread that may block: told of the role, the state of the one that runs, and the servers,
//! and asked for a plan. Only if that plan can be used does it decide from then on. Whatever fails before, the one that
//! runs goes on.

use std::time::Instant;

use tracing::{info, warn};

use super::event::NewScheduler;
use super::job::JobResult;
use super::machine::Director;
use super::scheduling::Accepted;
use super::successor::{Refused, Successor};
use super::supervisor;
use crate::desired;
use crate::manifest::Decision;
use crate::model::{Service, ServiceKey};

impl Director {
    /// Has another scheduler take the place of a service's, if it can; nothing else of the service changes, and no other
    /// service.
    pub fn replace_scheduler(&mut self, service: &Service, new: NewScheduler) {
        let generation = self.next_generation();
        let Some(known) = self.services.get_mut(&service.key) else {
            return;
        };
        known.spec.scheduler = service.scheduler.clone();
        known.refused = None;
        known.supervisor.succeed(Successor {
            origin: (new.plugin, new.settings),
            scheduler: new.scheduler,
            decision: service.decision,
            generation,
        });
        self.needs_plan.insert(service.key);
    }

    /// A scheduler was tried.
    pub(super) fn tried(&mut self, key: ServiceKey, result: JobResult, now: Instant) {
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        let Some(trial) = service.supervisor.tried() else {
            return;
        };
        let before = service.supervisor.title();
        let after = supervisor::title(trial.origin.0.manifest());
        let usable = result.map_err(|error| error.failure.to_string());
        let usable = usable.and_then(|ran| {
            let plan = ran.plan.ok_or("it was asked for no plan")?;
            let spread = desired::accept(&service.planned_for, &plan, trial.decision);
            let spread = spread.map_err(|error| error.to_string())?;
            match service.moves_too_many(spread.as_ref()) {
                Some(reason) => Err(reason),
                None => Ok((ran.instance, plan, spread, ran.exported)),
            }
        });
        match usable {
            Ok((instance, plan, spread, exported)) => {
                info!(
                    service = service.spec.name,
                    from = before,
                    to = after,
                    "another scheduler has taken over"
                );
                let decision = trial.decision;
                service.supervisor.take_over(trial);
                service.kept = None;
                self.follow(key, decision);
                self.exported(key, exported);
                let accepted = Accepted {
                    plan: Some(plan),
                    spread,
                    is_new: true,
                };
                self.accepted(key, instance, accepted, now);
            }
            Err(why) => {
                warn!(
                    service = service.spec.name,
                    from = before,
                    to = after,
                    error = why,
                    "another scheduler does not take over: the one before stays"
                );
                service.refused = Some(Refused {
                    origin: trial.origin.clone(),
                    problem: format!("{after} does not take over, and {before} stays: {why}"),
                });
                service.supervisor.stay(trial);
            }
        }
    }

    /// A service's decisions are followed so from now on. Where each connection was decided and is to be, the queue
    /// stays: its next answers are the new instance's.
    fn follow(&mut self, key: ServiceKey, decision: Decision) {
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        service.spec.decision = decision;
        service.supervisor.decide(decision);
        service.queue = self.queues.of(&service.spec);
        self.opening_queues.remove(&key);
        if decision != Decision::PerConnection && std::mem::take(&mut service.queue_served) {
            self.stop_queue(key, true);
        }
        self.want_hairpin();
    }
}
