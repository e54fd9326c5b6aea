//! One virtual service as the director keeps it: its configuration, its servers' health, and its scheduler's last
//! good plan.

use std::time::Instant;

use tracing::{info, warn};

use super::event::Effect;
use super::job::SchedulerUpdate;
use super::quorum::QuorumState;
use super::second::SecondScheduler;
use super::server::{self, RealServer};
use super::successor::Refused;
use super::supervisor::SchedulerSupervisor;
use crate::desired::{self, Usable};
use crate::health::ServerHealth;
use crate::manifest::{Decision, Facts};
use crate::model::{DataPlaneKind, OnDrain, Service};
use crate::movement::{self, Weights};
use crate::plan::Plan;
use crate::pool::Pool;
use crate::scheduler::SavedState;
use crate::state::{BackendId, Queue, ServiceState, Spread};

/// A virtual service, its servers and its scheduler.
pub(super) struct VirtualService {
    /// Without its servers, which are in [`Self::servers`].
    pub(super) spec: Service,
    pub(super) supervisor: SchedulerSupervisor,
    /// The scheduler that is tried beside it.
    pub(super) second: Option<Box<SecondScheduler>>,
    pub(super) servers: Vec<RealServer>,
    /// Which of them serve, where that is not all that are up.
    pub(super) pool: Option<Box<Pool>>,
    /// Weights are multiplied, since some server has just come back.
    pub(super) scaled: bool,
    /// The last plan that could be used, laid out.
    pub(super) last_good: Option<Spread>,
    /// The servers that the plan under way is made for.
    pub(super) planned_for: Vec<Usable>,
    /// The weights of the servers that it was made for; `None`: it was made by an earlier process.
    pub(super) planned_weights: Option<Weights>,
    /// How many plans were taken in.
    pub(super) plans: u64,
    /// When the last one was.
    pub(super) planned_at: Option<Instant>,
    /// Why the scheduler's last plan was refused, where the scheduler goes on.
    pub(super) plan_refused: Option<String>,
    /// What is wrong with the scheduler.
    pub(super) problem: Option<String>,
    /// What the scheduler last handed over to be kept for the next start of the daemon.
    pub(super) kept: Option<SavedState>,
    /// The scheduler that was to take over and did not.
    pub(super) refused: Option<Refused>,
    pub(super) quorum: QuorumState,
    /// Through which its scheduler decides each connection, where it does.
    pub(super) queue: Option<Queue>,
    /// Whether the queue is being served, by an instance that works.
    pub(super) queue_served: bool,
}

impl VirtualService {
    /// What its scheduler is to be told: all servers, or the facts of those that are up and that have changed since it
    /// was told last.
    pub(super) fn update(
        servers: &mut [RealServer],
        wanted: Facts,
        whole: bool,
    ) -> SchedulerUpdate {
        let servers = servers.iter_mut();
        if whole {
            SchedulerUpdate::Backends(servers.map(|server| server.report(wanted)).collect())
        } else {
            let in_use = servers.filter(|server| server.in_use());
            let changed = in_use.filter_map(|server| server.report_changes(wanted));
            SchedulerUpdate::Loads(changed.collect())
        }
    }

    /// Why a new plan, for the servers that one was last wanted for, is refused: it sends more clients to another server
    /// than `max_moves` allows. `None`: it is not.
    pub(super) fn moves_too_many(&self, plan: Option<&Spread>) -> Option<String> {
        let limit = self.spec.max_moves?;
        let before = self.last_good.as_ref().zip(self.planned_weights.as_ref())?;
        let moved = movement::moved(before, (plan?, &desired::weights(&self.planned_for)))?;
        (moved > limit).then(|| {
            format!(
                "the plan sends {moved} of the clients to another server without a reason, \
                 more than max_moves = {limit}"
            )
        })
    }

    /// Takes in a plan that fits the servers, unless it moves too many clients.
    pub(super) fn follow_plan(
        &mut self,
        plan: Option<&Plan>,
        spread: Option<Spread>,
        now: Instant,
    ) {
        if plan == Some(&Plan::PerConnection) {
            self.last_good = None;
        }
        let refused = self.moves_too_many(spread.as_ref());
        let (service, plugin) = (&self.spec.name, self.supervisor.name());
        match (&self.plan_refused, &refused) {
            (None, Some(reason)) => {
                warn!(
                    service,
                    plugin, reason, "a plan is refused; the one before stays"
                );
            }
            (Some(_), None) if spread.is_some() => {
                info!(service, plugin, "its plans are followed again")
            }
            _ => {}
        }
        if refused.is_some() {
            self.plan_refused = refused;
        } else if let Some(spread) = spread {
            self.plan_refused = None;
            self.last_good = Some(spread);
            self.plans += 1;
            self.planned_at = Some(now);
            self.planned_weights = Some(desired::weights(&self.planned_for));
        }
    }

