//! How VRRP is, for `status`: a snapshot that the driver puts up, so that reading it costs the driver nothing.

use std::sync::Arc;
use std::time::Instant;

use evenkeel_core::vrrp::{GroupReport, InstanceReport};
use parking_lot::Mutex;

/// How VRRP is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VrrpStatus {
    /// The instances, in the order of the configuration.
    pub instances: Vec<InstanceReport>,
    /// The sync groups, in the order of the configuration.
    pub groups: Vec<GroupReport>,
    /// What does not work on this machine: sockets, addresses, frames.
    pub problems: Vec<String>,
    /// Whether adverts have real-time priority.
    pub realtime: bool,
    /// Whether the process's memory is locked.
    pub locked: bool,
}

/// Where the driver puts up how VRRP is.
#[derive(Default)]
pub(crate) struct StatusSnapshot(Mutex<Option<Arc<TimedStatus>>>);

struct TimedStatus {
    at: Instant,
    status: VrrpStatus,
}

impl StatusSnapshot {
    /// Puts a status up, unless that would mean waiting for a reader: then `false` comes back.
    pub(crate) fn put(&self, at: Instant, status: VrrpStatus) -> bool {
        let Some(mut place) = self.0.try_lock() else {
            return false;
        };
        *place = Some(Arc::new(TimedStatus { at, status }));
        true
    }

    /// What was put up last, with times as they are now.
    pub(crate) fn read(&self) -> VrrpStatus {
        let Some(snapshot) = self.0.lock().clone() else {
            return VrrpStatus::default();
        };
        let mut status = snapshot.status.clone();
        for instance in &mut status.instances {
            instance.since += snapshot.at.elapsed();
        }
        status
    }
}
