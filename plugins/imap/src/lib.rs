//! Healthy is an IMAP server that greets, and takes TLS if it is to.

use evenkeel_sdk::{
    CheckError, Dialogue, HealthChecker, Target, TlsOptions, Verdict, choice, register_checker,
    settings, shown,
};

choice! {
    /// Whether and when TLS is spoken.
    pub enum Tls {
        /// Not at all.
        No = "no",
        /// After STARTTLS.
        Starttls = "starttls",
        /// From the beginning, as on port 993 (RFC 8314).
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
pub struct Imap {
    tls: Tls,
    options: TlsOptions,
}

impl HealthChecker for Imap {
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
        // PREAUTH: it knows the checker by other means.
        let greeting = server.line("greeting")?;
        if !greeting.starts_with("* OK") && !greeting.starts_with("* PREAUTH") {
            let got = shown(greeting.as_bytes());
            return Err(CheckError::new(format!(
                "greeting: expected \"* OK\", got {got}"
            )));
        }
        if self.tls == Tls::Starttls {
            server.send("a STARTTLS\r\n")?;
            server.line_with("STARTTLS", "a OK")?;
            server.start_tls(&self.options)?;
        }
        // Its answer is waited for: a server that is left in the middle may log that.
        server.send("a LOGOUT\r\n")?;
        let _ = server.line("LOGOUT");
        Ok(Verdict::Healthy)
    }
}

register_checker!(
    Imap,
    "imap",
    "an IMAP server greets, and takes STARTTLS if it is to"
);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use evenkeel_sdk::testing::{Script, check};

    use super::*;

    fn against(script: &Script, tls: &str) -> Result<Verdict, String> {
        check::<Imap>(
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
            .says("* OK ready\r\n")
            .hears("a LOGOUT\r\n")
            .says("* BYE\r\n");
        assert_eq!(against(&script, "no"), Ok(Verdict::Healthy));
    }

    #[test]
    fn what_is_wrong_is_the_reason() {
        let busy = Script::new().says("* BYE overloaded\r\n");
        let reason = "greeting: expected \"* OK\", got \"* BYE overloaded\"";
        assert_eq!(against(&busy, "no"), unhealthy(reason));
        let plain = Script::new()
            .says("* OK ready\r\n")
            .hears("a STARTTLS\r\n")
            .says("a BAD no TLS\r\n");
        let reason = "STARTTLS: expected \"a OK\", got \"a BAD no TLS\"";
        assert_eq!(against(&plain, "starttls"), unhealthy(reason));
    }
}
