//! A scheduler's instance, which its supervisor shares with the queue's thread where the scheduler decides each
//! connection.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::{debug, warn};

use super::recent_flows::RecentFlows;
use crate::flow::Flow;
use crate::manifest::Facts;
use crate::metrics::PluginMetrics;
use crate::plan::Plan;
use crate::plugin::PluginError;
use crate::scheduler::{BackendFacts, DirectorRole, Load, SavedState, Scheduler, SchedulerBackend};
use crate::state::BackendId;

/// A connection that was placed, and that the kernel has not counted for so long, has come to nothing.
const PLACED_TIMEOUT: Duration = Duration::from_secs(1);

/// A running scheduler, with what it was told of its servers. Cloning it makes another handle of the same one; calls
/// of several handles wait for each other.
///
/// Where it decides each connection, plans are made by a second scheduler that is told the same: a plan may take as long
/// as the sandbox lets any call take, and no connection is to wait for it.
#[derive(Clone)]
pub struct Instance {
    deciding: Arc<Mutex<Inner>>,
    planning: Arc<Mutex<Option<Box<dyn Scheduler>>>>,
    metrics: Arc<PluginMetrics>,
}

struct Inner {
    scheduler: Box<dyn Scheduler>,
    /// The servers that it may place a connection on.
    accepting: BTreeSet<BackendId>,
    /// It is told of facts: of other servers nothing is kept.
    told_of_facts: bool,
    /// What the kernel counted, and what was placed since, for each server.
    loads: BTreeMap<BackendId, PlacedLoad>,
    recent: RecentFlows,
    /// It has answered what it must not: it is of no more use.
    broken: Option<String>,
    /// It has decided a connection.
    decided: bool,
}

#[derive(Default)]
struct PlacedLoad {
    facts: BackendFacts,
    /// When each connection was placed that the kernel has not counted yet, the oldest first.
    placed: VecDeque<Instant>,
}

impl PlacedLoad {
    /// Takes in what the kernel has counted: as many of the connections placed are among them as are new, the oldest
    /// first.
    fn count(&mut self, facts: BackendFacts) {
        let new = facts.counts.total.saturating_sub(self.facts.counts.total);
        let counted = usize::try_from(new).map_or(usize::MAX, |new| new);
        self.placed.drain(..counted.min(self.placed.len()));
        self.facts = facts;
    }

    /// Forgets connections that have come to nothing; says whether there were any.
    fn expire(&mut self, now: Instant) -> bool {
        let before = self.placed.len();
        self.placed.retain(|at| *at + PLACED_TIMEOUT > now);
        self.placed.len() != before
    }

    /// With those connections that the kernel cannot have counted yet.
    fn total(&self, id: BackendId) -> Load {
        let mut facts = self.facts.clone();
        let placed = u32::try_from(self.placed.len()).unwrap_or(u32::MAX);
        facts.counts.active = facts.counts.active.saturating_add(placed);
        Load { id, facts }
    }
}

impl Instance {
    /// `facts`: what it wants to be told of.
    pub(super) fn new(scheduler: Box<dyn Scheduler>, facts: Facts) -> Self {
        let metrics = scheduler.metrics();
        let inner = Inner {
            scheduler,
            accepting: BTreeSet::new(),
            told_of_facts: facts.any(),
            loads: BTreeMap::new(),
            recent: RecentFlows::default(),
            broken: None,
            decided: false,
        };
        Self {
            deciding: Arc::new(Mutex::new(inner)),
            planning: Arc::default(),
            metrics,
        }
    }

    /// What its scheduler counts and gauges.
    pub(super) fn metrics(&self) -> &Arc<PluginMetrics> {
        &self.metrics
    }

    /// Whether its plans are made by a scheduler of their own.
    pub(super) fn plans_apart(&self) -> bool {
        self.planning.lock().is_some()
    }

    /// Its plans are made by this scheduler, which is to be told of the servers before; `None`: by the one that decides.
    pub(super) fn plan_by(&self, scheduler: Option<Box<dyn Scheduler>>) {
        *self.planning.lock() = scheduler;
    }

    /// The role of this director.
    ///
    /// # Errors
    /// As [`Scheduler::set_role`].
    pub(super) fn set_role(&self, role: DirectorRole) -> Result<(), PluginError> {
        if let Some(planner) = &mut *self.planning.lock() {
            planner.set_role(role)?;
        }
        self.deciding.lock().scheduler.set_role(role)
    }

    /// What it hands to a successor. One that fails to say goes on until its next call fails, too.
    pub(super) fn export(&self, service: &str) -> Option<SavedState> {
        let exported = self.deciding.lock().scheduler.export_state();
        exported.unwrap_or_else(|error| {
            warn!(service, error = %error, "the scheduler's state is lost: it failed to hand it over");
            None
        })
    }

