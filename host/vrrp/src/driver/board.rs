//! Where `status` is read: a snapshot that the driver puts up, so that reading it costs the driver nothing.

use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Instant;

use crate::handle::VrrpStatus;

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct Board(Mutex<Option<Arc<Snapshot>>>);

struct Snapshot {
    at: Instant,
    status: VrrpStatus,
}

impl Board {
    /// Puts a snapshot up, unless that would mean waiting for a reader: then `false` comes back.
    pub(super) fn put(&self, at: Instant, status: VrrpStatus) -> bool {
        let mut place = match self.0.try_lock() {
            Ok(place) => place,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        *place = Some(Arc::new(Snapshot { at, status }));
        true
    }

    /// What was put up last, with times as they are now.
    pub(crate) fn read(&self) -> VrrpStatus {
        let place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(snapshot) = place.clone() else {
            return VrrpStatus::default();
        };
        drop(place);
        let mut status = snapshot.status.clone();
        for instance in &mut status.instances {
            instance.since += snapshot.at.elapsed();
        }
        status
    }
}
