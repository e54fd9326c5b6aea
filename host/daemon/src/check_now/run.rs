//! Runs the checks, all at the same time.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::health::Outcome;
use evenkeel_core::model::ChecksRequired;
use evenkeel_core::signals::Signals;
use evenkeel_runtime::{Step, Target};
use futures::future::join_all;
use tokio::time::Instant;

use super::report::{CheckedNow, CheckedOnce, StepReport};
use crate::own_limits::OwnLimits;
use crate::prober::{ProbeCheck, once};

/// A check takes no longer: there must be an answer before whoever asks has gone.
const LONGEST: Duration = Duration::from_secs(6);
/// So long a check waits for processor time, where others by its plugin have taken too much.
const TURN: Duration = Duration::from_millis(800);

/// A server whose checks are to be run.
#[derive(Clone)]
pub(crate) struct Job {
    /// The service's name.
    pub(crate) service: String,
    /// The server's name.
    pub(crate) server: String,
    /// Its address.
    pub(crate) address: String,
    /// How many must pass.
    pub(crate) required: ChecksRequired,
    /// The checks.
    pub(crate) checks: Vec<ProbeCheck>,
}

/// Runs them. Checkers begin without what they have kept about the server, and keep nothing.
pub(crate) async fn run(job: Job, limits: Arc<OwnLimits>) -> CheckedNow {
    let required = job.required.of(job.checks.len());
    let checks = job
        .checks
        .iter()
        .map(|check| check_once(check, &job.server, &limits));
    let checks = join_all(checks).await;
    let passed = checks.iter().filter(|it| passes(&it.verdict)).count();
    CheckedNow {
        service: job.service,
        server: job.server,
        address: job.address,
        healthy: passed >= required,
        required,
        checks,
    }
}

fn passes(verdict: &str) -> bool {
    matches!(verdict, "healthy" | "degraded")
}

async fn check_once(check: &ProbeCheck, server: &str, limits: &OwnLimits) -> CheckedOnce {
    let timeout = check.timing.timeout.min(LONGEST);
    let target = Target {
        name: server.to_owned(),
        address: check.target,
        session: None,
    };
    // What it takes of the processors is counted with the regular checks.
    let budget = limits.budget(&check.plugin);
    let asked = Instant::now();
    let Ok(turn) = tokio::time::timeout(TURN, budget.turn()).await else {
        let why = "this machine is too busy: the checks of this plugin wait for processor time";
        let outcome = Outcome::Shortage(why.to_owned());
        return describe(check, outcome, &Signals::NONE, &[], asked.elapsed());
    };
    let began = Instant::now();
    let found = once::run(&*check.checker, &check.plugin, target, timeout, limits);
    let failed = |it: &once::Found| matches!(it.outcome, Outcome::Unknown(_));
    let found = turn.run(found, failed).await;
    let took = began.elapsed();
    describe(check, found.outcome, &found.signals, &found.steps, took)
}

fn describe(
    check: &ProbeCheck,
    outcome: Outcome,
    signals: &Signals,
    steps: &[Step],
    took: Duration,
) -> CheckedOnce {
    let (verdict, share, reason) = match outcome {
        Outcome::Healthy => ("healthy", None, None),
        Outcome::Degraded(share, why) => ("degraded", Some(share), why),
        Outcome::Unhealthy(reason) => ("unhealthy", None, Some(reason)),
        Outcome::Unknown(why) | Outcome::Shortage(why) => ("unknown", None, Some(why)),
    };
    CheckedOnce {
        plugin: check.plugin.clone(),
        target: check.target.to_string(),
        verdict: verdict.to_owned(),
        reason,
        share,
        took_ms: millis(took),
        timeout_ms: millis(check.timing.timeout.min(LONGEST)),
        steps: steps.iter().map(step).collect(),
        signals: signals
            .iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    }
}

fn step(step: &Step) -> StepReport {
    StepReport {
        what: step.what.to_owned(),
        times: step.times,
        took_ms: millis(step.took),
        bytes: step.bytes,
        failed: step.failed.clone(),
    }
}

/// In milliseconds, to the microsecond.
fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

#[cfg(test)]
mod tests;
