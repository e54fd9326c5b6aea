//! The server itself says how much it can take: HAProxy's agent-check.

use evenkeel_sdk::{
    CheckError, Dialogue, HealthChecker, Target, Verdict, register_checker, settings, shown,
};

settings! {
    /// What can be configured.
    #[derive(Debug)]
    pub struct Settings {
        /// Text that is sent first; the agent may tell by it which server is meant. A line feed is added.
        send: Option<String>,
    }
}

/// The checker.
#[derive(Debug)]
pub struct Agent(Settings);

impl HealthChecker for Agent {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        Ok(Self(settings))
    }

    fn check(&mut self, target: &mut Target<'_>) -> Result<Verdict, CheckError> {
        let mut agent = Dialogue::over(target.connect_tcp()?);
        if let Some(text) = &self.0.send {
            agent.send(format!("{text}\n"))?;
        }
        let line = agent.line("answer")?;
        said(&line, |name, value| target.report(name, value))
    }
}

/// What an agent says: words and a percentage, with blanks, tabs or commas between them. A `#` begins a comment, which is
/// the reason.
fn said(line: &str, mut report: impl FnMut(&str, f64)) -> Result<Verdict, CheckError> {
    let (words, reason) = line.split_once('#').unwrap_or((line, ""));
    let reason = reason.trim();
    let because = |word: &str| {
        if reason.is_empty() {
            format!("the agent says {word}")
        } else {
            format!("the agent says {word}: {reason}")
        }
    };
    let mut share = None;
    let mut verdict = Verdict::Healthy;
    let separators = [' ', '\t', ',', '\r'];
    for word in words.split(separators).filter(|word| !word.is_empty()) {
        match word.to_ascii_lowercase().as_str() {
            "up" | "ready" => {}
            "drain" => verdict = Verdict::Degraded(0, because("drain")),
            down @ ("down" | "fail" | "stopped" | "maint") => {
                return Ok(Verdict::Unhealthy(because(down)));
            }
            other => match (other.strip_suffix('%'), other.strip_prefix("maxconn:")) {
                (Some(percent), _) => {
                    let percent: u32 = percent.parse().map_err(|_| unknown(line, word))?;
                    share = Some(u8::try_from(percent.min(100)).unwrap_or(100));
                }
                (_, Some(most)) => {
                    let most: u32 = most.parse().map_err(|_| unknown(line, word))?;
                    report("maxconn", f64::from(most));
                }
                _ => return Err(unknown(line, word)),
            },
        }
    }
    Ok(match (verdict, share) {
        (Verdict::Healthy, Some(share)) if share < 100 => {
            Verdict::Degraded(share, because(&format!("{share} %")))
        }
        (verdict, _) => verdict,
    })
}

fn unknown(line: &str, word: &str) -> CheckError {
    CheckError::new(format!(
        "the agent says {}: {} is none of up, down, fail, stopped, maint, ready, drain, NN% and maxconn:N",
        shown(line.as_bytes()),
        shown(word.as_bytes()),
    ))
}

register_checker!(
    Agent,
    "agent",
    "the server itself says how much it can take (HAProxy's agent-check)"
);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use evenkeel_sdk::testing::{Script, check};

    use super::*;

    fn verdict(line: &str) -> Verdict {
        said(line, |_, _| {}).unwrap_or_else(Into::into)
    }

    #[test]
    fn what_an_agent_says_is_the_verdict() {
        let degraded = |share, why: &str| Verdict::Degraded(share, format!("the agent says {why}"));
        let down = |why: &str| Verdict::Unhealthy(format!("the agent says {why}"));
        for (line, wanted) in [
            ("", Verdict::Healthy),
            ("up", Verdict::Healthy),
            ("ready 100%", Verdict::Healthy),
            ("250%", Verdict::Healthy),
            ("75%", degraded(75, "75 %")),
            ("up 50% # backup runs", degraded(50, "50 %: backup runs")),
            ("ready,25%\r", degraded(25, "25 %")),
            ("0%", degraded(0, "0 %")),
            ("drain", degraded(0, "drain")),
            ("UP\tDRAIN 50%", degraded(0, "drain")),
            ("down", down("down")),
            ("maint # kernel", down("maint: kernel")),
            ("fail #1 of 3 disks", down("fail: 1 of 3 disks")),
            ("stopped 50%", down("stopped")),
        ] {
            assert_eq!(verdict(line), wanted, "{line:?}");
        }
    }

    #[test]
    fn words_that_no_agent_says_are_unhealthy_and_shown() {
        for line in ["HTTP/1.1 200 OK", "up x%", "maxconn:many", "-5%"] {
            let Verdict::Unhealthy(reason) = verdict(line) else {
                panic!("{line}");
            };
            assert!(reason.contains("is none of up, down"), "{reason}");
        }
    }

    #[test]
    fn an_agent_is_sent_a_line_if_there_is_one() {
        let script = Script::new().hears("web-1\n").says("up 30% maxconn:20\n");
        let settings = [("send", "web-1".into())];
        let found = check::<Agent>(&settings, script.start(), Duration::from_secs(3));
        assert_eq!(
            found,
            Ok(Verdict::Degraded(30, "the agent says 30 %".into()))
        );
        assert_eq!(
            evenkeel_sdk::testing::signals(),
            [("maxconn".to_owned(), 20.0)]
        );
    }
}
