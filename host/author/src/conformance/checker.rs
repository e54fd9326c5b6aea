//! What a checker has to bear: real servers on the loopback address that answer, hang and break off.

mod peers;

use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_runtime::{Checker, Failure, Plugin, Target, Verdict};

use self::peers::{Manner, Peer};
use super::report::{Report, show};
use crate::Refused;
use crate::settings::Variants;

/// How long each check may take.
const TIMEOUT: Duration = Duration::from_millis(500);
/// How much later than that it may end, on a busy machine.
const SLACK: Duration = Duration::from_secs(10);
/// Checks in a row by the same instance.
const MANY: u32 = 100;

/// Tries everything.
pub(super) fn run(
    plugin: &dyn Plugin,
    settings: &Variants,
    report: &mut Report,
) -> Result<(), Refused> {
    report.case("settings of every kind", every_setting(plugin, settings));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Refused(format!("cannot start threads: {error}")))?;
    let checker = match plugin.checker(&settings.base) {
        Ok(checker) => checker,
        Err(error) => {
            report.case(
                "a checker of these settings",
                Err(error.failure.to_string()),
            );
            return Ok(());
        }
    };
    for manner in Manner::ALL {
        let tried = runtime.block_on(one(&checker, manner));
        report.case(manner.words(), tried);
    }
    let many = runtime.block_on(many(&checker));
    report.case("many checks in a row", many);
    Ok(())
}

/// It takes settings, or says why not.
fn every_setting(plugin: &dyn Plugin, settings: &Variants) -> Result<String, String> {
    if plugin.manifest().settings.is_empty() {
        return Ok("it has none".to_owned());
    }
    let mut refused = 0_u32;
    let mut tried = 0_u32;
    for (words, settings) in &settings.others {
        tried += 1;
        match plugin.checker(settings).map_err(|error| error.failure) {
            Ok(_) => {}
            Err(Failure::Settings(reason)) if !reason.trim().is_empty() => refused += 1,
            Err(Failure::Settings(_)) => {
                return Err(format!(
                    "{words}: refused without a reason, which the user needs"
                ));
            }
            Err(other) => return Err(format!("{words}: {other}")),
        }
    }
    Ok(format!("{tried} tried, {refused} refused with a reason"))
}

/// One check of a server of this manner.
async fn one(checker: &Arc<dyn Checker>, manner: Manner) -> Result<String, String> {
    let peer = Peer::new(manner)
        .await
        .map_err(|error| format!("no server: {error}"))?;
    let (verdict, time) = check(checker, &peer).await?;
    match (manner, &verdict) {
        (Manner::Refuses, Verdict::Healthy | Verdict::Degraded(..)) => {
            Err("it is said to be fit, and nobody listens there".to_owned())
        }
        _ => Ok(format!("{} after {}", words(&verdict), show(time))),
    }
}

/// One that leaks, or keeps connections, comes to its limits here.
async fn many(checker: &Arc<dyn Checker>) -> Result<String, String> {
    let peer = Peer::new(Manner::Closes)
        .await
        .map_err(|error| format!("no server: {error}"))?;
    for n in 0..MANY {
        check(checker, &peer)
            .await
            .map_err(|error| format!("check {n}: {error}"))?;
    }
    Ok(format!("{MANY} checks"))
}

async fn check(checker: &Arc<dyn Checker>, peer: &Peer) -> Result<(Verdict, Duration), String> {
    let target = Target {
        name: "test".to_owned(),
        address: peer.address,
        session: None,
    };
    let began = Instant::now();
    let check = tokio::time::timeout(TIMEOUT + SLACK, checker.check(target, TIMEOUT)).await;
    match check {
        Err(_) => Err(format!(
            "it has not ended {} after its deadline",
            show(SLACK)
        )),
        Ok(Err(error)) => Err(error.failure.to_string()),
        Ok(Ok(report)) => Ok((report.verdict, began.elapsed())),
    }
}

fn words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Healthy => "healthy".to_owned(),
        Verdict::Degraded(percent, why) => {
            let why = why
                .as_ref()
                .map(|why| format!(": {why}"))
                .unwrap_or_default();
            format!("degraded to {percent} %{why}")
        }
        Verdict::Unhealthy(reason) => format!("unhealthy ({reason})"),
        Verdict::Unanswered(reason) => format!("no answer ({reason})"),
        Verdict::Unknown(reason) => format!("unknown ({reason})"),
    }
}
