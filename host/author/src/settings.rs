//! Settings of every kind that a configuration could hold.

use std::fs;
use std::time::Duration;

use evenkeel_core::manifest::{Setting, SettingKind, SettingSpec, SettingValue};
use evenkeel_core::secret::Secret;
use toml::Value;

use crate::{Refused, refuse};

/// The settings that a plugin is tried with.
pub(crate) struct Variants {
    /// With which most cases run: defaults, what the author has given, and some value where one must be.
    pub(crate) base: Vec<Setting>,
    /// The base with one setting changed, each with the change in words.
    pub(crate) others: Vec<(String, Vec<Setting>)>,
    /// The settings of the base that must be given, and were not.
    pub(crate) invented: Vec<String>,
}

impl Variants {
    /// `given` is the inside of an inline table.
    pub(crate) fn new(specs: &[SettingSpec], given: &str) -> Result<Self, Refused> {
        let given = match format!("settings = {{ {given} }}").parse::<toml::Table>() {
            Ok(table) => table
                .get("settings")
                .and_then(Value::as_table)
                .cloned()
                .unwrap_or_default(),
            Err(error) => refuse!(
                "the settings {given:?} are no TOML, such as how = \"fast\": {}",
                error.message()
            ),
        };
        if let Some(key) = given
            .keys()
            .find(|key| !specs.iter().any(|spec| spec.key == **key))
        {
            let known: Vec<&str> = specs.iter().map(|spec| &*spec.key).collect();
            refuse!(
                "the plugin has no setting {key:?}; it has: {}",
                known.join(", ")
            );
        }
        let must = specs
            .iter()
            .filter(|it| it.required && it.default.is_none());
        let missing = must.filter(|spec| !given.contains_key(&spec.key));
        let invented = missing.map(|spec| spec.key.clone()).collect();
        let mut base = Vec::new();
        for spec in specs {
            let value = match given.get(&spec.key) {
                Some(written) => Some(read(spec, written)?),
                None if spec.default.is_none() && spec.required => {
                    let mut values = values(&spec.kind).into_iter();
                    let Some(value) = values.next() else {
                        refuse!(
                            "the setting {} must be given and be {}: give one by --settings '{} = \"...\"'",
                            spec.key,
                            spec.kind,
                            spec.key
                        );
                    };
                    Some(value)
                }
                None => spec.default.clone(),
            };
            base.extend(value.map(|value| Setting {
                key: spec.key.clone(),
                value,
            }));
        }
        let mut others = Vec::new();
        for spec in specs.iter().filter(|spec| !given.contains_key(&spec.key)) {
            for value in values(&spec.kind) {
                let words = format!("{} = {}", spec.key, show(&value));
                let mut settings = base.clone();
                settings.retain(|setting| setting.key != spec.key);
                settings.push(Setting {
                    key: spec.key.clone(),
                    value,
                });
                // The host hands them over in the manifest's order.
                settings
                    .sort_by_key(|setting| specs.iter().position(|spec| spec.key == setting.key));
                others.push((words, settings));
            }
        }
        Ok(Self {
            base,
            others,
            invented,
        })
    }
}

