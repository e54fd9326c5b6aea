//! The servers of one address.

use std::time::Duration;

use evenkeel_sdk::locality::overhead;
use evenkeel_sdk::{Backend, BackendId, Backends};

/// The most servers in a set: bounds the memory that all sets take.
const MOST: usize = 64;

/// The servers of one address, the one added last first.
pub(crate) struct Set {
    servers: Vec<BackendId>,
    changed: Duration,
}

impl Set {
    /// Of one server.
    pub(crate) fn new(server: BackendId, now: Duration) -> Self {
        Self {
            servers: vec![server],
            changed: now,
        }
    }

    /// Those that are there.
    pub(crate) fn usable<'a>(&self, backends: &'a Backends) -> impl Iterator<Item = &'a Backend> {
        self.servers.iter().filter_map(|id| backends.get(*id))
    }

    /// Adds a server, unless it is in the set. A full set loses the one that was added first.
    pub(crate) fn add(&mut self, server: BackendId, now: Duration) {
        if self.servers.contains(&server) {
            return;
        }
        self.servers.truncate(MOST - 1);
        self.servers.insert(0, server);
        self.changed = now;
    }

    /// Takes a server out if there are several and none came or went for longer than that: one that is
    /// not there any more, or else the most loaded one for its weight.
    pub(crate) fn shrink(&mut self, backends: &Backends, after: Duration, now: Duration) {
        if self.servers.len() < 2 || now.saturating_sub(self.changed) <= after {
            return;
        }
        let gone = self
            .servers
            .iter()
            .copied()
            .find(|id| backends.get(*id).is_none());
        if let Some(out) = gone.or_else(|| self.most_loaded(backends)) {
            self.servers.retain(|id| *id != out);
            self.changed = now;
        }
    }

    /// The most overhead for its weight, of equals the first. Draining servers are left out.
    fn most_loaded(&self, backends: &Backends) -> Option<BackendId> {
        self.usable(backends)
            .filter(|backend| backend.weight > 0)
            .reduce(|most, other| {
                let more = overhead(other) > overhead(most);
                if more { other } else { most }
            })
            .map(|backend| backend.id)
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_sdk::testing::SchedulerTest;
    use evenkeel_sdk::{Plan, Scheduler};

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    /// Hands the servers of a test over, and shows who is left of a set of all of them a day later.
    struct Shrunk;

    impl Scheduler for Shrunk {
        type Settings = ();

        fn new((): ()) -> Result<Self, String> {
            Ok(Self)
        }

        fn plan(&mut self, backends: &Backends) -> Plan {
            let mut set = Set::new(BackendId::new(99), Duration::ZERO);
            for backend in backends {
                set.add(backend.id, Duration::ZERO);
            }
            let early = set.servers.len();
            set.shrink(backends, DAY, DAY);
            assert_eq!(set.servers.len(), early, "not before its time");
            // The one that is not there goes first, and the next one a day after that.
            set.shrink(backends, DAY, DAY * 2);
            assert!(!set.servers.contains(&BackendId::new(99)));
            set.shrink(backends, DAY, DAY * 2);
            assert_eq!(set.servers.len(), early - 1);
            set.shrink(backends, DAY, DAY * 4);
            Plan::sequence(set.servers)
        }
    }

    #[test]
    fn with_time_the_set_loses_a_server_that_has_gone_and_then_the_most_loaded() {
        let mut test = SchedulerTest::<Shrunk>::new(&[]).unwrap();
        test.backends(&[("a", 1), ("b", 2), ("draining", 0), ("c", 1)]);
        test.loads(&[("a", 5), ("b", 9), ("draining", 90), ("c", 4)]);
        assert_eq!(test.slots(), ["c", "draining", "b"]);
    }

    #[test]
    fn a_set_of_one_does_not_shrink_and_a_full_one_loses_the_oldest() {
        let mut set = Set::new(BackendId::new(1), Duration::ZERO);
        set.shrink(&Backends::default(), DAY, DAY * 9);
        assert_eq!(set.servers, [BackendId::new(1)]);
        for id in 2..=65 {
            set.add(BackendId::new(id), DAY);
            set.add(BackendId::new(id), DAY);
        }
        assert_eq!(set.servers.len(), MOST);
        assert_eq!(set.servers.last(), Some(&BackendId::new(2)));
    }
}
