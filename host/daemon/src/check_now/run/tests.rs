//! With checkers that say what tests want.

use std::path::Path;

use async_trait::async_trait;
use evenkeel_core::model::CheckTiming;
use evenkeel_runtime::{CheckReport, Checker, PluginError, Verdict};

use super::*;

/// Says this, or hangs.
struct Says(Option<Verdict>);

#[async_trait]
impl Checker for Says {
    async fn check(&self, target: Target, timeout: Duration) -> Result<CheckReport, PluginError> {
        assert_eq!(target.session, None);
        let Some(verdict) = self.0.clone() else {
            tokio::time::sleep(timeout).await;
            return Ok(Verdict::Unanswered("timed out".into()).into());
        };
        Ok(CheckReport {
            session: Some(b"kept".to_vec()),
            ..verdict.into()
        })
    }
}

async fn checked(required: ChecksRequired, verdicts: &[Option<Verdict>]) -> CheckedNow {
    let second = Duration::from_secs(1);
    let checks = verdicts.iter().map(|verdict| ProbeCheck {
        shared: None,
        checker: Arc::new(Says(verdict.clone())),
        plugin: "tcp".into(),
        target: ([172, 16, 50, 157], 80).into(),
        timing: CheckTiming {
            interval: second,
            timeout: 60 * second,
            retries: 3,
            retry_delay: second,
            rise: 5,
            alpha: false,
            fast_interval: None,
            down_interval: None,
            warmup: None,
        },
    });
    let job = Job {
        service: "web".into(),
        server: "a".into(),
        address: "172.16.50.157:80".into(),
        required,
        checks: checks.collect(),
    };
    let limits = OwnLimits::new(Path::new("/nonexistent"));
    run(job, Arc::new(limits)).await
}

#[tokio::test(start_paused = true)]
async fn a_server_is_healthy_if_as_many_of_its_checks_pass_as_must() {
    let good = || Some(Verdict::Healthy);
    let half = || Some(Verdict::Degraded(50, Some("busy".into())));
    let bad = || Some(Verdict::Unhealthy("refused".into()));
    let unknown = || Some(Verdict::Unknown("no ports".into()));
    let (all, any) = (ChecksRequired::All, ChecksRequired::AtLeast(1));
    for (required, verdicts, healthy) in [
        (all, vec![good(), half()], true),
        (all, vec![good(), bad()], false),
        (all, vec![unknown()], false),
        (any, vec![bad(), half()], true),
        (all, vec![], true),
    ] {
        let answer = checked(required, &verdicts).await;
        assert_eq!(answer.healthy, healthy, "{answer:?}");
    }
    let answer = checked(all, &[half()]).await;
    let check = &answer.checks[0];
    assert_eq!((&*check.verdict, check.share), ("degraded", Some(50)));
    assert_eq!(check.reason.as_deref(), Some("busy"));
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_is_ended_before_whoever_asks_has_gone() {
    let began = Instant::now();
    let answer = checked(ChecksRequired::All, &[None]).await;
    assert!(began.elapsed() < Duration::from_secs(8));
    assert_eq!(answer.checks[0].timeout_ms, 6000.0);
    assert_eq!(answer.checks[0].reason.as_deref(), Some("timed out"));
}
