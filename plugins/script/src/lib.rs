//! Healthy is a server of which a command on the director says so, by its exit code.

use std::time::Duration;

use evenkeel_sdk::{
    CheckError, CommandEnd, HealthChecker, Target, Verdict, register_checker, settings,
};

settings! {
    /// What can be configured.
    #[derive(Debug)]
    pub struct Settings {
        /// The program, by its whole path, and its arguments. It needs a grant: a line in [plugins.grants].
        command: Vec<String>,
        /// Whether exit codes from 2 on are a weight: the code less 2.
        dynamic_weight: bool = false,
        /// With dynamic-weight: the weight that is all of the server's weight. More is all of it, too.
        #[range(1..=65_535)]
        full_weight: u32 = 100,
        /// How long the command may take; by itself, until the check's own timeout.
        timeout: Option<Duration>,
    }
}

/// The checker.
#[derive(Debug)]
pub struct Script(Settings);

impl HealthChecker for Script {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        Ok(Self(settings))
    }

    fn check(&mut self, target: &mut Target<'_>) -> Result<Verdict, CheckError> {
        target.set_connect_timeout(self.0.timeout);
        let end = target.run_command()?;
        judge(&end, self.0.dynamic_weight.then_some(self.0.full_weight))
    }
}

/// `full`: the weight that is all of it, if exit codes are weights.
fn judge(end: &CommandEnd, full: Option<u32>) -> Result<Verdict, CheckError> {
    match (end.code, full) {
        (Some(0), _) => Ok(Verdict::Healthy),
        (Some(code @ 2..), Some(full)) => {
            let weight = u32::from(code) - 2;
            // So that only nothing is 0.
            let percent = (weight * 100).div_ceil(full).min(100);
            let percent = u8::try_from(percent).unwrap_or(100);
            Ok(if percent == 100 {
                Verdict::Healthy
            } else {
                Verdict::Degraded(percent, with(&format!("exit code {code}"), end))
            })
        }
        (Some(code), _) => Err(CheckError::new(with(&format!("exit code {code}"), end))),
        (None, _) => Err(CheckError::new(with("a signal ended the command", end))),
    }
}

/// With the first line of what the command has written.
fn with(what: &str, end: &CommandEnd) -> String {
    let mut lines = end.output.lines().map(str::trim);
    match lines.find(|line| !line.is_empty()) {
        Some(line) => format!("{what}: {line}"),
        None => what.to_owned(),
    }
}

register_checker!(
    Script,
    "script",
    "a command of this machine exits with 0, or with a weight"
);

#[cfg(test)]
mod tests {
    use evenkeel_sdk::testing::{check, set_command_end};

    use super::*;

    fn checked(code: Option<u8>, output: &str, dynamic: bool, full: i64) -> Verdict {
        set_command_end(Some(CommandEnd {
            code,
            output: output.to_owned(),
        }));
        let settings = [
            ("command", vec!["/bin/check".to_owned()].into()),
            ("dynamic-weight", dynamic.into()),
            ("full-weight", full.into()),
        ];
        let address = ([192, 0, 2, 1], 80).into();
        check::<Script>(&settings, address, Duration::from_secs(1)).unwrap()
    }

    #[test]
    fn exit_code_0_is_healthy_and_every_other_is_not() {
        assert_eq!(checked(Some(0), "fine", false, 100), Verdict::Healthy);
        let failed = |code, output| match checked(code, output, false, 100) {
            Verdict::Unhealthy(reason) => reason,
            other => format!("{other:?}"),
        };
        assert_eq!(failed(Some(1), ""), "exit code 1");
        assert_eq!(
            failed(Some(52), "\n no disk\nmore"),
            "exit code 52: no disk"
        );
        assert_eq!(failed(None, ""), "a signal ended the command");
    }

    #[test]
    fn with_dynamic_weight_a_code_from_2_on_is_the_part_of_the_full_weight() {
        let part = |code: u8, full| match checked(Some(code), "", true, full) {
            Verdict::Healthy => 100,
            Verdict::Degraded(percent, _) => percent,
            Verdict::Unhealthy(reason) => panic!("{reason}"),
        };
        assert_eq!(part(0, 100), 100);
        for (code, full, percent) in [
            (2, 100, 0),
            (3, 100, 1),
            (52, 100, 50),
            (102, 100, 100),
            (255, 100, 100),
            (3, 253, 1),
            (255, 253, 100),
            (7, 10, 50),
        ] {
            assert_eq!(part(code, full), percent, "code {code} of {full}");
        }
        assert!(matches!(
            checked(Some(1), "", true, 100),
            Verdict::Unhealthy(_)
        ));
    }

    #[test]
    fn a_command_that_takes_too_long_is_a_failure() {
        set_command_end(None);
        let settings = [("command", vec!["/bin/check".to_owned()].into())];
        let address = ([192, 0, 2, 1], 80).into();
        let verdict = check::<Script>(&settings, address, Duration::from_secs(1)).unwrap();
        let late = "the command did not end in time".to_owned();
        assert_eq!(verdict, Verdict::Unhealthy(late));
    }
}
