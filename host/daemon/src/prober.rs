//! Drives the health machines: one task per check, which sleeps, asks the checker plugin and records its verdict.
//!
//! ```text
//!  Prober (one per server; dropping it ends its tasks)
//!    |- task: check 0 --\
//!    |- task: check 1 ---+--> ServerMachine (behind a lock held for an instant) --transition--> mpsc --> daemon
//!    '- ...            --/            '--> snapshot() --> status
//! ```
//!
//! A task awaits its own checker only, so a check that hangs or traps delays no other one. Cancel safety: a task may
//! be dropped at any await; an unfinished check then leaves no trace but its start.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use evenkeel_core::health::{InitialHealth, Outcome, ServerHealth, ServerMachine, Transition};
use evenkeel_core::model::{CheckTiming, ServiceKey};
use evenkeel_core::signals::Signals;
use evenkeel_runtime::{CheckReport, Checker, Target, Verdict};
use futures::FutureExt;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::check_budget::CheckBudget;
use crate::own_limits::OwnLimits;

/// What a checker may take beyond its timeout before it counts as stuck. Runtimes end checks at the timeout
/// themselves; this is for the one that does not.
const GRACE: Duration = Duration::from_secs(1);

/// What is to be checked, and how.
pub(crate) struct ProbeSpec {
    /// The service's name, for the log.
    pub(crate) service_name: String,
    /// The service, for events.
    pub(crate) service: ServiceKey,
    /// The server's name, for the log and for plugins.
    pub(crate) server_name: String,
    /// The server, for events.
    pub(crate) server: SocketAddr,
    /// The checks, which must all pass. A server without any needs no prober.
    pub(crate) checks: Vec<ProbeCheck>,
    /// What was known of the server before: see [`Prober::handover`].
    pub(crate) initial: Option<InitialHealth>,
    /// What may keep a check from saying anything about the server.
    pub(crate) limits: Arc<OwnLimits>,
}

/// One check of a [`ProbeSpec`].
pub(crate) struct ProbeCheck {
    /// Who judges.
    pub(crate) checker: Arc<dyn Checker>,
    /// The checker plugin's name, for reasons and `status`.
    pub(crate) plugin: String,
    /// What is checked.
    pub(crate) target: SocketAddr,
    /// When and how often.
    pub(crate) timing: CheckTiming,
}

/// A server went into the pool, out of it, or is to get another share of its weight.
#[derive(Debug, Clone)]
pub(crate) struct HealthEvent {
    /// The service.
    pub(crate) service: ServiceKey,
    /// The real server.
    pub(crate) server: SocketAddr,
    /// How it is now, not how it was when the change was noticed: the last event of a server is always the truth.
    pub(crate) health: ServerHealth,
}

/// The checks of one real server, under way until this is dropped.
pub(crate) struct Prober {
    shared: Arc<Shared>,
    /// Aborts its tasks when dropped.
    _tasks: JoinSet<()>,
}

impl Prober {
    /// Starts the checks; call it inside a tokio runtime. The first ones come at random within two seconds. Events
    /// wait for room in the channel; while they do, this server is not checked, and others are.
    #[must_use]
    pub(crate) fn start(spec: ProbeSpec, events: mpsc::Sender<HealthEvent>) -> Self {
        let machine = ServerMachine::new(
            spec.checks
                .iter()
                .map(|check| (check.plugin.clone(), check.timing)),
            spec.initial.as_ref(),
            Instant::now().into_std(),
            || fastrand::u64(..),
        );
        let shared = Arc::new(Shared {
            service_name: spec.service_name,
            service: spec.service,
            server_name: spec.server_name,
            server: spec.server,
            limits: spec.limits,
            machine: Mutex::new(machine),
        });
        let mut tasks = JoinSet::new();
        for (index, check) in spec.checks.into_iter().enumerate() {
            let run = CheckTask {
                budget: shared.limits.budget(&check.plugin),
                shared: Arc::clone(&shared),
                index,
                check,
                events: events.clone(),
                lacked: AtomicBool::new(false),
                session: Mutex::new(None),
            };
            tasks.spawn(run.run());
        }
        Self {
            shared,
            _tasks: tasks,
        }
    }

