//! Drives plugins natively, in plain `cargo test`: through the same code as in Evenkeel, settings
//! checked and defaults filled in.
//!
//! Log messages of the plugin are kept for each thread: see [`logged`].

mod checks;
pub(crate) mod host;
mod net;
mod schedulers;

pub use self::checks::{check, checker_manifest};
pub use self::host::logged;
pub use self::schedulers::{SchedulerTest, scheduler_manifest};

use crate::manifest::{SettingKind, SettingSpec, SettingValue};
use crate::settings::{Settings, Values};

/// The values for a plugin with the settings `S` as the host would hand them over: checked against
/// the description, with defaults.
fn values<S: Settings>(given: &[(&str, SettingValue)]) -> Result<Values, String> {
    let specs = S::specs();
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
            Some(value) => values.push((spec.key.clone(), checked(&spec, value)?)),
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
        (SettingKind::Number, SettingValue::Number(value)) => value.is_finite(),
        (SettingKind::Boolean, SettingValue::Boolean(_))
        | (SettingKind::Text, SettingValue::Text(_))
        | (SettingKind::TextList, SettingValue::TextList(_))
        | (SettingKind::Duration, SettingValue::Duration(_)) => true,
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
