//! What this machine lacks, and how it keeps checks from saying anything about servers: a full connection table, ports,
//! descriptors, memory, processor time.
//!
//! Checks do not bypass the connection table (`notrack` by a mark of their own), although they then worked while it is
//! full. Their answers would have to be found by a look for a socket at every packet that comes in; a firewall that
//! lets in what is `established` would drop them; and full NAT, which does not know of them, could give a client's
//! connection the same ports.

mod table;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::task::JoinSet;
use tracing::{info, warn};

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
}

impl OwnLimits {
    /// Nothing is known yet. `proc`: `/proc`.
    pub(crate) fn new(proc: &Path) -> Self {
        Self {
            state: Mutex::default(),
            proc: proc.into(),
        }
    }

    /// Looks at the connection table from now on, until the result is dropped. Call it inside a tokio runtime.
    pub(crate) fn watch(self: &Arc<Self>) -> JoinSet<()> {
        let limits = Arc::clone(self);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut ticks = tokio::time::interval(LOOK_INTERVAL);
            loop {
                ticks.tick().await;
                limits.look(tokio::time::Instant::now().into_std());
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

    /// What a check that began then, and had no answer, may have met with on this machine.
    pub(crate) fn dropped_since(&self, began: Instant, now: Instant) -> Option<String> {
        self.look(now);
        let (at, reading) = self.state.lock().full?;
        (at >= began).then(|| reading.to_string())
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
