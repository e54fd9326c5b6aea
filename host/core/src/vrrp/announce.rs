//! When the network is told again where the addresses are: keepalived's schedule, and some rounds more.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::timer::{InstanceTimer, InstanceTimers};
use crate::model::Announce;

/// A round each so long after the first ones: a switch's port may not forward yet when they are sent.
const EARLY_ROUNDS: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_millis(1000),
    Duration::from_millis(2000),
];

/// What is to come after the first rounds. When it is due is in the instance's timers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct AnnounceSchedule {
    /// How many rounds [`InstanceTimer::AnnounceRepeat`] means.
    repeat: u32,
    /// When the early rounds are due.
    early: VecDeque<Instant>,
}

impl AnnounceSchedule {
    /// After becoming master: `rounds` after `delay`, unless that is zero; the early rounds; and each `refresh`.
    pub(super) fn begin(
        &mut self,
        delay: Duration,
        rounds: u32,
        refresh: Option<Duration>,
        now: Instant,
        timers: &mut InstanceTimers,
    ) {
        self.clear(timers);
        if !delay.is_zero() {
            self.repeat = rounds;
            timers.set(InstanceTimer::AnnounceRepeat, now + delay);
        }
        self.early = EARLY_ROUNDS.map(|after| now + after).into();
        self.next_early(timers);
        Self::set_refresh(refresh, now, timers);
    }

    /// The refresh that is configured.
    pub(super) fn set_refresh(
        refresh: Option<Duration>,
        now: Instant,
        timers: &mut InstanceTimers,
    ) {
        match refresh {
            Some(every) => timers.set(InstanceTimer::AnnounceRefresh, now + every),
            None => timers.clear(InstanceTimer::AnnounceRefresh),
        }
    }

    /// After a lower advert was heard. A repetition that is due already stays.
    pub(super) fn after_lower(
        &mut self,
        delay: Duration,
        rounds: u32,
        now: Instant,
        timers: &mut InstanceTimers,
    ) {
        let runs = timers.get(InstanceTimer::AnnounceRepeat).is_some();
        if !runs && !delay.is_zero() && rounds > 0 {
            self.repeat = rounds;
            timers.set(InstanceTimer::AnnounceRepeat, now + delay);
        }
    }

    /// Nothing more is to come.
    pub(super) fn clear(&mut self, timers: &mut InstanceTimers) {
        *self = Self::default();
        timers.clear(InstanceTimer::AnnounceRepeat);
        timers.clear(InstanceTimer::AnnounceEarly);
        timers.clear(InstanceTimer::AnnounceRefresh);
    }

    fn next_early(&self, timers: &mut InstanceTimers) {
        if let Some(at) = self.early.front() {
            timers.set(InstanceTimer::AnnounceEarly, *at);
        }
    }

    /// One of the timers has expired: how many rounds are due. Starts it again where more is to come.
    pub(super) fn expired(
        &mut self,
        timer: InstanceTimer,
        now: Instant,
        config: &Announce,
        timers: &mut InstanceTimers,
    ) -> u32 {
        match timer {
            InstanceTimer::AnnounceRepeat => self.repeat,
            InstanceTimer::AnnounceEarly => {
                // Those that a late call has missed are one.
                self.early.retain(|at| *at > now);
                self.next_early(timers);
                1
            }
            InstanceTimer::AnnounceRefresh => {
                Self::set_refresh(config.refresh, now, timers);
                config.refresh_repeat
            }
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "only differences to it matter")]
    fn start() -> Instant {
        Instant::now()
    }

    /// A schedule with timers of its own.
    #[derive(Default)]
    struct Bench {
        schedule: AnnounceSchedule,
        timers: InstanceTimers,
    }

    impl Bench {
        fn begin(&mut self, delay: Duration, rounds: u32, refresh: Option<Duration>, now: Instant) {
            self.schedule
                .begin(delay, rounds, refresh, now, &mut self.timers);
        }

        fn poll_at(&self) -> Option<Instant> {
            self.timers.next()
        }

        fn due(&mut self, now: Instant, config: &Announce) -> Vec<u32> {
            let mut due = Vec::new();
            while let Some(timer) = self.timers.pop(now) {
                let Self { schedule, timers } = self;
                due.push(schedule.expired(timer, now, config, timers));
            }
            due
        }
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
        let mut schedule = Bench::default();
        schedule.begin(config.delay, config.repeat, config.refresh, start);
        let due: Vec<_> = [4, 5, 6, 59, 60, 119, 120]
            .map(|seconds| schedule.due(at(seconds), &config))
            .into();
        // A late call gets the early rounds that it has missed as one.
        assert_eq!(
            due,
            [vec![1], vec![5], vec![], vec![], vec![2], vec![], vec![2]]
        );
        assert_eq!(schedule.poll_at(), Some(at(180)));
        schedule.schedule.clear(&mut schedule.timers);
        assert_eq!(schedule.poll_at(), None);
    }

    #[test]
    fn a_switch_that_is_not_ready_yet_is_told_again_soon() {
        let mut schedule = Bench::default();
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
        let mut schedule = Bench::default();
        let Bench {
            schedule: inner,
            timers,
        } = &mut schedule;
        inner.after_lower(Duration::ZERO, 5, start(), timers);
        assert_eq!(schedule.poll_at(), None);
        schedule.begin(Duration::ZERO, 5, None, start());
        while let Some(at) = schedule.poll_at() {
            assert_eq!(schedule.due(at, &Announce::default()), [1]);
        }
    }
}
