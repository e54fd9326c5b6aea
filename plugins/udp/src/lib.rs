//! Healthy is who answers a datagram, or at least does not refuse it.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use evenkeel_sdk::{
    CheckError, Connection, HealthChecker, Target, Verdict, choice, hex, register_checker,
    settings, shown,
};

mod pattern;

use pattern::Pattern;

choice! {
    /// What a server must do.
    pub enum Require {
        /// Answer.
        Reply = "reply",
        /// Not refuse: no ICMP error comes, and the machine is there.
        NoError = "no-error",
    }
}

settings! {
    /// What can be configured.
    #[derive(Debug)]
    pub struct Settings {
        /// Text that is sent.
        payload: Option<String>,
        /// Bytes that are sent, as hexadecimal digits: "0a ff". Not beside payload. Without either it is one byte, 0.
        payload_hex: Option<String>,
        /// Whether the server must answer ("reply"), or only must not refuse ("no-error").
        require: Require = Require::NoError,
        /// What an answer must begin with, as hexadecimal digits; "x" stands for any digit: "0a xx 01".
        expect_hex: Option<String>,
        /// Least bytes of an answer.
        #[range(0..=65_535)]
        min_length: usize = 0,
        /// With "no-error": how long to wait for an ICMP error.
        wait: Duration = Duration::from_millis(300),
        /// With "no-error": whether the machine must answer an ICMP echo request. A machine that is off refuses nothing.
        ping: bool = true,
    }
}

/// The checker.
#[derive(Debug)]
pub struct Udp {
    payload: Vec<u8>,
    require: Require,
    expected: Option<Pattern>,
    min_length: usize,
    wait: Duration,
    ping: bool,
}

impl HealthChecker for Udp {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        let payload = match (settings.payload, settings.payload_hex) {
            (Some(_), Some(_)) => {
                return Err("payload and payload-hex: only one of them".to_owned());
            }
            (Some(text), None) => text.into_bytes(),
            (None, Some(digits)) => hex(&digits).map_err(|why| format!("payload-hex: {why}"))?,
            (None, None) => vec![0],
        };
        let judges = settings.expect_hex.is_some() || settings.min_length > 0;
        if judges && settings.require == Require::NoError {
            return Err("expect-hex and min-length need require = \"reply\"".to_owned());
        }
        Ok(Self {
            payload,
            require: settings.require,
            expected: settings
                .expect_hex
                .as_deref()
                .map(Pattern::new)
                .transpose()?,
            min_length: settings.min_length,
            wait: settings.wait,
            ping: settings.ping,
        })
    }

    fn check(&mut self, target: &mut Target<'_>) -> Result<Verdict, CheckError> {
        match self.require {
            Require::Reply => self.reply(target),
            Require::NoError => self.no_error(target),
        }
    }
}

impl Udp {
    fn reply(&self, target: &Target<'_>) -> Result<Verdict, CheckError> {
        let mut socket = target.connect_udp()?;
        self.ask(&mut socket)?;
        let mut answer = vec![0; 65_535];
        let length = socket.read(&mut answer)?;
        answer.truncate(length);
        if length < self.min_length {
            return Err(CheckError::new(format!(
                "an answer of {length} bytes, wanted {} at least",
                self.min_length
            )));
        }
        match &self.expected {
            Some(expected) if !expected.begins(&answer) => Err(CheckError::new(format!(
                "expected an answer that begins with {expected}, got {}",
                shown(&answer)
            ))),
            _ => Ok(Verdict::Healthy),
        }
    }

    /// Sends the datagram. (`write_all` would not send an empty one, so that nothing could be refused; `write` sends all.)
    fn ask(&self, socket: &mut Connection) -> Result<(), CheckError> {
        let _all = socket.write(&self.payload)?;
        Ok(())
    }

    fn no_error(&self, target: &mut Target<'_>) -> Result<Verdict, CheckError> {
        if self.ping {
            target.set_connect_timeout(None);
            target.echo(0)?;
        }
        let mut socket = target.connect_udp()?;
        self.ask(&mut socket)?;
        socket.set_read_timeout(Some(self.wait));
        match socket.read(&mut [0; 1]) {
            Ok(_) => Ok(Verdict::Healthy),
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => Ok(Verdict::Healthy),
            Err(error) => Err(error.into()),
        }
    }
}

register_checker!(
    Udp,
    "udp",
    "a datagram is answered, or at least not refused"
);

#[cfg(test)]
mod tests;
