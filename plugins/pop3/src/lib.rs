//! Healthy is a  POP3 server that greets, and takes TLS if it is to.

use evenkeel_sdk::{
    CheckError, Dialogue, HealthChecker, Target, TlsOptions, Verdict, choice, register_checker,
    settings,
};

choice! {
    /// Whether and when TLS is spoken.
    pub enum Tls {
        /// Not at all.
        No = "no",
        /// After STLS.
        Starttls = "starttls",
        /// From the beginning, as on port 995 (RFC 8314).
        Implicit = "implicit",
    }
}

settings! {
    /// What can be configured.
    #[derive(Debug)]
    pub struct Settings {
        /// Whether and when TLS is spoken.
        tls: Tls = Tls::No,
        /// Whether the server's certificate must be valid and for its name.
        tls_verify: bool = true,
        /// The name for TLS (SNI, certificate); the server's address if left out.
        sni: Option<String>,
    }
}

/// The checker.
#[derive(Debug)]
pub struct Pop3 {
    tls: Tls,
    options: TlsOptions,
}

impl HealthChecker for Pop3 {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        Ok(Self {
            tls: settings.tls,
            options: TlsOptions::named(settings.sni, settings.tls_verify),
        })
    }

    fn check(&mut self, target: &mut Target<'_>) -> Result<Verdict, CheckError> {
        let at_once = (self.tls == Tls::Implicit).then_some(&self.options);
        let mut server = Dialogue::connect(target, at_once)?;
        server.line_with("greeting", "+OK")?;
        if self.tls == Tls::Starttls {
            server.send("STLS\r\n")?;
            server.line_with("STLS", "+OK")?;
            server.start_tls(&self.options)?;
        }
        // Its answer is waited for: a server that is left in the middle may log that.
        server.send("QUIT\r\n")?;
        let _ = server.line("QUIT");
        Ok(Verdict::Healthy)
    }
}

register_checker!(
    Pop3,
    "pop3",
    "a POP3 server greets, and takes STLS if it is to"
);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use evenkeel_sdk::testing::{Script, check};

    use super::*;

    fn against(script: &Script, tls: &str) -> Result<Verdict, String> {
        check::<Pop3>(
            &[("tls", tls.into())],
            script.start(),
            Duration::from_secs(3),
        )
    }

    fn unhealthy(reason: &str) -> Result<Verdict, String> {
        Ok(Verdict::Unhealthy(reason.to_owned()))
    }

    #[test]
    fn a_server_that_greets_is_healthy() {
        let script = Script::new()
            .says("+OK ready\r\n")
            .hears("QUIT\r\n")
            .says("+OK bye\r\n");
        assert_eq!(against(&script, "no"), Ok(Verdict::Healthy));
    }

    #[test]
    fn what_is_wrong_is_the_reason() {
        let busy = Script::new().says("-ERR overloaded\r\n");
        let reason = "greeting: expected \"+OK\", got \"-ERR overloaded\"";
        assert_eq!(against(&busy, "no"), unhealthy(reason));
        let plain = Script::new()
            .says("+OK ready\r\n")
            .hears("STLS\r\n")
            .says("-ERR no TLS\r\n");
        let reason = "STLS: expected \"+OK\", got \"-ERR no TLS\"";
        assert_eq!(against(&plain, "starttls"), unhealthy(reason));
    }
}
