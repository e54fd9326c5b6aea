//! One run of a check, and what it means: for the checks of a prober, and for one that somebody asks for.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use evenkeel_core::health::Outcome;
use evenkeel_core::signals::Signals;
use evenkeel_runtime::{CheckReport, Checker, Step, Target, Verdict};
use futures::FutureExt as _;
use tokio::time::Instant;

use crate::own_limits::OwnLimits;

/// What a checker may take beyond its timeout before it counts as stuck. Runtimes end checks at the timeout
/// themselves; this is for the one that does not.
const GRACE: Duration = Duration::from_secs(1);

/// What one run has found.
pub(crate) struct Found {
    pub(crate) outcome: Outcome,
    pub(crate) signals: Signals,
    /// What the checker wants to keep about the target; `None`: what it has there.
    pub(crate) session: Option<Vec<u8>>,
    pub(crate) steps: Vec<Step>,
}

/// Runs a check that begins now. `plugin`: the checker's name.
pub(crate) async fn run(
    checker: &dyn Checker,
    plugin: &str,
    target: Target,
    timeout: Duration,
    limits: &OwnLimits,
) -> Found {
    let began = Instant::now().into_std();
    let report = AssertUnwindSafe(checker.check(target, timeout)).catch_unwind();
    let unknown = match tokio::time::timeout(timeout.saturating_add(GRACE), report).await {
        Ok(Ok(Ok(report))) => {
            let CheckReport {
                verdict,
                signals,
                session,
                steps,
            } = report;
            return Found {
                outcome: outcome(verdict, began, timeout, limits),
                signals,
                session,
                steps,
            };
        }
        Ok(Ok(Err(error))) => error.to_string(),
        Ok(Err(_panic)) => format!("plugin {plugin}: its runtime panicked"),
        Err(_elapsed) => format!(
            "plugin {plugin}: its runtime did not end the check at its timeout of {timeout:?}"
        ),
    };
    Found {
        outcome: Outcome::Unknown(unknown),
        signals: Signals::NONE,
        session: None,
        steps: Vec::new(),
    }
}

fn outcome(
    verdict: Verdict,
    began: std::time::Instant,
    timeout: Duration,
    limits: &OwnLimits,
) -> Outcome {
    match verdict {
        Verdict::Healthy => Outcome::Healthy,
        Verdict::Degraded(share, why) => Outcome::Degraded(share, why),
        Verdict::Unhealthy(reason) => Outcome::Unhealthy(reason),
        Verdict::Unanswered(reason) => {
            let now = Instant::now().into_std();
            match limits.lacked_since(began, timeout, now) {
                Some(shortage) => Outcome::Shortage(shortage),
                None => Outcome::Unhealthy(reason),
            }
        }
        Verdict::Unknown(shortage) => Outcome::Shortage(shortage),
    }
}
