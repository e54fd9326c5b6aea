//! Asks an agent beside the server: it answers a connection with lines `NAME VALUE`, which are reported as signals.
use std::io::Read;

use evenkeel_sdk::{CheckError, HealthChecker, Target, Verdict, count, register_checker};

/// The checker.
pub struct Agent;

impl HealthChecker for Agent {
    type Settings = ();

    fn new((): ()) -> Result<Self, String> {
        Ok(Self)
    }

    fn check(&mut self, target: &mut Target<'_>) -> Result<Verdict, CheckError> {
        let mut answer = String::new();
        target.connect_tcp()?.read_to_string(&mut answer)?;
        let mut lines = 0;
        for line in answer.lines() {
            let (name, value) = line
                .rsplit_once(' ')
                .ok_or_else(|| CheckError::new(format!("not NAME VALUE: {line:?}")))?;
            target.report(name, value.parse()?);
            lines += 1;
        }
        count("lines", lines);
        Ok(Verdict::Healthy)
    }
}

register_checker!(Agent, "load-agent", "an agent answers with numbers");

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::TcpListener;
    use std::time::Duration;

    use evenkeel_sdk::testing;

    use super::*;

    /// The verdict on an agent that answers with this.
    fn asked(answer: &'static str) -> Result<Verdict, String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let agent = std::thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            connection.write_all(answer.as_bytes()).unwrap();
        });
        let verdict = testing::check::<Agent>(&[], address, Duration::from_secs(5));
        agent.join().unwrap();
        verdict
    }

    #[test]
    fn what_the_agent_says_is_reported() {
        assert_eq!(asked("cpu 0.5\nqueue 3\n"), Ok(Verdict::Healthy));
        let wanted = [("cpu".to_owned(), 0.5), ("queue".to_owned(), 3.0)];
        assert_eq!(testing::signals(), wanted);
        assert_eq!(testing::metrics()["lines"], 2.0);
    }

    #[test]
    fn an_agent_that_says_something_else_is_unfit() {
        for (answer, reason) in [("cpu\n", "not NAME VALUE"), ("cpu high\n", "invalid float")] {
            let verdict = asked(answer).unwrap();
            assert!(
                matches!(&verdict, Verdict::Unhealthy(why) if why.contains(reason)),
                "{verdict:?}"
            );
        }
    }
}
