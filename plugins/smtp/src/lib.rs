//! Healthy is a mail server that greets, says what it can, and takes TLS if it is to.

use evenkeel_sdk::{
    CheckError, Dialogue, HealthChecker, Target, TlsOptions, Verdict, choice, register_checker,
    settings,
};

choice! {
    /// Whether and when TLS is spoken.
    pub enum Tls {
        /// Not at all.
        No = "no",
        /// After STARTTLS (RFC 3207).
        Starttls = "starttls",
        /// From the beginning, as on port 465 (RFC 8314).
        Implicit = "implicit",
    }
}

settings! {
    /// What can be configured.
    #[derive(Debug)]
    pub struct Settings {
        /// The name that the checker gives itself in EHLO: letters, digits, dots and hyphens, or an address in brackets.
        #[pattern("[A-Za-z0-9.:\\[\\]-]+")]
        helo: String = "evenkeel.invalid",
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
pub struct Smtp {
    helo: String,
    tls: Tls,
    options: TlsOptions,
}

impl HealthChecker for Smtp {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        Ok(Self {
            helo: settings.helo,
            tls: settings.tls,
            options: TlsOptions::named(settings.sni, settings.tls_verify),
        })
    }

    fn check(&mut self, target: &mut Target<'_>) -> Result<Verdict, CheckError> {
        let at_once = (self.tls == Tls::Implicit).then_some(&self.options);
        let mut server = Dialogue::connect(target, at_once)?;
        server.reply("greeting", 220)?;
        let offers = self.hello(&mut server)?;
        if self.tls == Tls::Starttls {
            if !offers.iter().any(|it| it.eq_ignore_ascii_case("STARTTLS")) {
                return Err(CheckError::new("EHLO: it offers no STARTTLS"));
            }
            server.send("STARTTLS\r\n")?;
            server.reply("STARTTLS", 220)?;
            server.start_tls(&self.options)?;
            self.hello(&mut server)?;
        }
        // Its answer is waited for: a server that is left in the middle may log that.
        server.send("QUIT\r\n")?;
        let _ = server.reply("QUIT", 221);
        Ok(Verdict::Healthy)
    }
}

impl Smtp {
    /// What the server can do besides. Old servers know HELO only, and can nothing.
    fn hello(&self, server: &mut Dialogue) -> Result<Vec<String>, CheckError> {
        server.send(format!("EHLO {}\r\n", self.helo))?;
        let refused = match server.reply("EHLO", 250) {
            Ok(lines) => return Ok(lines),
            Err(refused) => refused,
        };
        // 500 and 502: it does not know EHLO.
        if !["got \"500", "got \"502"]
            .iter()
            .any(|it| refused.reason().contains(it))
        {
            return Err(refused);
        }
        server.send(format!("HELO {}\r\n", self.helo))?;
        server.reply("HELO", 250)?;
        Ok(Vec::new())
    }
}

register_checker!(
    Smtp,
    "smtp",
    "a mail server greets, answers EHLO, and takes STARTTLS if it is to"
);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use evenkeel_sdk::SettingValue;
    use evenkeel_sdk::testing::{Script, check};

    use super::*;

    fn against(script: &Script, tls: &str) -> Result<Verdict, String> {
        let settings: [(&str, SettingValue); 1] = [("tls", tls.into())];
        check::<Smtp>(&settings, script.start(), Duration::from_secs(3))
    }

    fn unhealthy(reason: &str) -> Result<Verdict, String> {
        Ok(Verdict::Unhealthy(reason.to_owned()))
    }

    #[test]
    fn a_server_that_greets_and_says_what_it_can_is_healthy() {
        let script = Script::new()
            .says("220-mx.example.org\r\n220 ESMTP\r\n")
            .hears("EHLO evenkeel.invalid\r\n")
            .says("250-mx.example.org\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
            .hears("QUIT\r\n")
            .says("221 bye\r\n");
        assert_eq!(against(&script, "no"), Ok(Verdict::Healthy));
    }

    #[test]
    fn a_server_that_knows_helo_only_is_healthy_too() {
        let script = Script::new()
            .says("220 old\r\n")
            .hears("EHLO evenkeel.invalid\r\n")
            .says("502 what?\r\n")
            .hears("HELO evenkeel.invalid\r\n")
            .says("250 hello\r\n")
            .hears("QUIT\r\n");
        assert_eq!(against(&script, "no"), Ok(Verdict::Healthy));
    }

    #[test]
    fn what_is_wrong_is_the_reason() {
        let busy = Script::new().says("421 too many connections\r\n");
        let reason = "greeting: expected 220, got \"421 too many connections\"";
        assert_eq!(against(&busy, "no"), unhealthy(reason));
        let ehlo = || {
            Script::new()
                .says("220 mx\r\n")
                .hears("EHLO evenkeel.invalid\r\n")
        };
        let refusing = ehlo().says("550 go away\r\n");
        let reason = "EHLO: expected 250, got \"550 go away\"";
        assert_eq!(against(&refusing, "no"), unhealthy(reason));
        let plain = ehlo().says("250 mx\r\n");
        let reason = "EHLO: it offers no STARTTLS";
        assert_eq!(against(&plain, "starttls"), unhealthy(reason));
        let busy = ehlo()
            .says("250-mx\r\n250 STARTTLS\r\n")
            .hears("STARTTLS\r\n")
            .says("454 not now\r\n");
        let reason = "STARTTLS: expected 220, got \"454 not now\"";
        assert_eq!(against(&busy, "starttls"), unhealthy(reason));
    }
}
