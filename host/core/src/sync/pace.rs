//! How much of the kernel's time each service may have. Pure.
//!
//! What its changes took is a service's debt, which a share of the time pays. A service may go into debt for a large
//! change, and then waits before the next one; what cannot wait does not. So one whose plan changes all the time takes a
//! tenth of the time at most, and what others want is done in between.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::debt::{Debt, Terms};
use crate::model::ServiceKey;

const TERMS: Terms = Terms {
    each_second: Duration::from_millis(100),
    credit: Duration::from_millis(500),
};

/// The debts of all services that have one.
#[derive(Debug, Clone, Default)]
pub(super) struct Pace(BTreeMap<ServiceKey, Debt>);

impl Pace {
    /// Changes of these services have taken so long.
    pub(super) fn charge(
        &mut self,
        services: impl IntoIterator<Item = (ServiceKey, Duration)>,
        now: Instant,
    ) {
        // Once for all of them: a full load is of all services that there are.
        self.0.retain(|_, debt| !debt.owed(TERMS, now).is_zero());
        for (service, took) in services {
            self.0.entry(service).or_default().charge(took, TERMS, now);
        }
    }

    /// What its changes have taken and is not paid yet.
    pub(super) fn owed(&self, service: &ServiceKey, now: Instant) -> Duration {
        let debt = self.0.get(service);
        debt.map_or(Duration::ZERO, |debt| debt.owed(TERMS, now))
    }

    /// When it may change again; `None`: now.
    pub(super) fn next(&self, service: &ServiceKey, now: Instant) -> Option<Instant> {
        self.0.get(service)?.next(TERMS, now)
    }

    /// Nobody owes anything.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}