/// Values that the host lets through, the mildest first: the ends of what is allowed, and what nobody thinks of.
fn values(kind: &SettingKind) -> Vec<SettingValue> {
    let texts = || {
        [
            "a".to_owned(),
            String::new(),
            "\u{e4}\u{1f30a} \"'\\".to_owned(),
            "x".repeat(1000),
        ]
    };
    match kind {
        SettingKind::Boolean => [true, false].map(SettingValue::Boolean).into(),
        SettingKind::Integer { min, max } => {
            let mild = 1.clamp(*min, *max);
            let mut values = vec![mild, *min, *max];
            values.dedup();
            values.into_iter().map(SettingValue::Integer).collect()
        }
        SettingKind::Number { min, max } => {
            let values = [1.0, 0.0, -1.0, f64::MIN_POSITIVE, f64::MAX, f64::MIN];
            let mut values = values.map(|it: f64| it.clamp(*min, *max)).to_vec();
            values.dedup();
            values.into_iter().map(SettingValue::Number).collect()
        }
        SettingKind::Text => texts().map(SettingValue::Text).into(),
        SettingKind::TextList => [vec!["a".to_owned()], Vec::new(), texts().into()]
            .map(SettingValue::TextList)
            .into(),
        SettingKind::Duration { min, max } => {
            let values = [1000, 0, 1, 365 * 86_400_000].map(Duration::from_millis);
            let mut values = values.map(|it| it.clamp(*min, *max)).to_vec();
            values.dedup();
            values.into_iter().map(SettingValue::Duration).collect()
        }
        SettingKind::Choice(words) => words.iter().cloned().map(SettingValue::Text).collect(),
        // The shortest that may match, and what authors write first; none of them need.
        SettingKind::Matching(pattern) => {
            let guesses = [
                "",
                "/",
                "a",
                "1",
                "0",
                "a.example",
                "10.0.0.1",
                "GET",
                "application/json",
            ];
            let texts = texts().into_iter().chain(guesses.map(str::to_owned));
            let texts = texts.filter(|it| pattern.matches(it));
            texts.map(SettingValue::Text).collect()
        }
        SettingKind::File => texts().map(SettingValue::Text).into(),
        SettingKind::Secret => texts().map(Secret::new).map(SettingValue::Secret).into(),
        SettingKind::Tables(keys) => tables(keys),
    }
}

/// No table, one, and two of the same; where a key must be given and no value can be guessed, no table only.
fn tables(keys: &[SettingSpec]) -> Vec<SettingValue> {
    let entry = |spec: &SettingSpec| {
        let value = spec.default.clone();
        let value = value.or_else(|| values(&spec.kind).into_iter().next())?;
        Some(Setting {
            key: spec.key.clone(),
            value,
        })
    };
    let table: Option<Vec<Setting>> = keys.iter().map(entry).collect();
    let lists = match table {
        Some(table) => vec![vec![table.clone()], Vec::new(), vec![table.clone(), table]],
        None => vec![Vec::new()],
    };
    lists.into_iter().map(SettingValue::Tables).collect()
}

/// A value of the author's, if it is one that the setting takes.
fn read(spec: &SettingSpec, written: &Value) -> Result<SettingValue, Refused> {
    let value = match (&spec.kind, written) {
        (SettingKind::Boolean, Value::Boolean(value)) => Some(SettingValue::Boolean(*value)),
        (SettingKind::Integer { min, max }, Value::Integer(n)) if (min..=max).contains(&n) => {
            Some(SettingValue::Integer(*n))
        }
        (SettingKind::Number { min, max }, Value::Float(n)) if (min..=max).contains(&n) => {
            Some(*n).filter(|n| n.is_finite()).map(SettingValue::Number)
        }
        (SettingKind::Number { min, max }, Value::Integer(n)) => {
            let number = n.to_string().parse::<f64>().ok();
            let number = number.filter(|n| (min..=max).contains(&n));
            number.map(SettingValue::Number)
        }
        (SettingKind::Text, Value::String(text)) => Some(SettingValue::Text(text.clone())),
        (SettingKind::Choice(words), Value::String(word)) if words.contains(word) => {
            Some(SettingValue::Text(word.clone()))
        }
        (SettingKind::Matching(pattern), Value::String(text)) if pattern.matches(text) => {
            Some(SettingValue::Text(text.clone()))
        }
        (SettingKind::File, Value::String(file)) => match fs::read_to_string(file) {
            Ok(text) => Some(SettingValue::Text(text)),
            Err(error) => refuse!("{} = {written}: {error}", spec.key),
        },
        // The author's own, for a trial: it stands on the command line anyway.
        (SettingKind::Secret, Value::String(text)) => {
            Some(SettingValue::Secret(Secret::new(text.clone())))
        }
        (SettingKind::TextList, Value::Array(list)) => {
            let texts = list.iter().map(|text| text.as_str().map(str::to_owned));
            texts.collect::<Option<_>>().map(SettingValue::TextList)
        }
        (SettingKind::Duration { min, max }, Value::String(text)) => {
            let time = humantime::parse_duration(text).ok();
            let time = time.filter(|time| (min..=max).contains(&time));
            time.map(SettingValue::Duration)
        }
        (SettingKind::Tables(keys), Value::Array(list)) => Some(SettingValue::Tables(
            list.iter()
                .map(|table| read_table(spec, keys, table))
                .collect::<Result<_, _>>()?,
        )),
        _ => None,
    };
    value.ok_or_else(|| Refused(format!("{} = {written}: it takes {}", spec.key, spec.kind)))
}

