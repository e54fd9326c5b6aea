//! Drives plugins natively, in plain `cargo test`: through the same code as in Evenkeel, settings
//! checked and defaults filled in.
//!
//! ```
//! use std::net::TcpListener;
//! use std::time::Duration;
//!
//! use evenkeel_sdk::testing::{SchedulerTest, check};
//! # use evenkeel_sdk::{Backends, CheckError, HealthChecker, Plan, Scheduler, Target, Verdict};
//! # struct Turns;
//! # impl Scheduler for Turns {
//! #     type Settings = ();
//! #     fn new((): ()) -> Result<Self, String> { Ok(Self) }
//! #     fn plan(&mut self, backends: &Backends) -> Plan { Plan::sequence(backends.taking()) }
//! # }
//! # struct Accepts;
//! # impl HealthChecker for Accepts {
//! #     type Settings = ();
//! #     fn new((): ()) -> Result<Self, String> { Ok(Self) }
//! #     fn check(&mut self, target: &mut Target<'_>) -> Result<Verdict, CheckError> {
//! #         target.connect_tcp()?;
//! #         Ok(Verdict::Healthy)
//! #     }
//! # }
//!
//! // A scheduler, given servers with weights:
//! let mut test = SchedulerTest::<Turns>::new(&[])?;
//! test.backends(&[("a", 1), ("b", 5), ("draining", 0)]);
//! assert_eq!(test.slots(), ["a", "b"]);
//!
//! // A checker, with a real server:
//! let server = TcpListener::bind("127.0.0.1:0").unwrap();
//! let verdict = check::<Accepts>(&[], server.local_addr().unwrap(), Duration::from_secs(1))?;
//! assert_eq!(verdict, Verdict::Healthy);
//! # Ok::<(), String>(())
//! ```
//!
//! [`kit`] has what the tests of many schedulers say, such as that without servers connections are refused.
//!
//! Log messages of the plugin are kept for each thread: see [`logged`].

mod checks;
pub(crate) mod host;
pub mod kit;
mod net;
mod schedulers;
mod script;

pub use self::checks::{check, checker_manifest};
pub(crate) use self::host::{echo, run_command, session, set_session, watched_number};
pub use self::host::{
    logged, metrics, set_command_end, set_now, set_utc, set_watched_number, signals,
};
pub use self::schedulers::{FLOW, SchedulerTest, scheduler_manifest};
pub use self::script::Script;

use crate::manifest::{SettingKind, SettingSpec, SettingValue, Values};
use crate::settings::Settings;

/// The values for a plugin with the settings `S` as the host would hand them over: checked against
/// the description, with defaults.
fn values<S: Settings>(given: &[(&str, SettingValue)]) -> Result<Values, String> {
    filled(&S::specs(), given)
}

/// What is given of these, and the defaults of the rest.
fn filled(specs: &[SettingSpec], given: &[(&str, SettingValue)]) -> Result<Values, String> {
    for (key, _) in given {
        if !specs.iter().any(|spec| spec.key == *key) {
            let known: Vec<&str> = specs.iter().map(|spec| spec.key.as_str()).collect();
            return Err(format!(
                "unknown setting {key}; there are: {}",
                known.join(", ")
            ));
        }
    }
    let mut values = Vec::new();
    for spec in specs {
        let value = given
            .iter()
            .find(|(key, _)| *key == spec.key)
            .map(|(_, value)| value.clone());
        match value.or_else(|| spec.default.clone()) {
            Some(value) => values.push((spec.key.clone(), checked(spec, value)?)),
            None if spec.required => return Err(format!("setting {} is required", spec.key)),
            None => {}
        }
    }
    Ok(values.into_iter().collect())
}

/// The value, if it is one that the setting takes.
fn checked(spec: &SettingSpec, value: SettingValue) -> Result<SettingValue, String> {
    let fits = match (&spec.kind, &value) {
        (SettingKind::Integer(min, max), SettingValue::Integer(value)) => {
            (min..=max).contains(&value)
        }
        (SettingKind::Choice(words), SettingValue::Text(word)) => words.contains(word),
        (SettingKind::Number(min, max), SettingValue::Number(value)) => {
            value.is_finite() && (min..=max).contains(&value)
        }
        (SettingKind::Duration(min, max), SettingValue::Duration(value)) => {
            (min..=max).contains(&value)
        }
        (SettingKind::Boolean, SettingValue::Boolean(_))
        | (
            // Patterns are the host's to check: nobody else has regular expressions here.
            SettingKind::Text | SettingKind::Matching(_) | SettingKind::Secret | SettingKind::File,
            SettingValue::Text(_),
        )
        | (SettingKind::TextList, SettingValue::TextList(_)) => true,
        (SettingKind::Tables(keys), SettingValue::Tables(tables)) => {
            let tables = tables.iter().map(|table| filled(keys, &table.entries()));
            return Ok(SettingValue::Tables(tables.collect::<Result<_, _>>()?));
        }
        _ => false,
    };
    if fits {
        Ok(value)
    } else {
        Err(format!(
            "setting {} cannot be {value:?}: wanted {:?}",
            spec.key, spec.kind
        ))
    }
}

#[cfg(test)]
mod tests;
