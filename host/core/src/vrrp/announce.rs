//! When the network is told again where the addresses are: keepalived's schedule, and some rounds more.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::model::Announce;

/// A round each so long after the first ones: a switch's port may not forward yet when they are sent.
const SOON: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_millis(1000),
    Duration::from_millis(2000),
];

/// What is to come after the first rounds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Schedule {
    /// After becoming master, or after a lower advert: when, and how many rounds.
    once: Option<(Instant, u32)>,
    /// From time to time.
    refresh: Option<Instant>,
    /// A round at each of these.
    soon: VecDeque<Instant>,
}

impl Schedule {
    pub(super) fn begin(
        &mut self,
        delay: Duration,
        rounds: u32,
        refresh: Option<Duration>,
        now: Instant,
    ) {
        self.once = (!delay.is_zero()).then_some((now + delay, rounds));
        self.refresh = refresh.map(|every| now + every);
        self.soon = SOON.map(|after| now + after).into();
    }

    /// Another refresh is configured.
    pub(super) fn set_refresh(&mut self, refresh: Option<Duration>, now: Instant) {
        self.refresh = refresh.map(|every| now + every);
    }

    /// After a lower advert was heard. A repetition that is due sooner stays.
    pub(super) fn after_lower(&mut self, delay: Duration, rounds: u32, now: Instant) {
        if self.once.is_none() && !delay.is_zero() && rounds > 0 {
            self.once = Some((now + delay, rounds));
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn poll_at(&self) -> Option<Instant> {
        let once = self.once.map(|(at, _)| at);
        [once, self.refresh, self.soon.front().copied()]
            .into_iter()
            .flatten()
            .min()
    }

    /// The rounds that are due.
    pub(super) fn due(&mut self, now: Instant, config: &Announce) -> Vec<u32> {
        let mut due = Vec::new();
        if let Some((at, rounds)) = self.once
            && at <= now
        {
            self.once = None;
            due.push(rounds);
        }
        if self.soon.front().is_some_and(|at| *at <= now) {
            self.soon.retain(|at| *at > now);
            due.push(1);
        }
        if self.refresh.is_some_and(|at| at <= now) {
            self.refresh = config.refresh.map(|every| now + every);
            due.push(config.refresh_repeat);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "only differences to it matter")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn rounds_come_again_after_the_delay_and_from_time_to_time() {
        let config = Announce {
            refresh: Some(Duration::from_secs(60)),
            refresh_repeat: 2,
            ..Announce::default()
        };
        let start = start();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut schedule = Schedule::default();
        schedule.begin(config.delay, config.repeat, config.refresh, start);
        let due: Vec<_> = [4, 5, 6, 59, 60, 119, 120]
            .map(|seconds| schedule.due(at(seconds), &config))
            .into();
        // Whoever asks late gets what was due soon at once.
        assert_eq!(
            due,
            [vec![1], vec![5], vec![], vec![], vec![2], vec![], vec![2]]
        );
        assert_eq!(schedule.poll_at(), Some(at(180)));
        schedule.clear();
        assert_eq!(schedule.poll_at(), None);
    }

    #[test]
    fn a_switch_that_is_not_ready_yet_is_told_again_soon() {
        let mut schedule = Schedule::default();
        let begin = start();
        schedule.begin(Duration::from_secs(5), 5, None, begin);
        let mut after = Vec::new();
        while let Some(at) = schedule.poll_at() {
            after.push((
                (at - begin).as_millis(),
                schedule.due(at, &Announce::default()),
            ));
        }
        let rounds = [(100, 1), (300, 1), (1000, 1), (2000, 1), (5000, 5)];
        assert_eq!(after, rounds.map(|(at, rounds)| (at, vec![rounds])));
    }

    #[test]
    fn a_delay_of_zero_means_never_again() {
        let mut schedule = Schedule::default();
        schedule.after_lower(Duration::ZERO, 5, start());
        assert_eq!(schedule.poll_at(), None);
        schedule.begin(Duration::ZERO, 5, None, start());
        while let Some(at) = schedule.poll_at() {
            assert_eq!(schedule.due(at, &Announce::default()), [1]);
        }
    }
}
