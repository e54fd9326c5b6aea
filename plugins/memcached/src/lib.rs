//! Healthy is a memcached that says which version it is.

use evenkeel_sdk::{CheckError, Dialogue, HealthChecker, Target, Verdict, register_checker};

/// The checker.
#[derive(Debug)]
pub struct Memcached;

impl HealthChecker for Memcached {
    type Settings = ();

    fn new((): ()) -> Result<Self, String> {
        Ok(Self)
    }

    fn check(&mut self, target: &mut Target<'_>) -> Result<Verdict, CheckError> {
        let mut server = Dialogue::over(target.connect_tcp()?);
        server.send("version\r\n")?;
        server.line_with("version", "VERSION ")?;
        Ok(Verdict::Healthy)
    }
}

register_checker!(Memcached, "memcached", "memcached says which version it is");

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use evenkeel_sdk::testing::{Script, check};

    use super::*;

    #[test]
    fn the_version_is_enough_and_an_error_is_the_reason() {
        let answers = |text: &str| {
            let script = Script::new().hears("version\r\n").says(text);
            check::<Memcached>(&[], script.start(), Duration::from_secs(3))
        };
        assert_eq!(answers("VERSION 1.6.18\r\n"), Ok(Verdict::Healthy));
        let reason = "version: expected \"VERSION \", got \"ERROR\"";
        assert_eq!(answers("ERROR\r\n"), Ok(Verdict::Unhealthy(reason.into())));
    }
}
