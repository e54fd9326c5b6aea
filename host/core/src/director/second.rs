//! A second scheduler of a service: a shadow, whose plans are compared with the first's, or a canary, whose plans are
//! followed for a share of the slots.
//!
//! ```text
//!  shadow: Running --- failed ---> waits, then runs again           (as the first scheduler does)
//!  canary: Running --- failed, slow, uneven, other selector ---> TakenBack, until a reload or another plugin
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::job::{Ran, SchedulerJob, SchedulerUpdate};
use super::second_plan::SecondPlan;
use super::second_report::SecondReport;
use super::server::{self, RealServer};
use super::slow_calls::SlowCalls;
use super::successor::Origin;
use super::supervisor::{self, SchedulerSupervisor};
use crate::desired::{self, Usable};
use crate::manifest::{Decision, Facts};
use crate::model::{Canary, SecondRole, Service, Share};
use crate::movement::Weights;
use crate::plan::Plan;
use crate::scheduler::{BackendFacts, DirectorRole, Load, SchedulerPlugin};
use crate::state::{BackendId, Spread};

/// A second scheduler and its last plan.
pub(super) struct SecondScheduler {
    origin: Origin,
    role: SecondRole,
    state: SecondState,
    /// What it was last told of each server.
    told: BTreeMap<BackendId, BackendFacts>,
    /// The servers that the plan under way is made for.
    planned_for: Vec<Usable>,
    plan: SecondPlan,
    /// What is wrong with a shadow.
    problem: Option<String>,
    calls: SlowCalls,
}

enum SecondState {
    Running(Box<SchedulerSupervisor>),
    /// The first decides for all; with the reason.
    TakenBack(String),
}

impl SecondScheduler {
    /// One that is started at its next [`Self::job`].
    pub(super) fn new(
        generation: u64,
        origin: Origin,
        role: SecondRole,
        director: DirectorRole,
        now: Instant,
    ) -> Self {
        let supervisor = SchedulerSupervisor::beside(generation, origin.clone(), director, now);
        Self {
            origin,
            role,
            state: SecondState::Running(Box::new(supervisor)),
            told: BTreeMap::new(),
            planned_for: Vec::new(),
            plan: SecondPlan::default(),
            problem: None,
            calls: SlowCalls::default(),
        }
    }

    /// Whether it is of this plugin with these settings.
    pub(super) fn is_of(&self, (plugin, settings): &Origin) -> bool {
        Arc::ptr_eq(&self.origin.0, plugin) && self.origin.1 == *settings
    }

    /// Whether it is a canary that was taken back.
    pub(super) fn is_taken_back(&self) -> bool {
        matches!(self.state, SecondState::TakenBack(_))
    }

    /// How it is taken back, as long as it may be: it is a canary, and runs.
    pub(super) fn canary(&self) -> Option<Canary> {
        match self.role {
            SecondRole::Canary(canary) if !self.is_taken_back() => Some(canary),
            SecondRole::Canary(_) | SecondRole::Shadow => None,
        }
    }

    /// It is this from now on.
    pub(super) fn set_role(&mut self, role: SecondRole) {
        if self.role != role {
            self.role = role;
            self.calls = SlowCalls::default();
        }
    }

    /// The plugin.
    pub(super) fn plugin(&self) -> &Arc<dyn SchedulerPlugin> {
        &self.origin.0
    }

    /// As errors begin.
    pub(super) fn title(&self) -> String {
        supervisor::title(self.origin.0.manifest())
    }

    /// It runs no more, and the first decides for all.
    pub(super) fn take_back(&mut self, why: String) {
        self.state = SecondState::TakenBack(why);
        self.plan.unmerge();
    }

    /// A shadow has failed; it is started again when it is time. Says how long that is, where it worked before.
    pub(super) fn failed(
        &mut self,
        problem: String,
        generation: u64,
        now: Instant,
    ) -> Option<Duration> {
        let supervisor = self.supervisor_mut()?;
        let wait = supervisor.fail(generation, now);
        self.plan.forget();
        let worked = self.problem.replace(problem).is_none();
        worked.then_some(wait)
    }

    fn supervisor(&self) -> Option<&SchedulerSupervisor> {
        match &self.state {
            SecondState::Running(supervisor) => Some(supervisor),
            SecondState::TakenBack(_) => None,
        }
    }

    fn supervisor_mut(&mut self) -> Option<&mut SchedulerSupervisor> {
        match &mut self.state {
            SecondState::Running(supervisor) => Some(supervisor),
            SecondState::TakenBack(_) => None,
        }
    }

    /// Whether this generation is its instance's.
    pub(super) fn runs(&self, generation: u64) -> bool {
        self.supervisor()
            .is_some_and(|it| it.generation() == generation)
    }

    /// What it wants to be told of.
    pub(super) fn facts(&self) -> Facts {
        let facts = self.supervisor().map(SchedulerSupervisor::facts);
        facts.unwrap_or_default()
    }

    /// The servers or their weights changed.
    pub(super) fn servers_changed(&mut self) {
        if let Some(supervisor) = self.supervisor_mut() {
            supervisor.servers_changed();
        }
    }

    /// The role of this director. Says whether the plugin is to be told.
    pub(super) fn set_director_role(&mut self, role: DirectorRole) -> bool {
        self.supervisor_mut().is_some_and(|it| it.set_role(role))
    }

