//! Healthy is who accepts a TCP connection.
use evenkeel_sdk::{CheckError, HealthChecker, Target, Verdict, register_checker};

/// The checker.
pub struct TcpConnect;

impl HealthChecker for TcpConnect {
    type Settings = ();

    fn new((): ()) -> Result<Self, String> {
        Ok(Self)
    }

    fn check(&mut self, target: &mut Target<'_>) -> Result<Verdict, CheckError> {
        target.connect_tcp()?;
        Ok(Verdict::Healthy)
    }
}

register_checker!(TcpConnect, "tcp", "a TCP connection is accepted");
