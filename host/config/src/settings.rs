//! A plugin's settings, checked against its manifest.

use std::path::Path;
use std::time::Duration;

use super::kept;
use super::machine::MachineSupport;
use super::reader::{Leaf, Reader, Wrong, similar, suggest};
use super::tree::{Entry, Node, Span, Table, Value};
use super::units::duration;
use super::value::{any_text, text};
use evenkeel_core::manifest::{Manifest, Setting, SettingKind, SettingSpec, SettingValue};

/// The values that the plugin gets, in the manifest's order; `None` if something is wrong with them. `at` is where the
/// plugin is named; secrets come from the machine, those in files from `dir` on.
pub(super) fn settings(
    manifest: &Manifest,
    written: &Table,
    at: &Span,
    from: Kept<'_>,
    reader: &mut Reader,
) -> Option<Vec<Setting>> {
    let plugin = &manifest.name;
    values(
        Where::Settings { plugin },
        &manifest.settings,
        written,
        at,
        from,
        reader,
    )
}

/// Where what is not in the configuration itself is from: the machine, and the directory that paths start from.
type Kept<'a> = (&'a dyn MachineSupport, &'a Path);

/// The table that is read.
#[derive(Clone, Copy)]
enum Where<'a> {
    /// A plugin's settings.
    Settings { plugin: &'a str },
    /// One table of a setting's.
    Tables { plugin: &'a str, setting: &'a str },
}

impl Where<'_> {
    /// Who takes keys.
    fn taker(self) -> String {
        match self {
            Self::Settings { plugin } => format!("plugin {plugin}"),
            Self::Tables { plugin, setting } => format!("a table of plugin {plugin}'s {setting}"),
        }
    }

    /// What the keys are called.
    fn noun(self) -> &'static str {
        match self {
            Self::Settings { .. } => "setting",
            Self::Tables { .. } => "key",
        }
    }

    fn unknown(self, specs: &[SettingSpec], entry: &Entry, reader: &mut Reader) {
        let known: Vec<&str> = specs.iter().map(|spec| spec.key.as_str()).collect();
        let help = if known.is_empty() {
            format!("{} takes no settings", self.taker())
        } else {
            suggest(&entry.key, &known, &format!("its {}s", self.noun()))
        };
        let key = reader.written(&entry.at);
        let message = format!("{} has no {} {key}", self.taker(), self.noun());
        reader.error(&entry.at, message, Some(help));
    }

    fn required(self, spec: &SettingSpec, at: &Span, reader: &mut Reader) {
        let message = format!("{} needs the {} {}", self.taker(), self.noun(), spec.key);
        let to = match self {
            Self::Settings { .. } => " to its settings",
            Self::Tables { .. } => "",
        };
        let help = format!("add {}{to}: {} ({})", spec.key, spec.kind, spec.doc.trim());
        reader.missing(at, message, Some(help));
    }
}

/// The values of these keys, in their order.
fn values(
    place: Where<'_>,
    specs: &[SettingSpec],
    written: &Table,
    at: &Span,
    from: Kept<'_>,
    reader: &mut Reader,
) -> Option<Vec<Setting>> {
    let mut right = true;
    for entry in &written.entries {
        if !specs.iter().any(|spec| spec.key == entry.key) {
            place.unknown(specs, entry, reader);
            right = false;
        }
    }
    let mut settings = Vec::with_capacity(specs.len());
    for spec in specs {
        let value = match written.get(&spec.key) {
            Some(entry) => {
                let read = read(place, spec, &entry.node, from, reader);
                right &= read.is_some();
                read
            }
            None => {
                if spec.required && spec.default.is_none() {
                    place.required(spec, at, reader);
                    right = false;
                }
                spec.default.clone()
            }
        };
        settings.extend(value.map(|value| Setting {
            key: spec.key.clone(),
            value,
        }));
    }
    right.then_some(settings)
}

fn read(
    place: Where<'_>,
    spec: &SettingSpec,
    node: &Node,
    (machine, dir): Kept<'_>,
    reader: &mut Reader,
) -> Option<SettingValue> {
    let key = &spec.key;
    match (&spec.kind, place) {
        (SettingKind::Secret, _) => {
            kept::secret(key, node, dir, machine, reader).map(SettingValue::Secret)
        }
        (SettingKind::File, _) => {
            kept::file(key, node, dir, machine, reader).map(SettingValue::Text)
        }
        (SettingKind::Tables(keys), Where::Settings { plugin }) => {
            let place = Where::Tables {
                plugin,
                setting: key,
            };
            tables(place, spec, keys, node, (machine, dir), reader).map(SettingValue::Tables)
        }
        (kind, _) => match value(kind, &node.value) {
            Ok(value) => Some(value),
            Err(wrong) => {
                reader.wrong(key, node, wrong);
                None
            }
        },
    }
}

