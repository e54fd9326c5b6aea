//! Single values of a workload, each with what would be right where it is wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_runtime::text::clean;
use serde::Deserialize;

/// Times are at most this: what lasts longer is not simulated.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// A time, in words.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Time(pub(super) Duration);

impl TryFrom<String> for Time {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let right = "a time of at most 24 hours is right, such as \"2s\" or \"250ms\"";
        match humantime::parse_duration(&text) {
            Ok(time) if time <= LONGEST => Ok(Self(time)),
            Ok(_) | Err(_) => Err(format!("{text:?}: {right}")),
        }
    }
}

/// A time that is not 0.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "Time")]
pub(super) struct Span(pub(super) Duration);

impl TryFrom<Time> for Span {
    type Error = String;

    fn try_from(Time(time): Time) -> Result<Self, String> {
        // Less than that, and the number of events has no bound that anybody would wait for.
        if time < Duration::from_millis(1) {
            return Err("at least \"1ms\" is right".to_owned());
        }
        Ok(Self(time))
    }
}

/// A number in bounds that its type has.
macro_rules! number {
    ($(#[$doc:meta])* $name:ident: $from:ty, $ok:expr, $right:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
        #[serde(try_from = "toml::Value")]
        pub(super) struct $name(pub(super) $from);

        impl TryFrom<toml::Value> for $name {
            type Error = String;

            fn try_from(value: toml::Value) -> Result<Self, String> {
                let ok: fn(&$from) -> bool = $ok;
                let number = value.clone().try_into::<$from>().ok();
                let whole = || value.as_integer().and_then(|it| it.to_string().parse().ok());
                match number.or_else(whole).filter(ok) {
                    Some(number) => Ok(Self(number)),
                    None => Err(format!("{value}: {} is right", $right)),
                }
            }
        }
    };
}

number!(
    /// New connections a second.
    Rate: f64,
    |it| (0.0..=1_000_000.0).contains(it),
    "a number from 0 to 1000000"
);
number!(
    /// The exponent of a Zipf distribution.
    Exponent: f64,
    |it| *it > 0.0 && *it <= 5.0,
    "a number above 0 and up to 5"
);
number!(
    /// The shape of a Pareto distribution whose mean is finite.
    Shape: f64,
    |it| *it > 1.0 && *it <= 100.0,
    "a number above 1 and up to 100"
);
number!(
    /// How fast a server is.
    Speed: f64,
    |it| (0.001..=1000.0).contains(it),
    "a number from 0.001 to 1000"
);
number!(
    /// How many clients there are.
    ClientCount: u32,
    |it| (1..=1_000_000).contains(it),
    "a whole number from 1 to 1000000"
);
number!(
    /// A server's weight.
    Weight: u32,
    |it| *it <= 65_535,
    "a whole number from 0 to 65535"
);
number!(
    /// How many connections a server serves at once.
    Capacity: u32,
    |it| (1..=1_000_000).contains(it),
    "a whole number from 1 to 1000000"
);

/// A server's name: it gets into tables and charts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Name(pub(super) String);

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // What would have to be escaped for a terminal is in no name.
        if text.is_empty() || text.chars().count() > 32 || clean(&text, 32) != text {
            return Err(format!(
                "{text:?}: a name of 1 to 32 characters without control characters is right"
            ));
        }
        Ok(Self(text))
    }
}

/// Labels of a server.
pub(super) type Labels = BTreeMap<String, String>;
