//! The answer as text.

use std::fmt::Write as _;

use super::report::{CheckedNow, CheckedOnce, StepReport};

/// All of it: the server, each check with its verdict, and below it what it did.
pub fn render(answer: &CheckedNow) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write_all(&mut text, answer);
    text
}

fn write_all(out: &mut String, answer: &CheckedNow) -> std::fmt::Result {
    let (service, server, address) = (&answer.service, &answer.server, &answer.address);
    let named = if server == address {
        format!("{service}/{server}")
    } else {
        format!("{service}/{server} ({address})")
    };
    if answer.checks.is_empty() {
        return writeln!(out, "{named}: no check is configured: it is taken to be up");
    }
    let verdict = if answer.healthy {
        "healthy"
    } else {
        "NOT healthy"
    };
    write!(out, "{named}: {verdict}")?;
    let all = answer.checks.len();
    if answer.required < all {
        write!(out, " ({} of its {all} checks must pass)", answer.required)?;
    }
    writeln!(out)?;
    answer.checks.iter().try_for_each(|it| write_check(out, it))
}

fn write_check(out: &mut String, check: &CheckedOnce) -> std::fmt::Result {
    let (plugin, target, verdict) = (&check.plugin, &check.target, &check.verdict);
    write!(out, "  {plugin} {target}: {verdict}")?;
    if let Some(share) = check.share {
        write!(out, " to {share} %")?;
    }
    let (took, timeout) = (time(check.took_ms), time(check.timeout_ms));
    write!(out, " in {took} (timeout {timeout})")?;
    if let Some(reason) = &check.reason {
        write!(out, ": {reason}")?;
    }
    writeln!(out)?;
    for step in &check.steps {
        write_step(out, step)?;
    }
    for (name, value) in &check.signals {
        writeln!(out, "    signal {name} = {value}")?;
    }
    Ok(())
}

fn write_step(out: &mut String, step: &StepReport) -> std::fmt::Result {
    write!(out, "    {:<8}{:>10}", step.what, time(step.took_ms))?;
    if step.bytes > 0 {
        write!(out, "  {} bytes", step.bytes)?;
    }
    if step.times > 1 {
        write!(out, ", {} times", step.times)?;
    }
    if let Some(why) = &step.failed {
        write!(out, "  !! {why}")?;
    }
    writeln!(out)
}

/// With as many digits as tell something.
fn time(millis: f64) -> String {
    if millis < 10.0 {
        format!("{millis:.2} ms")
    } else if millis < 1000.0 {
        format!("{millis:.0} ms")
    } else {
        format!("{:.2} s", millis / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_check_is_shown_with_its_verdict_its_steps_and_its_signals() {
        let step = |what: &str, took_ms, bytes, failed: Option<&str>| StepReport {
            what: what.into(),
            times: 1,
            took_ms,
            bytes,
            failed: failed.map(str::to_owned),
        };
        let http = CheckedOnce {
            plugin: "http".into(),
            target: "172.16.50.157:443".into(),
            verdict: "healthy".into(),
            reason: None,
            share: None,
            took_ms: 12.4,
            timeout_ms: 2000.0,
            steps: vec![
                step("connect", 0.21, 0, None),
                step("TLS", 3.4, 0, None),
                step("write", 0.02, 70, None),
                StepReport {
                    times: 3,
                    ..step("read", 8.2, 40_000, None)
                },
            ],
            signals: [("certificate-days".to_owned(), 61.0)].into(),
        };
        let tcp = CheckedOnce {
            plugin: "tcp".into(),
            target: "172.16.50.157:81".into(),
            verdict: "unhealthy".into(),
            reason: Some("connection refused".into()),
            took_ms: 1.0,
            steps: vec![step("connect", 1.0, 0, Some("connection refused"))],
            signals: Default::default(),
            ..http.clone()
        };
        let mut answer = CheckedNow {
            service: "web".into(),
            server: "a".into(),
            address: "172.16.50.157:80".into(),
            healthy: true,
            required: 1,
            checks: vec![http, tcp],
        };
        insta::assert_snapshot!(render(&answer), @r"
        web/a (172.16.50.157:80): healthy (1 of its 2 checks must pass)
          http 172.16.50.157:443: healthy in 12 ms (timeout 2.00 s)
            connect    0.21 ms
            TLS        3.40 ms
            write      0.02 ms  70 bytes
            read       8.20 ms  40000 bytes, 3 times
            signal certificate-days = 61
          tcp 172.16.50.157:81: unhealthy in 1.00 ms (timeout 2.00 s): connection refused
            connect    1.00 ms  !! connection refused
        ");
        answer.checks.clear();
        assert_eq!(
            render(&answer),
            "web/a (172.16.50.157:80): no check is configured: it is taken to be up\n"
        );
    }
}
