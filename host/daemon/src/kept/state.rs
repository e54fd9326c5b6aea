//! What is kept, and what is new of it.

use std::collections::BTreeMap;

use evenkeel_core::ids::Numbers;
use evenkeel_core::state::BackendId;
use evenkeel_dataplane::EarlierCount;

/// What was kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KeptState {
    pub(crate) numbers: Numbers,
    pub(crate) counts: BTreeMap<BackendId, EarlierCount>,
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
}
