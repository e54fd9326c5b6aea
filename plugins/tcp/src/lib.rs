//! Healthy is who accepts a TCP connection, and says what it should, if that is asked for.

use std::io::Read as _;

use evenkeel_sdk::{
    CheckError, Dialogue, HealthChecker, Target, TlsOptions, Verdict, choice, hex,
    register_checker, settings, shown,
};
use regex_lite::Regex;

choice! {
    /// How the connection is closed.
    pub enum Close {
        /// At once (RST): nothing stays behind on either side.
        Reset = "reset",
        /// In order (FIN), and the server's own end is waited for: for servers that log a reset as an error.
        Finish = "finish",
    }
}

settings! {
    /// What can be configured.
    #[derive(Debug)]
    pub struct Settings {
        /// Text that is sent first, such as "PING\r\n".
        send: Option<String>,
        /// Bytes that are sent first, as hexadecimal digits: "16 03 01". Not beside send.
        send_hex: Option<String>,
        /// Text that the server must say, somewhere in its first 64 KiB.
        expect: Option<String>,
        /// Bytes that the server must say, as hexadecimal digits.
        expect_hex: Option<String>,
        /// A regular expression that what the server says must match, somewhere; "^" is its beginning. Without
        /// look-around and back-references.
        expect_regex: Option<String>,
        /// Whether to speak TLS.
        tls: bool = false,
        /// Whether the server's certificate must be valid and for its name.
        tls_verify: bool = true,
        /// The name for TLS (SNI, certificate); the server's address if left out.
        sni: Option<String>,
        /// How the connection is closed.
        close: Close = Close::Reset,
    }
}

/// What the server must say.
#[derive(Debug)]
enum Expected {
    Bytes(Vec<u8>, String),
    Pattern(Regex),
}

impl Expected {
    fn is_in(&self, said: &[u8]) -> bool {
        match self {
            Self::Bytes(bytes, _) => said.windows(bytes.len()).any(|it| it == bytes),
            Self::Pattern(pattern) => pattern.is_match(&String::from_utf8_lossy(said)),
        }
    }

    fn what(&self) -> String {
        match self {
            Self::Bytes(_, written) => format!("expected {written}"),
            Self::Pattern(pattern) => format!("expected what matches /{pattern}/"),
        }
    }
}

/// The checker.
#[derive(Debug)]
pub struct Tcp {
    send: Vec<u8>,
    expected: Option<Expected>,
    tls: Option<TlsOptions>,
    close: Close,
}

impl HealthChecker for Tcp {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        let send = match (settings.send, settings.send_hex) {
            (Some(_), Some(_)) => return Err("send and send-hex: only one of them".to_owned()),
            (Some(text), None) => text.into_bytes(),
            (None, Some(digits)) => hex(&digits).map_err(|why| format!("send-hex: {why}"))?,
            (None, None) => Vec::new(),
        };
        let expected = [
            settings.expect.map(|text| {
                Ok(Expected::Bytes(
                    text.clone().into_bytes(),
                    shown(text.as_bytes()),
                ))
            }),
            settings.expect_hex.map(|digits| {
                let bytes = hex(&digits).map_err(|why| format!("expect-hex: {why}"))?;
                Ok(Expected::Bytes(bytes, digits))
            }),
            settings.expect_regex.map(|pattern| {
                let compiled = Regex::new(&pattern);
                let compiled = compiled.map_err(|why| format!("expect-regex: {why}"))?;
                Ok(Expected::Pattern(compiled))
            }),
        ];
        let mut expected = expected.into_iter().flatten();
        let first: Option<Result<Expected, String>> = expected.next();
        if expected.next().is_some() {
            return Err("expect, expect-hex and expect-regex: only one of them".to_owned());
        }
        let expected = first.transpose()?;
        if matches!(&expected, Some(Expected::Bytes(bytes, _)) if bytes.is_empty()) {
            return Err("what is expected is empty: leave it out".to_owned());
        }
        if !settings.tls && settings.sni.is_some() {
            return Err("sni needs tls = true".to_owned());
        }
        Ok(Self {
            send,
            expected,
            tls: settings
                .tls
                .then(|| TlsOptions::named(settings.sni, settings.tls_verify)),
            close: settings.close,
        })
    }

    fn check(&mut self, target: &mut Target<'_>) -> Result<Verdict, CheckError> {
        let mut server = Dialogue::connect(target, self.tls.as_ref())?;
        if !self.send.is_empty() {
            server.send(&self.send)?;
        }
        if let Some(expected) = &self.expected {
            server.until(&expected.what(), |said| expected.is_in(said))?;
        }
        if self.close == Close::Finish {
            let mut connection = server.into_connection();
            connection.finish()?;
            // Until its own end, or the check's: either is well.
            let mut rest = [0; 512];
            while connection.read(&mut rest).is_ok_and(|length| length > 0) {}
        }
        Ok(Verdict::Healthy)
    }
}

register_checker!(
    Tcp,
    "tcp",
    "a TCP connection is accepted, and the server says what it should"
);

#[cfg(test)]
mod tests;
