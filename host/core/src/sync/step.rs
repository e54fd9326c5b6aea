//! The steps that a driver takes, and what comes of them.

use std::time::Duration;

use crate::state::{Change, Subject};

/// What the driver is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KernelStep {
    /// Read the kernel; then [`super::KernelSync::read_done`].
    Read,
    /// Apply these changes, all or none; then [`super::KernelSync::applied`].
    Apply(Vec<Change>),
}

/// What became of [`KernelStep::Apply`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApplyOutcome {
    /// The kernel holds the changes.
    Done,
    /// It holds none of them, since it does not take one of them, for this reason: others may be taken.
    Refused(String),
    /// It holds none of them: it could not be reached.
    Failed,
}

/// A change that the kernel does not take, although it is by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedChange {
    /// What it is about.
    pub subject: Subject,
    /// In the data plane's words.
    pub why: String,
    /// It is tried again after this time, or when [`super::KernelSync::retry`] says so.
    pub wait: Duration,
}
