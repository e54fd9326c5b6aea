//! What becomes of second schedulers: they are started, their plans are held beside the first's, and a canary that does
//! worse is taken back.

use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use super::event::NewSecond;
use super::job::JobResult;
use super::machine::Director;
use super::second::SecondScheduler;
use super::successor::Origin;
use crate::model::{SecondRole, Service, ServiceKey};

impl Director {
    /// Makes the second scheduler of a service the one that is configured: one that runs, and is of the same plugin with
    /// the same settings, goes on.
    pub(super) fn configure_second(
        &mut self,
        key: ServiceKey,
        new: Option<NewSecond>,
        now: Instant,
    ) {
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        let configured = service.spec.second.as_ref().map(|it| it.role);
        let Some((role, new)) = configured.zip(new) else {
            if configured.is_some() {
                let service = &service.spec.name;
                error!(service, "bug: a second scheduler without a plugin");
            }
            self.awaiting_canary.remove(&key);
            if service.second.take().is_some() {
                self.want_planned(key);
            }
            return;
        };
        let origin = (new.plugin, new.settings);
        let known = service.second.as_mut();
        match known.filter(|it| it.is_of(&origin) && !it.is_taken_back()) {
            Some(same) => {
                same.set_role(role);
                self.judge_second(key);
                self.want_planned(key);
            }
            None => self.start_second(key, origin, role, now),
        }
    }

    /// The plugins' files may be others now: where that of a service's second scheduler is, that is started anew, with
    /// nothing of what it had. One that was taken back is tried again only then.
    pub fn replace_second(&mut self, service: &Service, new: NewSecond, now: Instant) {
        let Some(known) = self.services.get_mut(&service.key) else {
            return;
        };
        let origin = (new.plugin, new.settings);
        let same = known.second.as_ref().is_some_and(|it| it.is_of(&origin));
        let Some(second) = service.second.as_ref().filter(|_| !same) else {
            return;
        };
        known.spec.second = Some(second.clone());
        info!(
            service = service.name,
            plugin = origin.0.manifest().name,
            version = origin.0.manifest().version,
            "the {} is started with its new file",
            second.role
        );
        self.start_second(service.key, origin, second.role, now);
    }

    fn start_second(&mut self, key: ServiceKey, origin: Origin, role: SecondRole, now: Instant) {
        let generation = self.next_generation();
        let director = self.role(&key);
        let second = SecondScheduler::new(generation, origin, role, director, now);
        let awaited = self.sync.held() && second.canary().is_some();
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        service.second = Some(Box::new(second));
        if awaited {
            self.awaiting_canary.insert(key);
        } else {
            self.awaiting_canary.remove(&key);
        }
        self.needs_plan.insert(key);
        self.want_planned(key);
    }

    /// A second scheduler has run.
    pub(super) fn second_done(
        &mut self,
        key: ServiceKey,
        result: JobResult,
        took: Duration,
        now: Instant,
    ) {
        self.awaiting_canary.remove(&key);
        self.needs_plan.insert(key);
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        let Some(second) = &mut service.second else {
            return;
        };
        let answered = result.map_err(|error| error.to_string());
        let answered = answered.and_then(|ran| second.answered(ran, service.spec.max_moves, now));
        let answered = answered.and_then(|again| second.called(took).map(|()| again));
        match answered {
            Ok(again) => {
                if again {
                    info!(
                        service = service.spec.name,
                        plugin = second.plugin().manifest().name,
                        "the shadow works again"
                    );
                }
                second.facts_changed(&service.servers, now);
                self.judge_second(key);
                self.want_planned(key);
            }
            Err(why) => self.second_failed(key, why, now),
        }
    }

    /// A second scheduler has failed, or its plan cannot be used: nobody but itself is affected, or the first decides for
    /// its share, too.
    fn second_failed(&mut self, key: ServiceKey, problem: String, now: Instant) {
        let generation = self.next_generation();
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        let Some(second) = &mut service.second else {
            return;
        };
        if second.canary().is_some() {
            return self.take_back(key, problem);
        }
        let manifest = second.plugin().manifest().clone();
        if let Some(wait) = second.failed(problem.clone(), generation, now) {
            warn!(
                service = service.spec.name,
                plugin = manifest.name,
                version = manifest.version,
                error = problem,
                restart_in = ?wait,
                "the shadow failed; no connection is affected"
            );
        }
    }

    /// Holds the plan of a service's second scheduler beside the first's: one of them is new.
    pub(super) fn judge_second(&mut self, key: ServiceKey) {
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        let Some(second) = &mut service.second else {
            return;
        };
        let (plan, weights) = (&service.last_good, &service.planned_weights);
        if let Err(why) = second.judge(plan.as_ref(), weights.as_ref()) {
            self.take_back(key, why);
        }
    }

    /// A canary decides no more: the first scheduler does, for all.
    fn take_back(&mut self, key: ServiceKey, why: String) {
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        let Some(second) = &mut service.second else {
            return;
        };
        warn!(
            service = service.spec.name,
            from = second.title(),
            to = service.supervisor.title(),
            why,
            "the canary is taken back: the first scheduler decides for all connections"
        );
        second.take_back(why);
        self.want_planned(key);
    }

    /// What the kernel is to hold may be another; not before the service's scheduler has answered at all.
    fn want_planned(&mut self, key: ServiceKey) {
        if !self.awaiting_first_plan.contains(&key) {
            self.want(key);
        }
    }
}
