//! Healthy is an SSH server that says which version it speaks.

use evenkeel_sdk::{
    CheckError, Dialogue, HealthChecker, Target, Verdict, register_checker, settings, shown,
};

/// Lines that a server may say before its version (RFC 4253, section 4.2).
const MAX_LINES: usize = 50;

settings! {
    /// What can be configured.
    #[derive(Debug)]
    pub struct Settings {
        /// Text that the server's version must contain, such as "OpenSSH".
        contains: Option<String>,
    }
}

/// The checker.
#[derive(Debug)]
pub struct Ssh(Settings);

impl HealthChecker for Ssh {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        Ok(Self(settings))
    }

    fn check(&mut self, target: &mut Target<'_>) -> Result<Verdict, CheckError> {
        let mut server = Dialogue::over(target.connect_tcp()?);
        // Ours first, so that a server that waits for it is not kept waiting, and none logs a client without one.
        server.send(concat!(
            "SSH-2.0-evenkeel_",
            env!("CARGO_PKG_VERSION"),
            "\r\n"
        ))?;
        for _ in 0..MAX_LINES {
            let line = server.line("version")?;
            let Some(rest) = line.strip_prefix("SSH-") else {
                continue;
            };
            if !rest.starts_with("2.0-") && !rest.starts_with("1.99-") {
                let got = shown(line.as_bytes());
                return Err(CheckError::new(format!("expected SSH 2.0, got {got}")));
            }
            return match &self.0.contains {
                Some(text) if !line.contains(text.as_str()) => {
                    let got = shown(line.as_bytes());
                    Err(CheckError::new(format!(
                        "expected {text} in the version, got {got}"
                    )))
                }
                _ => Ok(Verdict::Healthy),
            };
        }
        Err(CheckError::new("it says no version in 50 lines"))
    }
}

register_checker!(Ssh, "ssh", "an SSH server says which version it speaks");

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use evenkeel_sdk::SettingValue;
    use evenkeel_sdk::testing::{Script, check};

    use super::*;

    fn against(says: &str, settings: &[(&str, SettingValue)]) -> Result<Verdict, String> {
        let script = Script::new().says(says);
        check::<Ssh>(settings, script.start(), Duration::from_secs(3))
    }

    #[test]
    fn a_server_of_version_2_is_healthy_whatever_it_says_before() {
        for says in [
            "SSH-2.0-OpenSSH_9.2p1\r\n",
            "authorized use only\r\nSSH-2.0-x\r\n",
            "SSH-1.99-old\n",
        ] {
            assert_eq!(against(says, &[]), Ok(Verdict::Healthy), "{says}");
        }
    }

    #[test]
    fn another_one_is_not() {
        let cases = [
            (
                "SSH-1.5-ancient\r\n",
                "expected SSH 2.0, got \"SSH-1.5-ancient\"",
            ),
            (
                "HTTP/1.1 400\r\n",
                "version: the server closed the connection",
            ),
        ];
        for (says, reason) in cases {
            assert_eq!(against(says, &[]), Ok(Verdict::Unhealthy(reason.into())));
        }
        let wanted = [("contains", "OpenSSH".into())];
        let reason = "expected OpenSSH in the version, got \"SSH-2.0-other\"";
        let verdict = against("SSH-2.0-other\r\n", &wanted);
        assert_eq!(verdict, Ok(Verdict::Unhealthy(reason.into())));
    }
}
