//! Healthy is a server of which a number in a file on the director says so; or the number is its weight.

use evenkeel_sdk::{
    CheckError, HealthChecker, Target, Verdict, choice, register_checker, settings,
};

choice! {
    /// What the number is.
    pub enum Means {
        /// 0: healthy. Anything else: failed.
        Health = "health",
        /// A weight.
        Weight = "weight",
    }
}

settings! {
    /// What can be configured.
    #[derive(Debug)]
    pub struct Settings {
        /// The file, by its whole path. It needs a grant: a line in [plugins.grants].
        path: String,
        /// What the number in it is: "health" (0 is healthy, anything else is not) or "weight".
        means: Means = Means::Health,
        /// With "health": a number other than 0 is healthy, and 0 is not.
        reverse: bool = false,
        /// With "weight": what the number is multiplied by.
        #[range(-1_000_000..=1_000_000)]
        factor: i64 = 1,
        /// With "weight": what is added to that.
        #[range(-1_000_000..=1_000_000)]
        base: i64 = 0,
        /// With "weight": the sum that is all of the server's weight. More is all of it, too.
        #[range(1..=1_000_000)]
        full_weight: i64 = 100,
    }
}

/// The checker.
#[derive(Debug)]
pub struct Watched(Settings);

impl HealthChecker for Watched {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        Ok(Self(settings))
    }

    fn check(&mut self, target: &mut Target<'_>) -> Result<Verdict, CheckError> {
        let number = target.watched_number()?;
        if self.0.means == Means::Weight {
            return Ok(self.weight(number));
        }
        if (number == 0) != self.0.reverse {
            return Ok(Verdict::Healthy);
        }
        let path = &self.0.path;
        Err(CheckError::new(format!("{number} in {path}")))
    }
}

impl Watched {
    fn weight(&self, number: i64) -> Verdict {
        let Settings {
            path,
            factor,
            base,
            full_weight,
            ..
        } = &self.0;
        let weight = i128::from(number) * i128::from(*factor) + i128::from(*base);
        let full = i128::from(*full_weight);
        let weight = weight.clamp(0, full);
        // Rounded up, so that only nothing is 0.
        let percent = u8::try_from((weight * 100 + full - 1) / full).unwrap_or(100);
        if percent == 100 {
            Verdict::Healthy
        } else {
            Verdict::Degraded(percent, format!("{number} in {path}"))
        }
    }
}

register_checker!(
    Watched,
    "file",
    "a number in a file of this machine says so, or is its weight"
);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use evenkeel_sdk::SettingValue;
    use evenkeel_sdk::testing::{check, set_watched_number};

    use super::*;

    fn checked(number: Option<i64>, more: &[(&str, SettingValue)]) -> String {
        set_watched_number(number);
        let mut settings = vec![("path", "/run/load".into())];
        settings.extend_from_slice(more);
        let address = ([192, 0, 2, 1], 80).into();
        match check::<Watched>(&settings, address, Duration::from_secs(1)).unwrap() {
            Verdict::Healthy => "healthy".to_owned(),
            Verdict::Degraded(percent, why) => format!("{percent} %: {why}"),
            Verdict::Unhealthy(why) => why,
        }
    }

    #[test]
    fn as_health_0_is_healthy_and_reversed_it_is_not() {
        assert_eq!(checked(Some(0), &[]), "healthy");
        assert_eq!(checked(Some(-3), &[]), "-3 in /run/load");
        let reverse = [("reverse", true.into())];
        assert_eq!(checked(Some(0), &reverse), "0 in /run/load");
        assert_eq!(checked(Some(7), &reverse), "healthy");
        let none = "the file has no whole number in it";
        assert_eq!(checked(None, &reverse), none);
    }

    #[test]
    fn as_weight_the_number_is_multiplied_and_added_to_and_a_part_of_the_full_weight() {
        let part = |number, factor: i64, base: i64, full: i64| {
            let settings = [
                ("means", "weight".into()),
                ("factor", factor.into()),
                ("base", base.into()),
                ("full-weight", full.into()),
            ];
            let shown = checked(Some(number), &settings);
            shown.split(' ').next().unwrap().to_owned()
        };
        assert_eq!(part(40, 1, 0, 100), "40");
        assert_eq!(part(-5, 1, 0, 100), "0");
        assert_eq!(part(1, 1, 0, 1000), "1");
        assert_eq!(part(100, 1, 0, 100), "healthy");
        assert_eq!(part(i64::MAX, 1_000_000, 0, 100), "healthy");
        assert_eq!(part(5, -1, 10, 10), "50");
        assert_eq!(part(0, -1, 10, 10), "healthy");
    }
}
