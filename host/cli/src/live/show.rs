//! What is shown each second.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Result;
use evenkeel_daemon::status::Status;
use evenkeel_daemon::status::service::{ServerStatus, ServiceStatus};
use serde_json::json;

use super::traffic::Counts;

/// Characters of the longest bar.
const BAR: u64 = 30;

/// What was shown last.
#[derive(Debug, Default)]
pub(super) struct View {
    before: Counts,
    sha256: Option<String>,
    swaps: u64,
    problem: Option<String>,
}

impl View {
    /// What has happened since it was shown last, as lines of text or one of JSON.
    pub(super) fn next(
        &mut self,
        since: Duration,
        counts: &Counts,
        status: &Status,
        json: bool,
    ) -> Result<String> {
        let answered = difference(&counts.answered, &self.before.answered);
        let failed = difference(&counts.failed, &self.before.failed);
        self.before = counts.clone();
        let Some(service) = status.services.first() else {
            return Ok(String::new());
        };
        let swapped = self.swapped(service);
        // As long as it lasts it is told once.
        let problem = problem(service, status);
        let told = problem
            .clone()
            .filter(|it| self.problem.as_ref() != Some(it));
        self.problem = problem;
        if json {
            let line = json!({
                "seconds": since.as_secs_f64(),
                "answered": answered,
                "failed": failed,
                "plugin": service.plugin,
                "swaps": self.swaps,
                "problem": self.problem,
            });
            return Ok(format!("{}\n", serde_json::to_string(&line)?));
        }
        let mut text = String::new();
        if swapped {
            let _ = writeln!(text, "--- swapped: {}", identity(service));
        }
        if let Some(problem) = told {
            let _ = writeln!(text, "--- {problem}");
        }
        let sum: u64 = answered.values().sum();
        let _ = write!(
            text,
            "{:>5.0} s  {sum} connections, {}",
            since.as_secs_f64(),
            identity(service)
        );
        for (why, count) in &failed {
            let _ = write!(text, ", {count} failed: {why}");
        }
        text.push('\n');
        let most = answered.values().copied().max().unwrap_or(0).max(1);
        for server in &service.servers {
            let got = answered.get(&server.name).copied().unwrap_or(0);
            text.push_str(&line(server, got, most));
        }
        Ok(text)
    }

    /// Whether another file of the plugin decides since.
    fn swapped(&mut self, service: &ServiceStatus) -> bool {
        let sha256 = service.plugin.as_ref().and_then(|it| it.sha256.clone());
        let swapped = self.sha256.is_some() && sha256 != self.sha256;
        self.swaps += u64::from(swapped);
        self.sha256 = sha256;
        swapped
    }

    /// The sum of it all.
    pub(super) fn sum(&self, counts: &Counts, json: bool) -> String {
        let answered: u64 = counts.answered.values().sum();
        let failed: u64 = counts.failed.values().sum();
        if json {
            let sum =
                json!({ "total": counts.answered, "failed": counts.failed, "swaps": self.swaps });
            return format!("{sum}\n");
        }
        let each = counts.answered.iter();
        let each: Vec<String> = each
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        format!(
            "in all: {answered} connections answered ({}), {failed} failed; {} swaps\n",
            each.join(", "),
            self.swaps
        )
    }
}

/// What became of a build.
pub(super) fn news(line: &str, json: bool) -> String {
    if json {
        format!("{}\n", json!({ "news": line }))
    } else {
        format!("--- {line}\n")
    }
}

fn difference(
    now: &BTreeMap<String, u64>,
    before: &BTreeMap<String, u64>,
) -> BTreeMap<String, u64> {
    let since = |(key, count): (&String, &u64)| {
        let before = before.get(key).copied().unwrap_or(0);
        (key.clone(), count.saturating_sub(before))
    };
    now.iter().map(since).collect()
}

/// Who decides, and what a call takes.
fn identity(service: &ServiceStatus) -> String {
    let (name, version) = (&service.scheduler, &service.scheduler_version);
    let Some(plugin) = &service.plugin else {
        return format!("by {name} {version}");
    };
    let sha256 = plugin.sha256.as_deref().unwrap_or_default();
    let short = sha256.get(..12).unwrap_or(sha256);
    format!(
        "by {name} {version} ({short}), plan {}, {} calls of {}/{} us (half/99 of 100)",
        service.plan, plugin.calls, plugin.call_p50_us, plugin.call_p99_us
    )
}

/// What is wrong.
fn problem(service: &ServiceStatus, status: &Status) -> Option<String> {
    let problems = [
        &service.scheduler_problem,
        &service.successor_problem,
        &service.plan_refused,
        &status.plugin_problem,
    ];
    problems.into_iter().find_map(Clone::clone)
}

fn line(server: &ServerStatus, got: u64, most: u64) -> String {
    let bar = "#".repeat(usize::try_from(got * BAR / most).unwrap_or(0));
    let mut text = format!(
        "         {:<10} {:<8} weight {:<3} open {:<5} {got:>6} {bar}\n",
        server.name, server.health, server.effective_weight, server.active
    );
    let signals = server.checks.iter().flat_map(|it| &it.signals);
    let mut signals = signals
        .map(|(name, value)| format!("{name} = {value}"))
        .peekable();
    let reason = server.reason.clone().filter(|_| server.health != "up");
    if signals.peek().is_some() || reason.is_some() {
        let said: Vec<String> = reason.into_iter().chain(signals).collect();
        let _ = writeln!(text, "                    {}", said.join(", "));
    }
    text
}