    /// Whether some fact has changed that it wants to be told of: then it will be.
    pub(super) fn facts_changed(&mut self, servers: &[RealServer], now: Instant) -> bool {
        let (facts, told) = (self.facts(), &self.told);
        let changed = |it: &RealServer| it.up() && told.get(&it.id) != Some(&it.facts(facts));
        let changed = facts.any() && servers.iter().any(changed);
        if changed && let Some(supervisor) = self.supervisor_mut() {
            supervisor.facts_changed(now);
        }
        changed
    }

    /// When [`Self::job`] may have something to do, as [`SchedulerSupervisor::poll_at`].
    pub(super) fn poll_at(&self) -> Option<Instant> {
        self.supervisor()?.poll_at()
    }

    /// The next run of the plugin, as [`SchedulerSupervisor::job`]. `plans`: the first one makes a plan now, so this one
    /// is to make one, too.
    pub(super) fn job(
        &mut self,
        now: Instant,
        update_interval: Duration,
        service: &Service,
        servers: &[RealServer],
        plans: bool,
    ) -> Option<SchedulerJob> {
        let SecondState::Running(supervisor) = &mut self.state else {
            return None;
        };
        if plans {
            supervisor.renew(now);
        }
        let told = &mut self.told;
        let update = |facts, whole| update(told, servers, facts, whole);
        let job = supervisor.job(now, update_interval, service, update)?;
        self.planned_for = server::usable(servers);
        Some(job)
    }

    /// Its job has ended well. Says whether it works again after it had failed.
    ///
    /// # Errors
    /// Why its plan cannot be used; of a canary also why it is not to be.
    pub(super) fn answered(
        &mut self,
        ran: Ran,
        max_moves: Option<Share>,
        now: Instant,
    ) -> Result<bool, String> {
        // A shadow is not asked about connections; without a plan there is nothing to compare.
        let decision = match self.role {
            SecondRole::Shadow => Decision::PerConnection,
            SecondRole::Canary(_) => Decision::Plan,
        };
        let accept = |plan: &Plan| desired::accept(&self.planned_for, plan, decision);
        let spread = ran.plan.as_ref().map(accept).transpose();
        let spread = spread.map_err(|error| format!("{}: {error}", self.title()))?;
        let none = ran.plan == Some(Plan::PerConnection);
        if none {
            self.plan.forget();
        } else if let Some(spread) = spread.flatten() {
            let weights = desired::weights(&self.planned_for);
            let max_moves = max_moves.filter(|_| self.canary().is_some());
            let taken = self.plan.take(spread, weights, max_moves);
            taken.map_err(|why| format!("{}: {why}", self.title()))?;
        }
        if let Some(supervisor) = self.supervisor_mut() {
            supervisor.done(ran.instance, ran.plan.as_ref(), now);
        }
        let nothing =
            "it has no plan, since it decides each connection: there is nothing to compare";
        let problem = none.then(|| format!("{}: {nothing}", self.title()));
        let worked = std::mem::replace(&mut self.problem, problem).is_none();
        Ok(!worked && !none)
    }

    /// Notes how long a canary's call took.
    ///
    /// # Errors
    /// Why it is too slow.
    pub(super) fn called(&mut self, took: Duration) -> Result<(), String> {
        let Some(canary) = self.canary() else {
            return Ok(());
        };
        let slow = self.calls.add(took, canary.max_call);
        slow.map_err(|why| format!("{}: {why}", self.title()))
    }

    /// Compares its plan with the first's, and merges the two if it is a canary. `weights`: those that the first's plan
    /// was made for; `None`: not known.
    ///
    /// # Errors
    /// Why a canary is to be taken back.
    pub(super) fn judge(
        &mut self,
        first: Option<&Spread>,
        weights: Option<&Weights>,
    ) -> Result<(), String> {
        if self.is_taken_back() {
            return Ok(());
        }
        let judged = self.plan.judge(first, weights, self.canary());
        judged.map_err(|why| format!("{}: {why}", self.title()))
    }

    /// What is to be followed instead of the first's plan.
    pub(super) fn merged(&self) -> Option<&Spread> {
        self.plan.merged()
    }

    /// The first's plan is to be followed alone from now on, since the daemon ends.
    pub(super) fn leave(&mut self) {
        self.plan.unmerge();
    }

    /// What is known of it.
    pub(super) fn report(&self) -> SecondReport {
        let manifest = self.origin.0.manifest();
        SecondReport {
            role: self.role,
            scheduler: manifest.name.clone(),
            version: manifest.version.clone(),
            metrics: (self.supervisor())
                .map(SchedulerSupervisor::metrics)
                .unwrap_or_default(),
            problem: self.problem.clone(),
            taken_back: match &self.state {
                SecondState::TakenBack(why) => Some(why.clone()),
                SecondState::Running(_) => None,
            },
            plans: self.plan.taken(),
            difference: self.plan.difference(),
            uneven: self.plan.uneven(),
            slots: self.plan.slots(),
        }
    }
}

/// As a service tells its first scheduler, but by what this one was told before.
fn update(
    told: &mut BTreeMap<BackendId, BackendFacts>,
    servers: &[RealServer],
    wanted: Facts,
    whole: bool,
) -> SchedulerUpdate {
    if whole {
        let facts = servers.iter().map(|it| (it.id, it.facts(wanted)));
        *told = facts.collect();
        let seen = servers.iter().map(|it| it.seen(it.facts(wanted)));
        return SchedulerUpdate::Backends(seen.collect());
    }
    let up = servers.iter().filter(|server| server.up());
    let loads = up.filter_map(|server| {
        let facts = server.facts(wanted);
        let before = told.insert(server.id, facts.clone());
        (before.as_ref() != Some(&facts)).then_some(Load {
            id: server.id,
            facts,
        })
    });
    SchedulerUpdate::Loads(loads.collect())
}
