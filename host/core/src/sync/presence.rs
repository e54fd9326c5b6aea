//! Which services the kernel has the rules of, so that addresses can follow.

use std::collections::BTreeSet;

use crate::model::ServiceKey;

/// Whether the kernel has the rules of a service, so that clients may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InKernel {
    /// It has.
    Yes,
    /// They are on their way.
    NotYet,
    /// It has not, and the last attempt at changing it failed. It is tried again.
    Refused,
}

/// The services whose rules the kernel has, as last known: less those that a step under way takes away.
#[derive(Debug, Clone)]
pub(super) struct Presence {
    present: BTreeSet<ServiceKey>,
    /// Whether somebody who has asked may be told something else now.
    changed: bool,
}

impl Presence {
    /// As found.
    pub(super) fn new(present: BTreeSet<ServiceKey>) -> Self {
        Self {
            present,
            changed: true,
        }
    }

    /// Whether the service is there.
    pub(super) fn has(&self, key: &ServiceKey) -> bool {
        self.present.contains(key)
    }

    /// It has come.
    pub(super) fn add(&mut self, key: ServiceKey) {
        self.changed |= self.present.insert(key);
    }

    /// It goes.
    pub(super) fn remove(&mut self, key: &ServiceKey) {
        self.changed |= self.present.remove(key);
    }

    /// What the kernel has was read.
    pub(super) fn read<'a>(&mut self, found: impl Iterator<Item = &'a ServiceKey> + Clone) {
        if !found.clone().eq(&self.present) {
            self.present = found.copied().collect();
            self.changed = true;
        }
    }

    /// Something else is to be said of a service that is not there.
    pub(super) fn set_changed(&mut self, changed: bool) {
        self.changed |= changed;
    }

    /// Whether something else is to be said than when this was asked last.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }
}
