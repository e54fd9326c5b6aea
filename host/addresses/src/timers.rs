//! When the address manager has to do something by itself.

use std::time::Duration;

use tokio::time::Instant;

/// Wait before another attempt at what could not be done.
pub(crate) const RETRY_DELAY: Duration = Duration::from_secs(3);

/// Between two looks at the machine that nothing asked for.
pub(crate) const RESYNC: Duration = Duration::from_secs(30);

/// Wait before another attempt at handing over reports.
pub(crate) const HANDOVER_DELAY: Duration = Duration::from_millis(1);

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timer {
    /// Hand over reports that nobody could take.
    Handover,
    /// The machine has changed, and no more changes came for a while, or they do not end.
    Settle,
    /// Addresses with a lifetime are to get it anew.
    Refresh,
    /// Services' addresses are to be announced.
    Announce,
    /// Something could not be done.
    Retry,
    /// The machine is to be looked at although nothing is known to have changed.
    Resync,
}

impl Timer {
    const ALL: [Self; 6] = [
        Self::Handover,
        Self::Settle,
        Self::Refresh,
        Self::Announce,
        Self::Retry,
        Self::Resync,
    ];
}

/// The table of all timers.
#[derive(Debug, Default)]
pub(crate) struct Timers([Option<Instant>; Timer::ALL.len()]);

impl Timers {
    /// When a timer goes off.
    pub(crate) fn get(&self, timer: Timer) -> Option<Instant> {
        self.0[timer as usize]
    }

    /// Sets a timer, or stops it.
    pub(crate) fn set(&mut self, timer: Timer, at: Option<Instant>) {
        self.0[timer as usize] = at;
    }

    /// The timer that goes off next.
    pub(crate) fn next(&self) -> Option<(Instant, Timer)> {
        Timer::ALL
            .into_iter()
            .filter_map(|timer| Some((self.get(timer)?, timer)))
            .min_by_key(|(at, _)| *at)
    }
}

/// Changes come in swarms (an interface with all its addresses); one look after them is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SettleTime {
    /// After the last change.
    pub(crate) quiet: Duration,
    /// After the first change: a swarm without end is not waited out.
    pub(crate) at_most: Duration,
}

impl SettleTime {
    /// As long as there are services' addresses only.
    pub(crate) const SERVICES: Self = Self {
        quiet: Duration::from_millis(50),
        at_most: Duration::from_millis(500),
    };

    /// A virtual address that someone took away is to be back soon.
    pub(crate) const VRRP: Self = Self {
        quiet: Duration::from_millis(10),
        at_most: Duration::from_millis(100),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_timer_is_the_earliest_that_is_set() {
        let mut timers = Timers::default();
        assert_eq!(timers.next(), None);
        let now = Instant::now();
        timers.set(Timer::Resync, Some(now + RESYNC));
        timers.set(Timer::Retry, Some(now + RETRY_DELAY));
        assert_eq!(timers.next(), Some((now + RETRY_DELAY, Timer::Retry)));
        timers.set(Timer::Retry, None);
        assert_eq!(timers.next(), Some((now + RESYNC, Timer::Resync)));
    }
}