/// One table of a setting's.
fn read_table(
    spec: &SettingSpec,
    keys: &[SettingSpec],
    written: &Value,
) -> Result<Vec<Setting>, Refused> {
    let Value::Table(table) = written else {
        refuse!("{} = {written}: it takes {}", spec.key, spec.kind);
    };
    if let Some(key) = table
        .keys()
        .find(|key| !keys.iter().any(|it| it.key == **key))
    {
        refuse!(
            "{}: it has no key {key:?}: it takes {}",
            spec.key,
            spec.kind
        );
    }
    let mut entries = Vec::new();
    for key in keys {
        let value = match table.get(&key.key) {
            Some(written) => Some(read(key, written)?),
            None if key.required && key.default.is_none() => {
                refuse!("{}: each of its tables needs the key {}", spec.key, key.key)
            }
            None => key.default.clone(),
        };
        entries.extend(value.map(|value| Setting {
            key: key.key.clone(),
            value,
        }));
    }
    Ok(entries)
}

fn show(value: &SettingValue) -> String {
    let mut shown = match value {
        // All digits of the least and the greatest are hundreds.
        SettingValue::Number(value) => format!("{value:e}"),
        other => other.to_string(),
    };
    if let Some((end, _)) = shown.char_indices().nth(40) {
        shown.truncate(end);
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(key: &str, kind: SettingKind, default: Option<SettingValue>) -> SettingSpec {
        SettingSpec {
            key: key.to_owned(),
            doc: String::new(),
            kind,
            required: default.is_none(),
            default,
        }
    }

    fn specs() -> [SettingSpec; 2] {
        let words = SettingKind::Choice(vec!["fast".into(), "slow".into()]);
        let count = SettingKind::Integer { min: 0, max: 9 };
        [
            spec("how", words, None),
            spec("count", count, Some(SettingValue::Integer(5))),
        ]
    }

    #[test]
    fn what_must_be_given_gets_a_value_and_every_other_value_is_tried() {
        let variants = Variants::new(&specs(), "").unwrap();
        assert_eq!(variants.base[0].value, SettingValue::Text("fast".into()));
        assert_eq!(variants.base[1].value, SettingValue::Integer(5));
        let words: Vec<&str> = variants.others.iter().map(|(words, _)| &**words).collect();
        assert_eq!(
            words,
            [
                "how = \"fast\"",
                "how = \"slow\"",
                "count = 1",
                "count = 0",
                "count = 9"
            ]
        );
        assert!(
            variants
                .others
                .iter()
                .all(|(_, settings)| settings[0].key == "how")
        );
    }

    #[test]
    fn what_the_author_gives_stays() {
        let variants = Variants::new(&specs(), "how = \"slow\", count = 3").unwrap();
        assert_eq!(variants.base[0].value, SettingValue::Text("slow".into()));
        assert_eq!(variants.base[1].value, SettingValue::Integer(3));
        assert!(variants.others.is_empty());
    }

    #[test]
    fn settings_that_the_plugin_has_not_or_does_not_take_are_refused_with_what_it_takes() {
        for (given, wanted) in [
            ("what = 1", "it has: how, count"),
            ("count = 10", "a whole number from 0 to 9"),
            ("how = \"slowly\"", "one of \"fast\", \"slow\""),
            ("how =", "no TOML"),
        ] {
            let Err(error) = Variants::new(&specs(), given) else {
                panic!("{given} is taken");
            };
            assert!(error.to_string().contains(wanted), "{given}: {error}");
        }
    }
}