    /// How the server is now.
    #[must_use]
    pub(crate) fn snapshot(&self) -> ServerHealth {
        self.shared.machine().health()
    }

    /// What a prober that replaces this one should start from. `None` while the server is still new.
    #[must_use]
    pub(crate) fn handover(&self) -> Option<InitialHealth> {
        self.shared.machine().handover()
    }
}

struct Shared {
    service_name: String,
    service: ServiceKey,
    server_name: String,
    server: SocketAddr,
    limits: Arc<OwnLimits>,
    machine: Mutex<ServerMachine>,
}

impl Shared {
    /// Never held across an await.
    fn machine(&self) -> MutexGuard<'_, ServerMachine> {
        self.machine.lock()
    }
}

struct CheckTask {
    shared: Arc<Shared>,
    /// Of all checks by this plugin.
    budget: Arc<CheckBudget>,
    index: usize,
    check: ProbeCheck,
    events: mpsc::Sender<HealthEvent>,
    /// Whether this machine lacked something for the last check.
    lacked: AtomicBool,
    /// What the checker keeps from one check to the next.
    session: Mutex<Option<Vec<u8>>>,
}

impl CheckTask {
    async fn run(self) {
        loop {
            let next = self
                .shared
                .machine()
                .check(self.index)
                .map(|check| check.poll_at());
            let Some(next) = next else { return };
            tokio::time::sleep_until(next.into()).await;

            let turn = self.budget.turn().await;
            self.log_wait(turn.waited);
            let began = Instant::now().into_std();
            self.shared.machine().start(self.index, began);
            let failed = |(outcome, _): &(Outcome, _)| matches!(outcome, Outcome::Unknown(_));
            let (outcome, signals) = turn.run(self.check_once(began), failed).await;
            if self.record(outcome, signals) && self.report().await.is_err() {
                return; // The daemon is ending.
            }
        }
    }

    async fn check_once(&self, began: std::time::Instant) -> (Outcome, Signals) {
        let target = Target {
            name: self.shared.server_name.clone(),
            address: self.check.target,
            session: self.session.lock().clone(),
        };
        let timeout = self.check.timing.timeout;
        let report = AssertUnwindSafe(self.check.checker.check(target, timeout)).catch_unwind();
        let unknown = match tokio::time::timeout(timeout.saturating_add(GRACE), report).await {
            Ok(Ok(Ok(CheckReport {
                verdict,
                signals,
                session,
            }))) => {
                if let Some(session) = session {
                    *self.session.lock() = Some(session).filter(|it| !it.is_empty());
                }
                return (self.outcome(verdict, began), signals);
            }
            Ok(Ok(Err(error))) => error.to_string(),
            Ok(Err(_panic)) => format!("plugin {}: its runtime panicked", self.check.plugin),
            Err(_elapsed) => format!(
                "plugin {}: its runtime did not end the check at its timeout of {timeout:?}",
                self.check.plugin
            ),
        };
        (Outcome::Unknown(unknown), Signals::NONE)
    }

    fn outcome(&self, verdict: Verdict, began: std::time::Instant) -> Outcome {
        match verdict {
            Verdict::Healthy => Outcome::Healthy,
            Verdict::Degraded(share, why) => Outcome::Degraded(share, why),
            Verdict::Unhealthy(reason) => Outcome::Unhealthy(reason),
            Verdict::Unanswered(reason) => {
                let (now, timeout) = (Instant::now().into_std(), self.check.timing.timeout);
                match self.shared.limits.lacked_since(began, timeout, now) {
                    Some(shortage) => Outcome::Shortage(shortage),
                    None => Outcome::Unhealthy(reason),
                }
            }
            Verdict::Unknown(shortage) => Outcome::Shortage(shortage),
        }
    }

