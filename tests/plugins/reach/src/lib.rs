//! Sends an ICMP echo request to the server and counts the answers in its session.
use evenkeel_sdk::{CheckError, HealthChecker, Target, Verdict, register_checker};

/// The checker.
pub struct Reach;

impl HealthChecker for Reach {
    type Settings = ();

    fn new((): ()) -> Result<Self, String> {
        Ok(Self)
    }

    fn check(&mut self, target: &mut Target<'_>) -> Result<Verdict, CheckError> {
        let answered = target.session().and_then(|it| it.try_into().ok());
        let time = target.echo(56)?;
        let answered = answered.map_or(1, |it| u32::from_le_bytes(it).saturating_add(1));
        target.set_session(&answered.to_le_bytes());
        target.report("answered", answered.into());
        target.report("round-trip", time.as_secs_f64());
        Ok(Verdict::Healthy)
    }
}

register_checker!(Reach, "reach", "an ICMP echo request is answered");

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use evenkeel_sdk::testing;

    use super::*;

    #[test]
    fn what_native_tests_have_not_is_said() {
        let address = ([127, 0, 0, 1], 9).into();
        let verdict = testing::check::<Reach>(&[], address, Duration::from_secs(1));
        let Ok(Verdict::Unhealthy(reason)) = verdict else {
            panic!("{verdict:?}");
        };
        assert_eq!(reason, "ICMP is not available in native tests");
    }
}
