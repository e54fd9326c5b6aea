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

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_sdk::testing::check;
    use std::net::TcpListener;
    use std::time::Duration;

    const TIMEOUT: Duration = Duration::from_secs(5);

    #[test]
    fn who_accepts_is_healthy() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let verdict = check::<TcpConnect>(&[], listener.local_addr().unwrap(), TIMEOUT);
        assert_eq!(verdict, Ok(Verdict::Healthy));
    }

    #[test]
    fn who_accepts_at_an_ipv6_address_is_healthy() {
        let listener = TcpListener::bind("[::1]:0").unwrap();
        let verdict = check::<TcpConnect>(&[], listener.local_addr().unwrap(), TIMEOUT);
        assert_eq!(verdict, Ok(Verdict::Healthy));
    }

    #[test]
    fn a_port_where_nobody_listens_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let verdict = check::<TcpConnect>(&[], address, TIMEOUT);
        assert_eq!(verdict, Ok(Verdict::Unhealthy("connection refused".into())));
    }
}