    /// Takes over what its predecessor has handed over, as far as it wants that.
    ///
    /// # Errors
    /// As [`Scheduler::import_state`].
    pub(super) fn import(&self, state: &SavedState, service: &str) -> Result<(), PluginError> {
        let taken = self.deciding.lock().scheduler.import_state(state)?;
        let (version, bytes) = (state.version, state.bytes.len());
        match taken {
            Ok(()) => debug!(
                service,
                version, bytes, "the scheduler's state was handed over"
            ),
            Err(reason) => warn!(
                service,
                version,
                bytes,
                reason,
                "the state of the scheduler before is dropped: the new one refuses it"
            ),
        }
        Ok(())
    }

    /// Whether it has decided a connection.
    pub(super) fn has_decided(&self) -> bool {
        self.deciding.lock().decided
    }

    /// The servers, whole.
    ///
    /// # Errors
    /// As [`Scheduler::set_backends`].
    pub(super) fn set_backends(&self, backends: &[SchedulerBackend]) -> Result<(), PluginError> {
        if let Some(planner) = &mut *self.planning.lock() {
            planner.set_backends(backends)?;
        }
        let mut inner = self.deciding.lock();
        let accepting = backends.iter().filter(|backend| backend.weight > 0);
        inner.accepting = accepting.map(|backend| backend.id).collect();
        let with_loads = if inner.told_of_facts { backends } else { &[] };
        inner.loads = with_loads
            .iter()
            .map(|backend| {
                let mut load = inner.loads.remove(&backend.id).unwrap_or_default();
                load.count(backend.facts.clone());
                (backend.id, load)
            })
            .collect();
        inner.scheduler.set_backends(backends)
    }

    /// Facts that have changed.
    ///
    /// # Errors
    /// As [`Scheduler::set_loads`].
    pub(super) fn set_loads(&self, loads: &[Load], now: Instant) -> Result<(), PluginError> {
        if !loads.is_empty()
            && let Some(planner) = &mut *self.planning.lock()
        {
            planner.set_loads(loads)?;
        }
        let mut inner = self.deciding.lock();
        let mut changed: BTreeSet<BackendId> = BTreeSet::new();
        for load in loads {
            if let Some(known) = inner.loads.get_mut(&load.id) {
                known.count(load.facts.clone());
                changed.insert(load.id);
            }
        }
        for (id, load) in &mut inner.loads {
            if load.expire(now) {
                changed.insert(*id);
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        let loads: Vec<Load> = changed
            .iter()
            .filter_map(|id| inner.loads.get(id).map(|load| load.total(*id)))
            .collect();
        inner.scheduler.set_loads(&loads)
    }

    /// How new connections are to be spread.
    ///
    /// # Errors
    /// As [`Scheduler::make_plan`].
    pub(super) fn make_plan(&self) -> Result<Plan, PluginError> {
        match &mut *self.planning.lock() {
            Some(planner) => planner.make_plan(),
            None => self.deciding.lock().scheduler.make_plan(),
        }
    }

    /// Places one connection. `counting`: whether the scheduler counts it, and the host with it. One that was placed a
    /// moment ago goes where it went, as long as that server takes connections, and is not counted again: another
    /// packet of it has come before the kernel knew it.
    ///
    /// # Errors
    /// How the plugin failed, in words. From then on every call fails.
    pub fn pick(
        &self,
        flow: &Flow,
        counting: bool,
        now: Instant,
    ) -> Result<Option<BackendId>, String> {
        let mut inner = self.deciding.lock();
        if let Some(problem) = &inner.broken {
            return Err(problem.clone());
        }
        if let Some(id) = inner.recent.get(flow, now)
            && inner.accepting.contains(&id)
        {
            return Ok(Some(id));
        }
        match inner.scheduler.pick(flow) {
            Ok(None) => {
                inner.decided = true;
                Ok(None)
            }
            Ok(Some(id)) if inner.accepting.contains(&id) => {
                if counting && let Some(load) = inner.loads.get_mut(&id) {
                    load.placed.push_back(now);
                }
                inner.recent.put(*flow, id, now);
                inner.decided = true;
                Ok(Some(id))
            }
            Ok(Some(id)) => {
                let problem = format!(
                    "it placed a connection on backend {id}, which takes none or which it was not given"
                );
                inner.broken = Some(problem.clone());
                Err(problem)
            }
            Err(error) => {
                inner.broken = Some(error.to_string());
                Err(error.to_string())
            }
        }
    }
}
