//! Healthy is who answers ICMP echo requests, in time and without loss.

use std::time::Duration;

use evenkeel_sdk::{
    CheckError, HealthChecker, Target, TargetError, Verdict, register_checker, settings,
};

settings! {
    /// What can be configured.
    #[derive(Debug)]
    pub struct Settings {
        /// How many requests, one after the other.
        #[range(1..=20)]
        count: u32 = 1,
        /// Bytes of data in each.
        #[range(0..=1_400)]
        size: u32 = 56,
        /// How long to wait for each answer; by itself, the part of the check's timeout that each request has.
        wait: Option<Duration>,
        /// The most requests, in percent, that may go without an answer.
        #[range(0..=99)]
        max_loss: u32 = 0,
        /// The longest round trip on average. Above it the server is unhealthy.
        max_rtt: Option<Duration>,
    }
}

/// The checker.
#[derive(Debug)]
pub struct Ping(Settings);

impl HealthChecker for Ping {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        Ok(Self(settings))
    }

    fn check(&mut self, target: &mut Target<'_>) -> Result<Verdict, CheckError> {
        let Settings {
            count,
            size,
            wait,
            max_loss,
            max_rtt,
        } = self.0;
        let mut trips = Vec::new();
        for sent in 0..count {
            // A part for each that is left, and something for the verdict.
            let part = target.time_left().mul_f64(0.9) / (count - sent);
            target.set_connect_timeout(Some(wait.unwrap_or(part).min(part)));
            match target.echo(size) {
                Ok(trip) => trips.push(trip),
                Err(TargetError::TimedOut(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        judge(count, &trips, max_loss, max_rtt, |name, value| {
            target.report(name, value)
        })
    }
}

fn judge(
    sent: u32,
    trips: &[Duration],
    max_loss: u32,
    max_rtt: Option<Duration>,
    mut report: impl FnMut(&str, f64),
) -> Result<Verdict, CheckError> {
    let answered = u32::try_from(trips.len()).unwrap_or(u32::MAX).min(sent);
    let loss = (sent - answered) * 100 / sent.max(1);
    report("loss-percent", f64::from(loss));
    let sum: Duration = trips.iter().sum();
    let average = sum.checked_div(answered);
    if let Some(average) = average {
        report("rtt-ms", average.as_secs_f64() * 1000.0);
    }
    let Some(average) = average.filter(|_| loss <= max_loss) else {
        return Err(CheckError::new(if answered == 0 {
            "no answer to ICMP echo requests".to_owned()
        } else {
            format!(
                "{answered} of {sent} ICMP echo requests answered: {loss} % lost, at most {max_loss} may be"
            )
        }));
    };
    match max_rtt.filter(|most| average > *most) {
        Some(most) => Err(CheckError::new(format!(
            "a round trip takes {average:.1?} on average, at most {most:?} wanted"
        ))),
        None => Ok(Verdict::Healthy),
    }
}

register_checker!(
    Ping,
    "ping",
    "ICMP echo requests are answered, in time and without loss"
);

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(sent: u32, millis: &[u64], max_loss: u32, max_rtt: Option<u64>) -> String {
        let trips: Vec<Duration> = millis.iter().map(|it| Duration::from_millis(*it)).collect();
        let mut signals = Vec::new();
        let max_rtt = max_rtt.map(Duration::from_millis);
        let verdict = judge(sent, &trips, max_loss, max_rtt, |name, value| {
            signals.push(format!("{name} {value}"));
        });
        let verdict = match verdict {
            Ok(Verdict::Healthy) => "healthy".to_owned(),
            other => format!("{:?}", other.map_err(|it| it.reason().to_owned())),
        };
        format!("{verdict}; {}", signals.join(", "))
    }

    #[test]
    fn loss_and_round_trips_are_compared_with_their_limits_and_reported() {
        assert_eq!(
            judged(2, &[10, 30], 0, None),
            "healthy; loss-percent 0, rtt-ms 20"
        );
        assert_eq!(
            judged(4, &[10, 10, 10], 25, Some(10)),
            "healthy; loss-percent 25, rtt-ms 10"
        );
        let lost = "Err(\"3 of 4 ICMP echo requests answered: 25 % lost, at most 0 may be\"); loss-percent 25, rtt-ms 10";
        assert_eq!(judged(4, &[10, 10, 10], 0, None), lost);
        let slow = "Err(\"a round trip takes 20.0ms on average, at most 15ms wanted\"); loss-percent 0, rtt-ms 20";
        assert_eq!(judged(2, &[10, 30], 0, Some(15)), slow);
        let silent = "Err(\"no answer to ICMP echo requests\"); loss-percent 100";
        assert_eq!(judged(3, &[], 99, None), silent);
    }
}
