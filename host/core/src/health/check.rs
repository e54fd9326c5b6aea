//! One check of one real server.

use std::time::{Duration, Instant};

use super::state::{CheckHealth, InitialHealth, LastCheck, NOT_CHECKED, Outcome, Transition};
use super::timing;
use crate::model::CheckTiming;
use crate::signals::Signals;

/// When a check runs, and what its verdicts amount to.
///
/// How to drive it:
///
/// 1. Wait until [`poll_at`](Self::poll_at).
/// 2. [`start`](Self::start), and run the check.
/// 3. [`finish`](Self::finish) with its outcome; it says whether the check's word has changed. Back to 1.
///
/// `start` while a check is under way and `finish` without one change nothing. Between the two `poll_at` has no
/// meaning. Instants must not go back. `random` is any number, evenly distributed; each call needs a fresh one.
#[derive(Debug, Clone)]
pub struct CheckMachine {
    timing: CheckTiming,
    phase: Phase,
    /// The start of the check under way.
    running: Option<Instant>,
    next: Instant,
    /// Plugin failures in a row.
    plugin_failures: u32,
    health: CheckHealth,
}

/// What the verdicts so far amount to.
///
/// ```text
///  new, alpha:   Unchecked --pass--> Up      Unchecked --fail--> Down
///  new:          Trusted   --pass--> Up      Trusted   --fail--> Down
///                Up --fail, retries used up--> Down --pass, rise reached--> Up
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// In the pool although never checked.
    Trusted,
    /// Out of the pool until a check passes, since none ever did.
    Unchecked,
    /// In the pool; this many checks in a row have failed. At most `retries`.
    Up { failures: u32 },
    /// Out of the pool; this many checks in a row have passed. Less than `rise`.
    Down { passes: u32 },
}

impl Phase {
    fn is_up(self) -> bool {
        matches!(self, Self::Trusted | Self::Up { .. })
    }

    fn after_pass(self, timing: &CheckTiming) -> Self {
        match self {
            Self::Trusted | Self::Unchecked | Self::Up { .. } => Self::Up { failures: 0 },
            Self::Down { passes } if passes + 1 >= timing.rise => Self::Up { failures: 0 },
            Self::Down { passes } => Self::Down { passes: passes + 1 },
        }
    }

    fn after_failure(self, timing: &CheckTiming) -> Self {
        match self {
            Self::Up { failures } if failures < timing.retries => Self::Up {
                failures: failures + 1,
            },
            Self::Trusted | Self::Unchecked | Self::Up { .. } | Self::Down { .. } => {
                Self::Down { passes: 0 }
            }
        }
    }
}

impl CheckMachine {
    /// A check by the plugin of that name, whose first run comes soon: at random within the interval or 2 s,
    /// whichever is less.
    #[must_use]
    pub fn new(
        plugin: impl Into<String>,
        timing: CheckTiming,
        initial: Option<&InitialHealth>,
        now: Instant,
        random: u64,
    ) -> Self {
        let phase = match initial {
            Some(initial) if initial.up => Phase::Up { failures: 0 },
            Some(_) => Phase::Down { passes: 0 },
            None if timing.alpha => Phase::Unchecked,
            None => Phase::Trusted,
        };
        let reason = match initial {
            Some(initial) => initial.reason.clone(),
            None if timing.alpha => Some(NOT_CHECKED.to_owned()),
            None => None,
        };
        Self {
            phase,
            running: None,
            next: now + timing::first(&timing, random),
            plugin_failures: 0,
            health: CheckHealth {
                plugin: plugin.into(),
                up: phase.is_up(),
                share: initial.map_or(100, |initial| initial.share.min(100)),
                reason,
                since: initial.map_or(now, |initial| initial.since),
                last: None,
                signals: Signals::NONE,
                failing: 0,
                plugin_error: None,
                checks: 0,
                failures: 0,
                unknown: 0,
            },
            timing,
        }
    }

