//! What a scheduler plugin answers, and the check of it: a plugin's word is not trusted.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use thiserror::Error;

use crate::state::{BackendId, Selector, Spread};

/// The most slots a plan may have.
pub const MAX_SLOTS: usize = 65_536;

/// `width` neighbouring slots of the same backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Whose slots they are.
    pub id: BackendId,
    /// How many of them.
    pub width: u32,
}

/// How new connections are to be spread, as a scheduler plugin answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// By this table, in the kernel, until the plugin is asked again.
    Table {
        /// The slots, in order.
        slots: Vec<Run>,
        /// Which slot a new connection takes.
        selector: Selector,
        /// Ask again after this many milliseconds even if nothing changed.
        refresh_ms: Option<u32>,
    },
    /// There is none: only the plugin's decision about each connection can tell.
    PerConnection,
    /// New connections are refused.
    None,
}

/// Why a plan cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlanError {
    /// A slot names a backend that the plugin was not given.
    #[error(
        "the plan names backend {0}, which the scheduler was not given (or no longer: it is down or removed)"
    )]
    UnknownBackend(u32),
    /// A slot names a backend that takes no new connections.
    #[error(
        "the plan gives slots to {address} (backend {id}), which drains (weight 0): make plans with those of \
         `Backends::taking`"
    )]
    Draining {
        /// Its number.
        id: u32,
        /// Where it is.
        address: SocketAddr,
    },
    /// A run of no slots.
    #[error("the plan gives backend {0} a run of width 0")]
    EmptyRun(u32),
    /// No slot at all; refusing is `Plan::None`.
    #[error("the plan has no slots (to refuse connections a scheduler answers \"none\")")]
    Empty,
    /// More than [`MAX_SLOTS`].
    #[error("the plan has {0} slots, more than the {MAX_SLOTS} allowed")]
    TooLarge(u64),
    /// The service follows plans.
    #[error(
        "the scheduler has no plan and wants to decide each connection, where it is to be followed by plan"
    )]
    PerConnection,
}

impl Plan {
    /// Checks the plan against the backends that the plugin was given and lays out its slots. Where all of them are
    /// the same backend's and no hash chooses, one says it all: otherwise the kernel would be changed for every plan
    /// that only foresees more or fewer connections.
    ///
    /// # Errors
    /// When the plan names a backend not in `usable`, has no or too many slots, or asks for per-connection decisions.
    pub fn spread(&self, usable: &BTreeSet<BackendId>) -> Result<Spread, PlanError> {
        match self {
            Self::None => Ok(Spread::Refuse),
            Self::PerConnection => Err(PlanError::PerConnection),
            Self::Table {
                slots,
                selector,
                refresh_ms: _,
            } => {
                let total: u64 = slots.iter().map(|run| u64::from(run.width)).sum();
                if total == 0 && slots.is_empty() {
                    return Err(PlanError::Empty);
                }
                if total > MAX_SLOTS as u64 {
                    return Err(PlanError::TooLarge(total));
                }
                let mut laid_out = Vec::new();
                for run in slots {
                    if !usable.contains(&run.id) {
                        return Err(PlanError::UnknownBackend(run.id.get()));
                    }
                    if run.width == 0 {
                        return Err(PlanError::EmptyRun(run.id.get()));
                    }
                    laid_out.extend((0..run.width).map(|_| run.id));
                }
                // The length of a hash table tells which of its schedulers IPVS is to take.
                let hashed = matches!(selector, Selector::HashSource | Selector::HashFlow);
                let mut ids = slots.iter().map(|run| run.id);
                let first = ids.next();
                if !hashed && ids.all(|id| Some(id) == first) {
                    laid_out.truncate(1);
                }
                Ok(Spread::Slots {
                    selector: *selector,
                    slots: laid_out,
                })
            }
        }
    }
}