/// A list of tables; everything that is wrong in any of them is told.
fn tables(
    place: Where<'_>,
    spec: &SettingSpec,
    keys: &[SettingSpec],
    node: &Node,
    from: Kept<'_>,
    reader: &mut Reader,
) -> Option<Vec<Vec<Setting>>> {
    let expected = || spec.kind.to_string();
    let elements = match &node.value {
        Value::List(elements) if elements.len() <= SettingKind::MOST_TABLES => elements,
        Value::List(elements) => {
            let most = SettingKind::MOST_TABLES;
            let what = format!("{} tables; {most} are allowed", elements.len());
            reader.wrong(&spec.key, node, Wrong { what, help: None });
            return None;
        }
        other => {
            let alone = matches!(other, Value::Table(_));
            let help = alone.then(|| "write one alone as [{ ... }], too: a list of one".to_owned());
            reader.wrong(&spec.key, node, Wrong::kind(&expected(), help));
            return None;
        }
    };
    let mut read = Some(Vec::with_capacity(elements.len()));
    for element in elements {
        let table = if let Value::Table(table) = &element.value {
            values(place, keys, table, &element.span, from, reader)
        } else {
            reader.wrong(&spec.key, element, Wrong::kind(&expected(), None));
            None
        };
        match (&mut read, table) {
            (Some(read), Some(table)) => read.push(table),
            _ => read = None,
        }
    }
    read
}

/// A value of that kind. Secrets and files are none, which are kept elsewhere, and neither are tables.
pub(super) fn value(kind: &SettingKind, written: &Value) -> Result<SettingValue, Wrong> {
    let expected = || kind.to_string();
    match (kind, written) {
        (SettingKind::Boolean, _) => bool::leaf(written).map(SettingValue::Boolean),
        (SettingKind::Integer { min, max }, Value::Integer(n)) => {
            within(min, max, n, kind).map(|n| SettingValue::Integer(*n))
        }
        (SettingKind::Integer { .. } | SettingKind::Number { .. }, Value::Text(digits))
            if digits.parse::<i64>().is_ok() =>
        {
            Err(Wrong::kind(
                &expected(),
                Some(format!("write it without quotes: {digits}")),
            ))
        }
        (SettingKind::Number { min, max }, Value::Number(n)) if n.is_finite() => {
            within(min, max, n, kind).map(|n| SettingValue::Number(*n))
        }
        (SettingKind::Number { min, max }, Value::Integer(n)) => {
            within(min, max, &whole(*n)?, kind).map(|n| SettingValue::Number(*n))
        }
        (SettingKind::Text, _) => {
            any_text(written, &expected()).map(|text| SettingValue::Text(text.to_owned()))
        }
        (SettingKind::TextList, _) => texts(written, &expected()).map(SettingValue::TextList),
        (SettingKind::Duration { min, max }, _) => {
            within(min, max, &milliseconds(written)?, kind).map(|it| SettingValue::Duration(*it))
        }
        (SettingKind::Choice(words), _) => choice(words, written, &expected()),
        (SettingKind::Matching(pattern), _) => match any_text(written, &expected())? {
            text if pattern.matches(text) => Ok(SettingValue::Text(text.to_owned())),
            _ => Err(Wrong::kind(&expected(), None)),
        },
        (
            SettingKind::Integer { .. }
            | SettingKind::Number { .. }
            | SettingKind::Secret
            | SettingKind::File
            | SettingKind::Tables(_),
            _,
        ) => Err(Wrong::kind(&expected(), None)),
    }
}

fn within<'a, T: PartialOrd>(
    min: &T,
    max: &T,
    value: &'a T,
    kind: &SettingKind,
) -> Result<&'a T, Wrong> {
    if min <= value && value <= max {
        Ok(value)
    } else {
        Err(Wrong {
            what: format!("not {kind}"),
            help: None,
        })
    }
}

/// A whole number for a setting that takes fractions, too.
fn whole(n: i64) -> Result<f64, Wrong> {
    let exact = i32::try_from(n).map(f64::from).ok();
    exact
        .or_else(|| n.to_string().parse().ok())
        .ok_or_else(|| Wrong::kind("a number", None))
}

fn texts(written: &Value, expected: &str) -> Result<Vec<String>, Wrong> {
    match written {
        Value::List(nodes) => nodes
            .iter()
            .map(|node| any_text(&node.value, expected).map(str::to_owned))
            .collect(),
        Value::Text(text) => Err(Wrong::kind(
            expected,
            Some(format!("write [\"{}\"]", text.escape_debug())),
        )),
        _ => Err(Wrong::kind(expected, None)),
    }
}

/// The contract counts whole milliseconds.
fn milliseconds(written: &Value) -> Result<Duration, Wrong> {
    let duration = duration(written)?;
    if !duration.subsec_nanos().is_multiple_of(1_000_000) {
        return Err(Wrong {
            what: "not a whole number of milliseconds".to_owned(),
            help: None,
        });
    }
    Ok(duration)
}

fn choice(words: &[String], written: &Value, expected: &str) -> Result<SettingValue, Wrong> {
    let word = text(written, expected)?;
    if words.iter().any(|known| known == word) {
        return Ok(SettingValue::Text(word.to_owned()));
    }
    let meant = similar(word, words.iter().map(String::as_str));
    Err(Wrong::kind(
        expected,
        meant.map(|meant| format!("did you mean \"{meant}\"?")),
    ))
}