    /// How connections are spread while something is wrong with the scheduler.
    pub(super) fn meanwhile(&self) -> &'static str {
        if !self.supervisor.failed() {
            "it runs again, and has decided no connection yet"
        } else if self.last_good.is_some() {
            "its last good plan stays"
        } else {
            "it has given no plan that could stay: servers take turns, by weight"
        }
    }

    /// Whether some fact has changed that its scheduler wants to be told of.
    pub(super) fn has_changes(&self) -> bool {
        let wanted = self.supervisor.facts();
        wanted.any()
            && self
                .servers
                .iter()
                .any(|server| server.in_use() && !server.was_told(&server.facts(wanted)))
    }

    /// What its scheduler wants to be told of, the one that may take over, and the second one.
    pub(super) fn facts(&self) -> Facts {
        let second = self.second.as_deref().map(SecondScheduler::facts);
        self.supervisor
            .facts_to_come()
            .or(second.unwrap_or_default())
    }

    /// Whether clients that it remembers leave a server whose weight is 0.
    pub(super) fn moves_clients(&self) -> bool {
        self.spec.persistence.is_some() && self.spec.on_drain == OnDrain::Move
    }

    /// What a data plane of this kind should hold.
    pub(super) fn wanted(&self, kind: DataPlaneKind) -> ServiceState {
        let mut usable = server::usable(&self.servers);
        if kind == DataPlaneKind::Nftables && self.moves_clients() {
            // Established connections do not need it there. IPVS forgets the clients itself, and drops the connections
            // of a server that it does not have.
            usable.retain(|server| server.weight > 0);
        }
        let merged = self.second.as_deref().and_then(SecondScheduler::merged);
        let plan = merged.or(self.last_good.as_ref());
        let state = desired::service_state(self.spec.snat, &usable, plan);
        let decides = self.queue_served
            && self.supervisor.decision() == Decision::PerConnection
            && usable.iter().any(|server| server.weight > 0);
        ServiceState {
            persistence: self.spec.persistence,
            queue: self.queue.filter(|_| decides),
            ..state
        }
    }

    /// Takes in a health report. Returns whether anything changed for the kernel, or `None` when there is no such
    /// server.
    pub(super) fn set_health(
        &mut self,
        address: std::net::SocketAddr,
        health: ServerHealth,
        now: Instant,
    ) -> Option<HealthChange> {
        let index = self
            .servers
            .iter()
            .position(|server| server.spec.address == address)?;
        let server = self.servers.get_mut(index)?;
        // The first word on a server is how it was found. One that stays when it has failed may only have been full.
        let inhibited = server.spec.inhibit_on_failure;
        let first_word = server.health.is_none();
        let found = first_word && inhibited;
        let before = (server.up(), server.for_plans());
        let counted = server.healthy_weight();
        server.health = Some(health);
        let up = server.up();
        let recounted = before.0 != up || counted != server.healthy_weight();
        let (id, for_quorum) = (server.id, recounted.then(|| server.in_words(counted)));
        if before.0 != up {
            self.came_or_went(index, up && !first_word, now);
        }
        let others = self.review_pool(now);
        let after = (up, self.servers.get(index)?.for_plans());
        Some(HealthChange {
            id,
            went_down: before.0 && !up && !found,
            takes_less: after.1.1 < before.1.1 || others.takes_less,
            changed: before != after || others.changed,
            run: (before.0 != up && !first_word)
                .then(|| self.notifies(self.servers.get(index)?, up))
                .flatten(),
            for_quorum,
        })
    }
}

/// What a health report changed.
pub(super) struct HealthChange {
    pub(super) id: BackendId,
    pub(super) went_down: bool,
    pub(super) takes_less: bool,
    pub(super) changed: bool,
    /// What is to be run, since it came up or went down.
    pub(super) run: Option<Effect>,
    /// What changed in words, where the quorum may change with it.
    pub(super) for_quorum: Option<String>,
}
