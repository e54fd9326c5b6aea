//! How often each service's scheduler has been run for a plan, how long that took, and how often it failed.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use evenkeel_core::model::ServiceKey;
use evenkeel_runtime::SchedulerPlugin;
use parking_lot::Mutex;

/// Bounds of the histogram: 1 us, 2 us, 4 us, ... and the last one for all that took longer than 4 s. A scheduler's
/// call is ended after 10 s at most, and there may be 50,000 services.
const BUCKETS: usize = 24;

/// What one service's scheduler has been called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CallStats {
    /// How many calls took no longer than 2^n microseconds, and longer than the bucket before.
    buckets: [u32; BUCKETS],
    calls: u64,
    failures: u64,
}

impl CallStats {
    /// One call has ended.
    pub(crate) fn add(&mut self, took: Duration, failed: bool) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = (0..BUCKETS - 1).find(|n| micros <= 1 << n);
        if let Some(count) = self.buckets.get_mut(bucket.unwrap_or(BUCKETS - 1)) {
            *count = count.saturating_add(1);
        }
        self.calls += 1;
        self.failures += u64::from(failed);
    }

    /// How many there were.
    pub(crate) fn calls(&self) -> u64 {
        self.calls
    }

    /// How many of them the plugin failed.
    pub(crate) fn failures(&self) -> u64 {
        self.failures
    }

    /// So many in a hundred took no longer than this, in microseconds; at most twice what is true. 0 if there were none.
    pub(crate) fn within(&self, percent: u64) -> u64 {
        let all: u64 = self.buckets.iter().map(|count| u64::from(*count)).sum();
        let wanted = (all * percent).div_ceil(100).max(1);
        let mut sum = 0;
        for (n, count) in self.buckets.iter().enumerate() {
            sum += u64::from(*count);
            if sum >= wanted {
                return 1 << n;
            }
        }
        0
    }
}

/// Which of a service's schedulers is called: the first or the second may be of one plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Caller {
    /// The one that decides, or is to take over from it.
    First,
    /// The one that is tried beside it.
    Second,
}

/// Those of all services.
#[derive(Default)]
pub(crate) struct Calls(BTreeMap<(ServiceKey, Caller), Vec<Counted>>);

/// Those of one plugin for one service.
struct Counted {
    /// It may go while this is there.
    plugin: Weak<dyn SchedulerPlugin>,
    stats: Arc<Mutex<CallStats>>,
}

impl Counted {
    fn is_of(&self, plugin: &Arc<dyn SchedulerPlugin>) -> bool {
        std::ptr::addr_eq(self.plugin.as_ptr(), Arc::as_ptr(plugin))
    }
}

impl Calls {
    /// Where to count a plugin's calls for a service. There are those of two plugins at most: of the one that decides, and
    /// of the one that is tried or was tried last.
    pub(crate) fn of(
        &mut self,
        service: ServiceKey,
        caller: Caller,
        plugin: &Arc<dyn SchedulerPlugin>,
    ) -> Arc<Mutex<CallStats>> {
        let of_service = self.0.entry((service, caller)).or_default();
        let place = of_service.iter().position(|it| it.is_of(plugin));
        let counted = match place.map(|place| of_service.remove(place)) {
            Some(counted) => counted,
            None => Counted {
                plugin: Arc::downgrade(plugin),
                stats: Arc::default(),
            },
        };
        // The one that is called last comes last.
        let others = of_service.len().saturating_sub(1);
        of_service.drain(..others);
        let stats = Arc::clone(&counted.stats);
        of_service.push(counted);
        stats
    }

    /// As they are now.
    pub(crate) fn report(
        &self,
        service: &ServiceKey,
        caller: Caller,
        plugin: &Arc<dyn SchedulerPlugin>,
    ) -> CallStats {
        let mut of_service = self.0.get(&(*service, caller)).into_iter().flatten();
        let counted = of_service.find(|it| it.is_of(plugin));
        counted
            .map(|it| it.stats.lock().clone())
            .unwrap_or_default()
    }

    /// Forgets those of other services.
    pub(crate) fn retain(&mut self, mut stays: impl FnMut(&ServiceKey) -> bool) {
        self.0.retain(|(service, _), _| stays(service));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_calls_and_99_in_100_are_within_twice_of_what_is_true() {
        let mut stats = CallStats::default();
        assert_eq!((stats.within(50), stats.within(99)), (0, 0));
        for n in 1..=1000 {
            stats.add(Duration::from_micros(n), n % 100 == 0);
        }
        assert_eq!((stats.calls(), stats.failures()), (1000, 10));
        assert_eq!((stats.within(50), stats.within(99)), (512, 1024));
        for _ in 0..10_000 {
            stats.add(Duration::from_secs(3600), true);
        }
        assert_eq!(stats.within(99), 1 << (BUCKETS - 1));
    }
}