    /// Tells the machine and the log. Whether the daemon is to be told too.
    fn record(&self, outcome: Outcome, signals: Signals) -> bool {
        let failure = match &outcome {
            Outcome::Unhealthy(reason) => Some(reason.clone()),
            Outcome::Healthy
            | Outcome::Degraded(..)
            | Outcome::Unknown(_)
            | Outcome::Shortage(_) => None,
        };
        let shortage = match &outcome {
            Outcome::Shortage(what) => Some(what.clone()),
            _ => None,
        };
        let reached = !matches!(outcome, Outcome::Unknown(_) | Outcome::Shortage(_));
        let now = Instant::now().into_std();
        let mut machine = self.shared.machine();
        if reached {
            machine.set_signals(self.index, signals);
        }
        let error_before = self.plugin_error(&machine);
        let transition = machine.finish(self.index, now, outcome, fastrand::u64(..));
        let error_after = self.plugin_error(&machine);
        let health = transition.map(|_| machine.health());
        drop(machine);

        let lacked = self.lacked.swap(shortage.is_some(), Ordering::Relaxed);
        let error_before = error_before.filter(|_| !lacked);
        match shortage {
            Some(what) => self.log_shortage(&what, now),
            None => self.log_plugin(error_before.as_deref(), error_after.as_deref()),
        }
        match (transition, health) {
            (Some(transition), Some(health)) => {
                self.log_transition(transition, &health);
                true
            }
            _ => {
                if let Some(reason) = failure {
                    self.log_failure(&reason);
                }
                false
            }
        }
    }

    /// Sends how the server is once there is room. Another check of it may have changed that meanwhile, so look only
    /// then, and let no other event overtake this one.
    async fn report(&self) -> Result<(), mpsc::error::SendError<()>> {
        let permit = self.events.reserve().await?;
        let machine = self.shared.machine();
        permit.send(HealthEvent {
            service: self.shared.service,
            server: self.shared.server,
            health: machine.health(),
        });
        Ok(())
    }

    fn plugin_error(&self, machine: &ServerMachine) -> Option<String> {
        machine.check(self.index)?.health().plugin_error.clone()
    }

    fn log_transition(&self, transition: Transition, health: &ServerHealth) {
        let Shared {
            service_name: service,
            server_name: server,
            server: address,
            ..
        } = &*self.shared;
        let reason = health.reason.as_deref().unwrap_or_default();
        match transition {
            Transition::Up => {
                tracing::info!(service, server, %address, share = health.share, "server is up");
            }
            Transition::Down => {
                tracing::warn!(service, server, %address, reason, "server is down");
            }
            Transition::Share => {
                tracing::info!(service, server, %address, share = health.share, reason, "server gets another share of its weight");
            }
        }
    }

    fn log_failure(&self, reason: &str) {
        let Shared {
            service_name: service,
            server_name: server,
            server: address,
            ..
        } = &*self.shared;
        let plugin = &self.check.plugin;
        tracing::debug!(service, server, %address, plugin, reason, "check failed");
    }

    /// A check had to wait for longer than it usually takes from one to the next.
    fn log_wait(&self, waited: Duration) {
        if waited <= self.check.timing.interval {
            return;
        }
        let plugin = &self.check.plugin;
        let what = format!(
            "checker plugin {plugin} takes more processor time than half of this machine's, or fails after much of it"
        );
        if self.shared.limits.is_news(&what, Instant::now().into_std()) {
            let (service, server) = (&self.shared.service_name, &self.shared.server_name);
            tracing::warn!(service, server, ?waited, "checks come late: {what}");
        }
    }

    /// What this machine lacks concerns every server, so that it is told for one of them.
    fn log_shortage(&self, what: &str, now: std::time::Instant) {
        let Shared {
            service_name: service,
            server_name: server,
            server: address,
            ..
        } = &*self.shared;
        if self.shared.limits.is_news(what, now) {
            tracing::warn!(service, server, %address, "cannot check servers, and they stay as they are: {what}");
        } else {
            tracing::debug!(service, server, %address, "cannot be checked: {what}");
        }
    }

    /// A plugin that goes on failing is named once.
    fn log_plugin(&self, before: Option<&str>, after: Option<&str>) {
        let Shared {
            service_name: service,
            server_name: server,
            server: address,
            ..
        } = &*self.shared;
        let plugin = &self.check.plugin;
        match (before, after) {
            (None, Some(error)) => {
                tracing::warn!(service, server, %address, plugin, error, "checker plugin failed: the server stays as it is");
            }
            (Some(_), None) => {
                tracing::info!(service, server, %address, plugin, "checker plugin works again");
            }
            (None, None) | (Some(_), Some(_)) => {}
        }
    }
}

#[cfg(test)]
mod tests;
