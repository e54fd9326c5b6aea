//! What is kept, and what is new of it.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_core::ids::Numbers;
use evenkeel_core::manifest::Manifest;
use evenkeel_core::model::ServiceKey;
use evenkeel_core::scheduler::SavedState;
use evenkeel_core::state::BackendId;
use evenkeel_dataplane::EarlierCount;
use tracing::info;

/// What was kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KeptState {
    pub(crate) numbers: Numbers,
    pub(crate) counts: BTreeMap<BackendId, EarlierCount>,
    /// Not in the same file.
    pub(crate) schedulers: BTreeMap<ServiceKey, SchedulerState>,
}

/// What a service's scheduler hands to its successor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SchedulerState {
    /// The plugin's name.
    pub(crate) plugin: String,
    pub(crate) state: SavedState,
}

impl SchedulerState {
    /// The state, if it is of this plugin.
    pub(crate) fn fits(self, plugin: &Manifest, service: &ServiceKey) -> Option<SavedState> {
        if self.plugin == plugin.name {
            return Some(self.state);
        }
        let (from, to) = (self.plugin, &plugin.name);
        info!(%service, from, to, "the state of the scheduler before is dropped: it is another plugin's");
        None
    }
}

/// Something new to keep.
#[derive(Debug)]
pub(crate) enum News {
    /// All numbers.
    Numbers(Numbers),
    /// What the kernel's counts lack, of each server of which they lack something.
    Beyond(BTreeMap<BackendId, u64>),
    /// All that each server has counted.
    Totals(BTreeMap<BackendId, u64>),
    /// What a service's scheduler hands to the next start.
    Scheduler(ServiceKey, SchedulerState),
    /// All services: nothing is kept of others' schedulers.
    Services(BTreeSet<ServiceKey>),
}
