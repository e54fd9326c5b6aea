//! Labels of real servers, as values with types.

use crate::backends::Backend;
use crate::manifest::{SettingKind, SettingSpec, SettingValue, Values};
use crate::settings::Settings;

impl Backend {
    /// The labels as a struct made by [`settings!`](crate::settings!). A scheduler that declares it has the host check
    /// labels as it checks settings:
    ///
    /// ```
    /// use evenkeel_sdk::{Backends, DeclaredSetting, Plan, Scheduler, Settings, settings};
    ///
    /// settings! {
    ///     /// What a real server is like.
    ///     struct Labels {
    ///         /// How many processors it has.
    ///         #[range(1..=1024)]
    ///         cpus: u32 = 1,
    ///     }
    /// }
    ///
    /// struct ByCpus;
    ///
    /// impl Scheduler for ByCpus {
    ///     type Settings = ();
    ///     const LABELS: &'static [DeclaredSetting] = Labels::DECLARED;
    ///
    ///     fn new((): ()) -> Result<Self, String> {
    ///         Ok(Self)
    ///     }
    ///
    ///     fn plan(&mut self, servers: &Backends) -> Plan {
    ///         let width = |cpus: u32| cpus.max(1);
    ///         Plan::sequence(servers.taking().map(|server| {
    ///             let cpus = server.labels_as::<Labels>().map_or(1, |labels| labels.cpus);
    ///             (server.id, width(cpus))
    ///         }))
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// A label that is missing or is no such value. Of a scheduler that declares its labels the host lets none through.
    pub fn labels_as<T: Settings>(&self) -> Result<T, String> {
        T::from_values(values(&T::specs(), |key| self.label(key))?)
    }
}

fn values<'a>(
    specs: &[SettingSpec],
    label: impl Fn(&str) -> Option<&'a str>,
) -> Result<Values, String> {
    let mut values = Vec::new();
    for spec in specs {
        let value = match label(&spec.key) {
            Some(text) => Some(value(&spec.kind, text).ok_or_else(|| {
                format!(
                    "label {} cannot be {text:?}: wanted {:?}",
                    spec.key, spec.kind
                )
            })?),
            None => spec.default.clone(),
        };
        values.extend(value.map(|value| (spec.key.clone(), value)));
    }
    Ok(values.into_iter().collect())
}

/// A label's text as a value of that kind.
fn value(kind: &SettingKind, text: &str) -> Option<SettingValue> {
    match kind {
        SettingKind::Boolean => text.parse().ok().map(SettingValue::Boolean),
        SettingKind::Integer(least, greatest) => {
            let number = text.parse().ok();
            let number = number.filter(|it| (least..=greatest).contains(&it));
            number.map(SettingValue::Integer)
        }
        SettingKind::Number(least, greatest) => {
            let number = text.parse().ok();
            let number =
                number.filter(|it: &f64| it.is_finite() && (least..=greatest).contains(&it));
            number.map(SettingValue::Number)
        }
        // The host has matched the one, and the other finds its word itself.
        SettingKind::Text | SettingKind::Matching(_) | SettingKind::Choice(_) => {
            Some(SettingValue::Text(text.to_owned()))
        }
        SettingKind::TextList
        | SettingKind::Duration(..)
        | SettingKind::Secret
        | SettingKind::File
        | SettingKind::Tables(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings;

    settings! {
        #[derive(Debug, PartialEq)]
        struct Labels {
            cpus: u8 = 1,
            share: f64 = 0.5,
            spare: bool = false,
            zone: String,
        }
    }

    fn read(labels: &[(&str, &str)]) -> Result<Labels, String> {
        let mut server = Backend::new(1, "a", ([10, 0, 0, 1], 80).into(), 1);
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        server.labels = labels.iter().map(owned).collect();
        server.labels_as()
    }

    #[test]
    fn labels_are_values_with_types_and_defaults() {
        let labels = [
            ("cpus", "8"),
            ("spare", "true"),
            ("zone", "a"),
            ("rack", "7"),
        ];
        let wanted = Labels {
            cpus: 8,
            share: 0.5,
            spare: true,
            zone: "a".to_owned(),
        };
        assert_eq!(read(&labels), Ok(wanted));
    }

    #[test]
    fn a_label_that_is_missing_or_no_such_value_is_named() {
        for (labels, wanted) in [
            (&[("cpus", "8")][..], "zone is missing"),
            (
                &[("zone", "a"), ("cpus", "many")],
                "label cpus cannot be \"many\"",
            ),
            (
                &[("zone", "a"), ("cpus", "256")],
                "label cpus cannot be \"256\"",
            ),
            (
                &[("zone", "a"), ("share", "NaN")],
                "label share cannot be \"NaN\"",
            ),
        ] {
            let error = read(labels).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
