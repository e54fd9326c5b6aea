//! How late checks begin, over the last minute: what `status` shows, and when there is something to say about it.
//!
//! A check is late by the time from when it was due to when it began. No server goes down by it, but a server that dies is
//! noticed later. Takes as much memory for ten thousand checks a second as for one.

mod histogram;

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use histogram::Histogram;

/// What is forgotten at once.
const SLICE: Duration = Duration::from_secs(5);
/// What is looked back on: a minute, and the slice that is being filled.
const SLICES: usize = 13;

/// How punctual checks were in the last minute, as `status` shows it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChecksReport {
    /// How late they began.
    pub late_ms: LateReport,
    /// How many began in a second.
    pub per_second: f64,
    /// How many turns were missed: a check that begins two intervals late has missed two.
    pub missed: u64,
    /// What is looked back on, in seconds: less than 60 after the start.
    pub window_seconds: f64,
    /// The shortest interval of these checks, in milliseconds; `None`: there were none.
    pub shortest_interval_ms: Option<f64>,
    /// That they cannot keep their intervals, and what to do about it.
    pub problem: Option<String>,
}

/// So late, in milliseconds, at most an eighth more than what is true.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LateReport {
    /// Half of the checks were no later.
    pub p50: f64,
    /// 99 in 100 were no later.
    pub p99: f64,
}

/// A check that has begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun {
    /// When it was to begin.
    pub(crate) due: Instant,
    /// For how long it has waited since for others by its plugin, which takes too much processor time.
    pub(crate) waited: Duration,
    /// From one check to the next, as configured.
    pub(crate) interval: Duration,
}

/// What there is to say when it begins or ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Checks cannot keep their intervals: why, and what to do.
    Late(String),
    /// They can again: how they are now.
    Punctual(String),
}

/// How late checks began.
#[derive(Debug)]
pub(crate) struct Punctuality {
    start: Instant,
    slices: [Slice; SLICES],
    /// Whether it has been told that they are late.
    told: bool,
}

/// Those of a few seconds.
#[derive(Debug, Default)]
struct Slice {
    /// Which ones: slices are numbered from the start.
    number: u64,
    late: Histogram,
    missed: u64,
    /// Of those, what they have missed by waiting for others by their plugin.
    waited: u64,
    shortest: Option<Duration>,
}

impl Slice {
    fn add(&mut self, begun: Begun, late: Duration) {
        self.late.add(late);
        let missed = turns(late, begun.interval);
        self.missed += missed;
        if begun.waited > late / 2 {
            self.waited += missed;
        }
        let shortest = self.shortest.unwrap_or(begun.interval);
        self.shortest = Some(shortest.min(begun.interval));
    }

    fn merge(&mut self, other: &Self) {
        self.late.merge(&other.late);
        self.missed += other.missed;
        self.waited += other.waited;
        self.shortest = self.shortest.into_iter().chain(other.shortest).min();
    }
}

/// How often an interval has passed in so long a time.
fn turns(late: Duration, interval: Duration) -> u64 {
    let turns = late.as_nanos().checked_div(interval.as_nanos());
    turns.map_or(0, |turns| u64::try_from(turns).unwrap_or(u64::MAX))
}

impl Punctuality {
    /// There were none yet.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            start: now,
            slices: Default::default(),
            told: false,
        }
    }

    /// A check begins now.
    pub(crate) fn add(&mut self, begun: Begun, now: Instant) {
        let number = self.number(now);
        let place = usize::try_from(number % SLICES as u64).unwrap_or_default();
        if let Some(slice) = self.slices.get_mut(place) {
            if slice.number != number {
                *slice = Slice {
                    number,
                    ..Slice::default()
                };
            }
            slice.add(begun, now.saturating_duration_since(begun.due));
        }
    }

    fn number(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_secs() / SLICE.as_secs()
    }

    /// All slices of the last minute, and how long that is.
    fn last(&self, now: Instant) -> (Slice, Duration) {
        let number = self.number(now);
        let first = (number + 1).saturating_sub(SLICES as u64);
        let mut all = Slice::default();
        for slice in &self.slices {
            if (first..=number).contains(&slice.number) {
                all.merge(slice);
            }
        }
        let begin = Duration::from_secs(first * SLICE.as_secs());
        let window = now.saturating_duration_since(self.start + begin);
        (all, window)
    }

    /// As they were in the last minute.
    pub(crate) fn report(&self, now: Instant) -> ChecksReport {
        let (all, window) = self.last(now);
        // Just after the start a few checks are not many in a second.
        let seconds = window.as_secs_f64().max(1.0);
        ChecksReport {
            late_ms: LateReport {
                p50: millis(all.late.within(50)),
                p99: millis(all.late.within(99)),
            },
            per_second: (all.late.count() as f64 / seconds * 10.0).round() / 10.0,
            missed: all.missed,
            window_seconds: (seconds * 10.0).round() / 10.0,
            shortest_interval_ms: all.shortest.map(millis),
            problem: problem(&all),
        }
    }

    /// What there is to tell: that they cannot keep their intervals, once, and that they can again, once a minute has
    /// passed without a missed turn.
    pub(crate) fn news(&mut self, now: Instant) -> Option<News> {
        let (all, _) = self.last(now);
        let problem = problem(&all);
        if problem.is_some() == self.told {
            return None;
        }
        self.told = problem.is_some();
        Some(match problem {
            Some(problem) => News::Late(problem),
            None => News::Punctual(format!(
                "checks keep their intervals again: in the last minute 99 in 100 of {} began within {:?} of their time",
                all.late.count(),
                rounded(all.late.within(99)),
            )),
        })
    }
}

/// Whether they cannot keep their intervals: some have missed their turns, or almost all are late by the shortest one.
fn problem(all: &Slice) -> Option<String> {
    let shortest = all.shortest?;
    let late = all.late.within(99);
    if all.missed == 0 && late <= shortest {
        return None;
    }
    let cause = if all.waited * 2 > all.missed {
        "they wait for a checker plugin that takes more processor time than half of this machine's: check less often \
         with it (interval), or use another one"
    } else {
        "this machine does not get to them in time: give it more processor time, or check less often (interval)"
    };
    Some(format!(
        "checks come late, and a server that dies is noticed as much later: in the last minute, {} checks with {} turns \
         missed, half of them late by {:?} and one in 100 by {:?} or more, the shortest interval is {shortest:?}; {cause}",
        all.late.count(),
        all.missed,
        rounded(all.late.within(50)),
        rounded(late),
    ))
}

/// In milliseconds, to a hundredth.
fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 100_000.0).round() / 100.0
}

/// To the millisecond, for a person.
fn rounded(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
