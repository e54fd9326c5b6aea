//! Counts connections while anybody wants to know. With nftables the kernel's events go to the director, and while
//! nobody listens, `status` has them counted once; IPVS counts by itself, and is read from time to time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use evenkeel_core::connections::Counts;
use evenkeel_core::director::Input;
use evenkeel_core::model::DataPlaneKind;
use evenkeel_core::state::BackendId;
use evenkeel_flows::{Counter, Report};
use tokio::sync::mpsc;
use tracing::warn;

/// How often a data plane that counts by itself is read...
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(50);
/// ...or, with many services, so often that it is busy with that for a tenth of the time at most.
const POLL_INTERVAL_PER_SERVICE: Duration = Duration::from_micros(500);

/// Counts connections, or does not.
pub(crate) struct Counting {
    listening: bool,
    source: CountSource,
}

enum CountSource {
    /// By conntrack's events.
    Events(Option<Counter>),
    /// The data plane counts; it is to be read again at this time.
    DataPlane(Option<Instant>),
}

impl Counting {
    /// Does not listen yet.
    pub(crate) fn start(kind: DataPlaneKind, inputs: mpsc::UnboundedSender<Input>) -> Self {
        let source = match kind {
            DataPlaneKind::Nftables => CountSource::Events(counter(inputs)),
            DataPlaneKind::Ipvs => CountSource::DataPlane(None),
        };
        Self {
            listening: false,
            source,
        }
    }

    /// Listens to the kernel, or does not.
    pub(crate) fn listen(&mut self, wanted: bool, now: Instant) {
        if self.listening == wanted {
            return;
        }
        match &mut self.source {
            CountSource::Events(None) => return,
            CountSource::Events(Some(counter)) => counter.listen(wanted),
            CountSource::DataPlane(at) => *at = wanted.then_some(now),
        }
        self.listening = wanted;
    }

    /// Whether it is wanted how much is sent; a data plane that counts by itself tells it always.
    pub(crate) fn count_traffic(&self, wanted: bool) {
        if let CountSource::Events(Some(counter)) = &self.source {
            counter.count_traffic(wanted);
        }
    }

    /// The servers of services whose address is on another director: their connections do not count. Where the data
    /// plane counts, the director leaves them out.
    pub(crate) fn set_elsewhere(&self, servers: BTreeSet<BackendId>) {
        if let CountSource::Events(Some(counter)) = &self.source {
            counter.set_elsewhere(servers);
        }
    }

    /// Whether the data plane is to be read now, where it counts. `services`: how many there are.
    pub(crate) fn due(&mut self, services: usize, now: Instant) -> bool {
        let CountSource::DataPlane(Some(at)) = &mut self.source else {
            return false;
        };
        if now < *at {
            return false;
        }
        let services = u32::try_from(services).unwrap_or(u32::MAX);
        *at = now + MIN_POLL_INTERVAL.max(POLL_INTERVAL_PER_SERVICE.saturating_mul(services));
        true
    }

    /// When the data plane is to be read again.
    pub(crate) fn poll_at(&self) -> Option<Instant> {
        match self.source {
            CountSource::DataPlane(at) => at,
            CountSource::Events(_) => None,
        }
    }

    /// Whether the data plane counts by itself.
    pub(crate) fn data_plane_counts(&self) -> bool {
        matches!(self.source, CountSource::DataPlane(_))
    }

    /// How listening to events is going; `None` while nobody listens, or there are none.
    pub(crate) fn report(&self) -> Option<Report> {
        match &self.source {
            CountSource::Events(counter) => {
                let counter = counter.as_ref().filter(|_| self.listening)?;
                Some(counter.status())
            }
            CountSource::DataPlane(_) => None,
        }
    }
}

fn counter(inputs: mpsc::UnboundedSender<Input>) -> Option<Counter> {
    let report = move |counts| {
        // Nobody listens any more when the daemon is ending.
        let _ = inputs.send(Input::Counted(counts));
    };
    Counter::start(report)
        .inspect_err(|error| {
            warn!(%error, "connections cannot be counted: schedulers and thresholds that go by them do not work");
        })
        .ok()
}

/// Counts all connections once, by conntrack's entries. Blocks for as long as the kernel takes to list them.
pub(crate) fn once() -> BTreeMap<BackendId, Counts> {
    evenkeel_flows::count_once().unwrap_or_else(|error| {
        warn!(%error, "cannot count the connections");
        BTreeMap::new()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_plane_that_counts_is_read_at_an_interval_that_grows_with_the_services() {
        let (inputs, _kept) = mpsc::unbounded_channel();
        let mut counting = Counting::start(DataPlaneKind::Ipvs, inputs);
        let now = Instant::now();
        assert!(!counting.due(1, now), "nobody listens");
        counting.listen(true, now);
        assert!(counting.due(1, now));
        assert_eq!(counting.poll_at(), Some(now + MIN_POLL_INTERVAL));
        assert!(!counting.due(1, now));
        // However late it is asked, it is to be asked again later than then.
        let mut late = now;
        for seconds in [0, 1, 3600] {
            late += Duration::from_secs(seconds);
            counting.due(1, late);
            assert!(counting.poll_at().is_some_and(|at| at > late));
        }
        let mut counting = Counting::start(DataPlaneKind::Ipvs, mpsc::unbounded_channel().0);
        counting.listen(true, now);
        assert!(counting.due(1, now));
        let later = now + MIN_POLL_INTERVAL;
        assert!(counting.due(1_000, later));
        assert_eq!(counting.poll_at(), Some(later + Duration::from_millis(500)));
        counting.listen(false, later);
        assert_eq!(counting.poll_at(), None);
    }
}
