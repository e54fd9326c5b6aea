//! What a scheduler plugin answers, and the check of it: a plugin's word is not trusted.

mod error;
mod grouped;
mod limits;
mod table;

use std::collections::BTreeSet;

pub use self::error::PlanError;
pub use self::grouped::{GroupRun, GroupTable, PlannedGroup, PlannedGroups};
pub use self::limits::{MAX_RULES, MAX_SLOTS};
pub use self::table::Run;
use self::table::{checked, laid_out};
use crate::mark::BackendId;
use crate::selector::Selector;
use crate::spread::Spread;

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
    /// By groups, in the kernel, until the plugin is asked again.
    Groups(PlannedGroups),
    /// There is none: only the plugin's decision about each connection can tell.
    PerConnection,
    /// New connections are refused.
    None,
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
                if slots.is_empty() {
                    return Err(PlanError::Empty);
                }
                let slots = laid_out(slots, *selector, usable)?;
                Ok(Spread::Slots {
                    selector: checked(*selector)?,
                    slots,
                })
            }
            Self::Groups(groups) => groups.spread(usable),
        }
    }

    /// When the plugin is to be asked again although nothing has changed, in milliseconds.
    #[must_use]
    pub fn refresh_ms(&self) -> Option<u32> {
        match self {
            Self::Table { refresh_ms, .. } => *refresh_ms,
            Self::Groups(groups) => groups.refresh_ms,
            Self::PerConnection | Self::None => None,
        }
    }
}
