//! A scheduler's instance, which its seat shares with the queue's thread where the scheduler decides each connection.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use evenkeel_core::flow::Flow;
use evenkeel_core::plan::Plan;
use evenkeel_core::state::BackendId;
use evenkeel_runtime::{Backend, BackendFacts, Load, PluginError, Scheduler};

/// A connection that was placed, and that the kernel has not counted for so long, has come to nothing.
const LOST_AFTER: Duration = Duration::from_secs(1);

/// See the module's documentation. Cloning it makes another handle of the same instance.
#[derive(Clone)]
pub(crate) struct Instance(Arc<Mutex<Inner>>);

struct Inner {
    scheduler: Box<dyn Scheduler>,
    /// The servers that it may place a connection on.
    taking: BTreeSet<BackendId>,
    /// What the kernel counted, and what was placed since, for each server.
    known: BTreeMap<BackendId, Known>,
    /// It has answered what it must not: it is of no more use.
    broken: Option<String>,
}

#[derive(Default)]
struct Known {
    facts: BackendFacts,
    placed: VecDeque<Instant>,
}

impl Known {
    /// Takes in what the kernel has counted: as many of the connections placed are among them as are new, the oldest first.
    fn count(&mut self, facts: BackendFacts) {
        let new = facts.counts.total.saturating_sub(self.facts.counts.total);
        let counted = usize::try_from(new).map_or(usize::MAX, |new| new);
        self.placed.drain(..counted.min(self.placed.len()));
        self.facts = facts;
    }

    /// Forgets connections that have come to nothing; says whether there were any.
    fn give_up(&mut self, now: Instant) -> bool {
        let before = self.placed.len();
        self.placed.retain(|at| *at + LOST_AFTER > now);
        self.placed.len() != before
    }

    /// With those connections that the kernel cannot have counted yet.
    fn load(&self, id: BackendId) -> Load {
        let mut facts = self.facts;
        let placed = u32::try_from(self.placed.len()).unwrap_or(u32::MAX);
        facts.counts.active = facts.counts.active.saturating_add(placed);
        Load { id, facts }
    }
}

impl Instance {
    pub(crate) fn new(scheduler: Box<dyn Scheduler>) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            scheduler,
            taking: BTreeSet::new(),
            known: BTreeMap::new(),
            broken: None,
        })))
    }

    /// A plugin does not unwind through the host: a poisoned lock is as good as any.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The servers, whole.
    ///
    /// # Errors
    /// As [`Scheduler::set_backends`].
    pub(crate) fn set_backends(&self, backends: &[Backend]) -> Result<(), PluginError> {
        let mut inner = self.inner();
        let taking = backends.iter().filter(|backend| backend.weight > 0);
        inner.taking = taking.map(|backend| backend.id).collect();
        inner.known = backends
            .iter()
            .map(|backend| {
                let mut known = inner.known.remove(&backend.id).unwrap_or_default();
                known.count(backend.facts);
                (backend.id, known)
            })
            .collect();
        inner.scheduler.set_backends(backends)
    }

    /// Facts that have changed.
    ///
    /// # Errors
    /// As [`Scheduler::set_loads`].
    pub(crate) fn set_loads(&self, loads: &[Load], now: Instant) -> Result<(), PluginError> {
        let mut inner = self.inner();
        let mut changed: BTreeSet<BackendId> = BTreeSet::new();
        for load in loads {
            if let Some(known) = inner.known.get_mut(&load.id) {
                known.count(load.facts);
                changed.insert(load.id);
            }
        }
        for (id, known) in &mut inner.known {
            if known.give_up(now) {
                changed.insert(*id);
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        let loads: Vec<Load> = changed
            .iter()
            .filter_map(|id| inner.known.get(id).map(|known| known.load(*id)))
            .collect();
        inner.scheduler.set_loads(&loads)
    }

    /// How new connections are to be spread.
    ///
    /// # Errors
    /// As [`Scheduler::make_plan`].
    pub(crate) fn make_plan(&self) -> Result<Plan, PluginError> {
        self.inner().scheduler.make_plan()
    }

    /// Places one connection. `counting`: whether the scheduler counts it, and the host with it.
    ///
    /// # Errors
    /// How the plugin failed, in words. From then on every call fails.
    pub(crate) fn pick(
        &self,
        flow: &Flow,
        counting: bool,
        now: Instant,
    ) -> Result<Option<BackendId>, String> {
        let mut inner = self.inner();
        if let Some(problem) = &inner.broken {
            return Err(problem.clone());
        }
        match inner.scheduler.pick(flow) {
            Ok(None) => Ok(None),
            Ok(Some(id)) if inner.taking.contains(&id) => {
                if counting && let Some(known) = inner.known.get_mut(&id) {
                    known.placed.push_back(now);
                }
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
