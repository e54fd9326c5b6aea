//! A server is healthy if it greets with the configured word, as mail servers do with "220".
use std::io::Read;

use evenkeel_sdk::{CheckError, HealthChecker, Target, Verdict, register_checker, settings};

settings! {
    /// What can be configured: `settings = { greeting = "220" }`.
    pub struct Settings {
        /// What the server's first bytes have to be.
        greeting: String = "220",
    }
}

/// One for all checks with the same settings.
pub struct MyChecker(Settings);

impl HealthChecker for MyChecker {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        if settings.greeting.is_empty() {
            return Err("greeting is empty: say what the server begins with".into());
        }
        Ok(Self(settings))
    }

    /// `?` on anything that fails means that the server is unhealthy, with the error as the reason.
    fn check(&mut self, target: &mut Target<'_>) -> Result<Verdict, CheckError> {
        let mut begin = vec![0; self.0.greeting.len()];
        target.connect_tcp()?.read_exact(&mut begin)?;
        if begin == self.0.greeting.as_bytes() {
            Ok(Verdict::Healthy)
        } else {
            Err(CheckError::new("another greeting"))
        }
    }
}

register_checker!(MyChecker, "{{name}}", "a greeting that begins as configured");

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::time::Duration;

    use evenkeel_sdk::testing::check;

    use super::*;

    fn verdict(greeting: &'static [u8]) -> Verdict {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        std::thread::spawn(move || server.accept().unwrap().0.write_all(greeting));
        check::<MyChecker>(&[], address, Duration::from_secs(5)).unwrap()
    }

    #[test]
    fn a_server_that_greets_is_healthy() {
        assert_eq!(verdict(b"220 mail.example\r\n"), Verdict::Healthy);
    }

    #[test]
    fn another_greeting_and_a_server_that_hangs_up_are_unhealthy() {
        for greeting in [&b"554 go away\r\n"[..], b"22"] {
            assert!(matches!(verdict(greeting), Verdict::Unhealthy(_)));
        }
    }
}
