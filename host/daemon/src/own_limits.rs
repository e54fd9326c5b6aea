//! What this machine lacks, and how it keeps checks from saying anything about servers: a full connection table, ports,
//! descriptors, memory, processor time.
//!
//! Checks do not bypass the connection table (`notrack` by a mark of their own), although they then worked while it is
//! full. Their answers would have to be found by a look for a socket at every packet that comes in; a firewall that
//! lets in what is `established` would drop them; and full NAT, which does not know of them, could give a client's
//! connection the same ports.

mod late;
mod table;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::check_budget::CheckBudget;
use crate::punctuality::{Begun, ChecksReport, News, Punctuality};
use late::Late;
use table::{Reading, is_full};

/// How often the connection table is looked at, checks or not.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// After so long without a dropped packet it is no longer full.
const CALM: Duration = Duration::from_secs(10);
/// A shortage is told again after this. It concerns every server, and each of them a check a second.
const TELL_INTERVAL: Duration = Duration::from_secs(60);
/// Different shortages that are told apart.
const MAX_TOLD: usize = 16;

/// This machine's limits, as far as they have been met.
pub(crate) struct OwnLimits {
    state: Mutex<State>,
    /// How late checks begin.
    checks: Mutex<Punctuality>,
    /// Where the kernel's files are: `/proc`.
    proc: Box<Path>,
}

#[derive(Default)]
struct State {
    /// As last read.
    drops: Option<u64>,
    /// When the connection table was last seen full, and how full.
    full: Option<(Instant, Reading)>,
    /// When each shortage was told.
    told: BTreeMap<String, Instant>,
    late: Late,
    /// Of each checker plugin.
    budgets: BTreeMap<String, Weak<CheckBudget>>,
}

impl OwnLimits {
    /// Nothing is known yet. `proc`: `/proc`.
    pub(crate) fn new(proc: &Path) -> Self {
        Self {
            state: Mutex::default(),
            checks: Mutex::new(Punctuality::new(tokio::time::Instant::now().into_std())),
            proc: proc.into(),
        }
    }

    /// Looks at the connection table from now on, until the result is dropped. Call it inside a tokio runtime.
    pub(crate) fn watch(self: &Arc<Self>) -> JoinSet<()> {
        let limits = Arc::clone(self);
        let mut tasks = JoinSet::new();
        let late = Arc::clone(self);
        tasks.spawn(async move {
            loop {
                let due = tokio::time::Instant::now() + late::INTERVAL;
                tokio::time::sleep_until(due).await;
                let now = tokio::time::Instant::now().into_std();
                late.state.lock().late.note(due.into_std(), now);
            }
        });
        tasks.spawn(async move {
            let mut ticks = tokio::time::interval(LOOK_INTERVAL);
            loop {
                ticks.tick().await;
                let now = tokio::time::Instant::now().into_std();
                limits.look(now);
                limits.tell_late(now);
            }
        });
        tasks
    }

    /// Looks whether the connection table is full, and logs that when it begins and ends.
    fn look(&self, now: Instant) {
        let reading = Reading::of(&self.proc);
        let mut state = self.state.lock();
        let Some(reading) = reading else {
            // Nobody tracks connections here.
            state.full = None;
            return;
        };
        let full = is_full(reading, state.drops);
        state.drops = reading.drops;
        match (full, state.full) {
            (true, before) => {
                state.full = Some((now, reading));
                if before.is_none() {
                    warn!("{reading}; servers that do not answer stay as they are meanwhile");
                }
            }
            (false, Some((at, _))) if now.saturating_duration_since(at) >= CALM => {
                state.full = None;
                info!("the kernel's connection table has room again");
            }
            (false, _) => {}
        }
    }

    /// Logs that checks come late when that begins, and when it ends.
    fn tell_late(&self, now: Instant) {
        let news = self.checks.lock().news(now);
        match news {
            Some(News::Late(problem)) => warn!("{problem}"),
            Some(News::Punctual(what)) => info!("{what}"),
            None => {}
        }
    }

    /// A check begins now.
    pub(crate) fn begun(&self, begun: Begun, now: Instant) {
        self.checks.lock().add(begun, now);
    }

    /// How late checks began in the last minute.
    pub(crate) fn checks(&self, now: Instant) -> ChecksReport {
        self.checks.lock().report(now)
    }

    /// What a check that began then, and had no answer within its timeout, may have met with on this machine.
    pub(crate) fn lacked_since(
        &self,
        began: Instant,
        timeout: Duration,
        now: Instant,
    ) -> Option<String> {
        self.look(now);
        let state = self.state.lock();
        if let Some(late) = state.late.since(began, timeout) {
            let late = late.as_millis();
            return Some(format!(
                "this machine has no processor time: a task came {late} ms late"
            ));
        }
        let (at, reading) = state.full?;
        (at >= began).then(|| reading.to_string())
    }

    /// What a plugin's checks may take of the processors: one for all servers.
    pub(crate) fn budget(&self, plugin: &str) -> Arc<CheckBudget> {
        let mut state = self.state.lock();
        state.budgets.retain(|_, it| it.strong_count() > 0);
        if let Some(budget) = state.budgets.get(plugin).and_then(Weak::upgrade) {
            return budget;
        }
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let budget = Arc::new(CheckBudget::new(processors));
        state
            .budgets
            .insert(plugin.to_owned(), Arc::downgrade(&budget));
        budget
    }

    /// For `status`: that the connection table is full, or was a moment ago.
    pub(crate) fn problem(&self) -> Option<String> {
        let (_, reading) = self.state.lock().full?;
        Some(reading.to_string())
    }

    /// Whether a shortage is to be told, rather than noted: not so soon again.
    pub(crate) fn is_news(&self, shortage: &str, now: Instant) -> bool {
        let mut state = self.state.lock();
        state
            .told
            .retain(|_, at| now.saturating_duration_since(*at) < TELL_INTERVAL);
        if state.told.contains_key(shortage) || state.told.len() >= MAX_TOLD {
            return false;
        }
        state.told.insert(shortage.to_owned(), now);
        true
    }
}

#[cfg(test)]
mod tests;