    /// Whether this check holds the server fit, and all else that is known.
    #[must_use]
    pub fn health(&self) -> &CheckHealth {
        &self.health
    }

    /// When and how often.
    #[must_use]
    pub fn timing(&self) -> &CheckTiming {
        &self.timing
    }

    /// Whether any verdict, of this machine or of the one before it, has been taken into account.
    #[must_use]
    pub fn is_known(&self) -> bool {
        matches!(self.phase, Phase::Up { .. } | Phase::Down { .. })
    }

    /// When the next check is to start.
    #[must_use]
    pub fn poll_at(&self) -> Instant {
        self.next
    }

    /// The check begins.
    pub fn start(&mut self, now: Instant) {
        self.running.get_or_insert(now);
    }

    /// What a check that has reached a verdict reported beside it.
    pub fn set_signals(&mut self, signals: Signals) {
        self.health.signals = signals;
    }

    /// The check has ended.
    pub fn finish(&mut self, now: Instant, outcome: Outcome, random: u64) -> Option<Transition> {
        let started = self.running.take()?;
        self.health.checks += 1;
        let (was_up, old_share) = (self.health.up, self.health.share);

        let delay = match outcome {
            Outcome::Healthy | Outcome::Degraded(100.., _) => {
                self.reached(started, now, "healthy".to_owned());
                self.pass(now, 100, None, random)
            }
            Outcome::Degraded(share, why) => {
                let why = why.map(|why| format!(": {why}")).unwrap_or_default();
                let words = format!("degraded to {share} %{why}");
                self.reached(started, now, words.clone());
                self.pass(now, share, Some(words), random)
            }
            Outcome::Unhealthy(reason) => {
                self.reached(started, now, reason.clone());
                self.fail(now, reason, random)
            }
            Outcome::Unknown(error) => {
                self.plugin_failures = self.plugin_failures.saturating_add(1);
                self.learn_nothing(error);
                timing::backoff(&self.timing, self.plugin_failures, random)
            }
            Outcome::Shortage(what) => {
                self.learn_nothing(what);
                if self.health.up {
                    timing::regular(&self.timing, random)
                } else {
                    timing::down(&self.timing, random)
                }
            }
        };
        self.next = now.max(started + delay);

        match (was_up, self.health.up) {
            (false, true) => Some(Transition::Up),
            (true, false) => Some(Transition::Down),
            (true, true) if old_share != self.health.share => Some(Transition::Share),
            (true, true) | (false, false) => None,
        }
    }

    fn pass(&mut self, now: Instant, share: u8, reason: Option<String>, random: u64) -> Duration {
        self.enter(self.phase.after_pass(&self.timing), now);
        if self.health.up {
            self.health.share = share;
            self.health.reason = reason;
            timing::regular(&self.timing, random)
        } else {
            timing::rising(&self.timing, random)
        }
    }

    fn fail(&mut self, now: Instant, reason: String, random: u64) -> Duration {
        self.health.failures += 1;
        self.enter(self.phase.after_failure(&self.timing), now);
        if self.health.up {
            timing::repetition(&self.timing)
        } else {
            self.health.reason = Some(reason);
            timing::down(&self.timing, random)
        }
    }

    fn learn_nothing(&mut self, why: String) {
        self.health.unknown += 1;
        self.health.plugin_error = Some(why);
    }

    /// The plugin worked.
    fn reached(&mut self, started: Instant, now: Instant, verdict: String) {
        self.plugin_failures = 0;
        self.health.plugin_error = None;
        let latency = now.saturating_duration_since(started);
        self.health.last = Some(LastCheck {
            at: now,
            latency,
            verdict,
        });
    }

    fn enter(&mut self, phase: Phase, now: Instant) {
        if phase.is_up() != self.health.up {
            self.health.since = now;
        }
        self.phase = phase;
        self.health.up = phase.is_up();
        self.health.failing = match phase {
            Phase::Up { failures } => failures,
            Phase::Trusted | Phase::Unchecked | Phase::Down { .. } => 0,
        };
    }
}
