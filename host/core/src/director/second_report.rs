//! What is known of a second scheduler, as plain values.

use std::collections::BTreeMap;

use crate::comparison::Difference;
use crate::metrics::Metric;
use crate::model::{SecondRole, Share};

/// A second scheduler, and what its plans would change.
#[derive(Debug, Clone, PartialEq)]
pub struct SecondReport {
    /// Shadow or canary.
    pub role: SecondRole,
    /// The plugin's name.
    pub scheduler: String,
    /// The plugin's version.
    pub version: String,
    /// What it counts and gauges under names of its own.
    pub metrics: BTreeMap<String, Metric>,
    /// What is wrong with it, while it is tried still.
    pub problem: Option<String>,
    /// Why the first scheduler decides for all again; only of a canary.
    pub taken_back: Option<String>,
    /// How many plans of it were taken in since it was started.
    pub plans: u64,
    /// How much its plan would send elsewhere than the first's; `None`: there are no two plans for the same servers.
    pub difference: Option<Difference>,
    /// How uneven both plans are against the weights.
    pub uneven: Option<Uneven>,
    /// How many slots of the plan in force it fills, and how many slots that has; 0 of 0 while there is no merged plan.
    pub slots: (usize, usize),
}

/// How uneven two plans are against the servers' weights ([`crate::comparison::uneven`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uneven {
    /// The first scheduler's.
    pub first: Share,
    /// The second one's.
    pub second: Share,
}
