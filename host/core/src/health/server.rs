//! All checks of one real server.

use std::time::Instant;

use super::check::CheckMachine;
use super::state::{CheckHealth, InitialHealth, NOT_CHECKED, Outcome, ServerHealth, Transition};
use crate::model::{CheckTiming, ChecksRequired};
use crate::signals::Signals;

/// The checks of one real server, of which all or some must pass. A server without checks is up.
///
/// Driven like [`CheckMachine`], with the check's position in the configuration as a further argument; positions that
/// do not exist change nothing.
#[derive(Debug, Clone)]
pub struct ServerMachine {
    checks: Vec<CheckMachine>,
    required: ChecksRequired,
    /// The reason that `initial` gave, which no check here has found.
    inherited: Option<String>,
    up: bool,
    share: u8,
    since: Instant,
}

impl ServerMachine {
    /// A server with these checks (the plugin's name and the timing of each). `initial` is what was known of it
    /// before: nothing for a server that is new in the configuration. `random` is called for each check.
    #[must_use]
    pub fn new(
        required: ChecksRequired,
        checks: impl IntoIterator<Item = (String, CheckTiming)>,
        initial: Option<&InitialHealth>,
        now: Instant,
        mut random: impl FnMut() -> u64,
    ) -> Self {
        let checks = checks
            .into_iter()
            .map(|(plugin, timing)| CheckMachine::new(plugin, timing, initial, now, random()))
            .collect();
        let since = initial.map_or(now, |initial| initial.since);
        let inherited = initial.and_then(|initial| initial.reason.clone());
        let mut machine = Self {
            checks,
            required,
            inherited,
            up: true,
            share: 100,
            since,
        };
        (machine.up, machine.share) = machine.combined();
        machine
    }

    /// Whether the server is in the pool.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.up
    }

    /// One check, for its [`CheckMachine::poll_at`], timing and details.
    #[must_use]
    pub fn check(&self, index: usize) -> Option<&CheckMachine> {
        self.checks.get(index)
    }

    /// The check begins.
    pub fn start(&mut self, index: usize, now: Instant) {
        if let Some(check) = self.checks.get_mut(index) {
            check.start(now);
        }
    }

    /// What a check that has reached a verdict reported beside it.
    pub fn set_signals(&mut self, index: usize, signals: Signals) {
        if let Some(check) = self.checks.get_mut(index) {
            check.set_signals(signals);
        }
    }

    /// The check has ended. Says whether the server's place in the pool has changed.
    pub fn finish(
        &mut self,
        index: usize,
        now: Instant,
        outcome: Outcome,
        random: u64,
    ) -> Option<Transition> {
        self.checks.get_mut(index)?.finish(now, outcome, random)?;
        let (was_up, old_share) = (self.up, self.share);
        (self.up, self.share) = self.combined();
        if was_up != self.up {
            self.since = now;
        }
        match (was_up, self.up) {
            (false, true) => Some(Transition::Up),
            (true, false) => Some(Transition::Down),
            (true, true) if old_share != self.share => Some(Transition::Share),
            (true, true) | (false, false) => None,
        }
    }

    /// All that is known, for the scheduler and for `status`.
    #[must_use]
    pub fn health(&self) -> ServerHealth {
        ServerHealth {
            up: self.up,
            share: self.share,
            reason: self.reason(),
            since: self.since,
            checks: self
                .checks
                .iter()
                .map(|check| check.health().clone())
                .collect(),
        }
    }

    /// What the machine of the next configuration should start from. `None` while checks are outstanding that have
    /// never come to a verdict and none has failed: such a server is still new.
    #[must_use]
    pub fn handover(&self) -> Option<InitialHealth> {
        let known = self.checks.iter().filter(|check| check.is_known());
        let (mut passed, mut failed) = (0, 0);
        for check in known {
            if check.health().up {
                passed += 1;
            } else {
                failed += 1;
            }
        }
        let (all, least) = (self.checks.len(), self.required.of(self.checks.len()));
        let known = passed + failed == all;
        // Whatever the others say, it is down.
        (known || failed > all - least).then(|| InitialHealth {
            up: self.up,
            share: self.share,
            reason: self.reason(),
            since: self.since,
        })
    }

    fn combined(&self) -> (bool, u8) {
        let checks = || self.checks.iter().map(CheckMachine::health);
        let mut shares: Vec<u8> = checks().filter(|it| it.up).map(|it| it.share).collect();
        let least = self.required.of(self.checks.len());
        // What as many checks as must pass grant it.
        shares.sort_unstable_by(|a, b| b.cmp(a));
        match least.checked_sub(1) {
            None => (true, 100),
            Some(last) => match shares.get(last) {
                Some(share) => (true, *share),
                None => (false, checks().map(|it| it.share).min().unwrap_or(100)),
            },
        }
    }

    /// The word of the first check that failed, else of the first that knows nothing, else of the one that grants the
    /// least.
    fn reason(&self) -> Option<String> {
        let down = || {
            self.checks
                .iter()
                .map(CheckMachine::health)
                .filter(|check| !check.up)
        };
        let spokesman = if self.up {
            self.checks
                .iter()
                .map(CheckMachine::health)
                .filter(|check| check.up && check.share >= self.share)
                .min_by_key(|check| check.share)
        } else {
            down()
                .find(|check| check.reason.as_deref() != Some(NOT_CHECKED))
                .or_else(|| down().next())
        };
        spokesman.and_then(|check| self.attributed(check))
    }

    fn attributed(&self, check: &CheckHealth) -> Option<String> {
        let reason = check.reason.as_ref()?;
        let own = reason != NOT_CHECKED && Some(reason) != self.inherited.as_ref();
        Some(if own && self.checks.len() > 1 {
            format!("{}: {reason}", check.plugin)
        } else {
            reason.clone()
        })
    }
}
