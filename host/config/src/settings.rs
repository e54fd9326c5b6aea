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
    (machine, dir): (&dyn MachineSupport, &Path),
    reader: &mut Reader,
) -> Option<Vec<Setting>> {
    let mut right = true;
    for entry in &written.entries {
        if !manifest.settings.iter().any(|spec| spec.key == entry.key) {
            unknown(manifest, entry, reader);
            right = false;
        }
    }
    let mut settings = Vec::with_capacity(manifest.settings.len());
    for spec in &manifest.settings {
        let value = match written.get(&spec.key) {
            Some(entry) => {
                let (key, node) = (&spec.key, &entry.node);
                let read = match spec.kind {
                    SettingKind::Secret => {
                        kept::secret(key, node, dir, machine, reader).map(SettingValue::Secret)
                    }
                    SettingKind::File => {
                        kept::file(key, node, dir, machine, reader).map(SettingValue::Text)
                    }
                    _ => read(spec, node, reader),
                };
                right &= read.is_some();
                read
            }
            None => {
                if spec.required && spec.default.is_none() {
                    required(manifest, spec, at, reader);
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

fn unknown(manifest: &Manifest, entry: &Entry, reader: &mut Reader) {
    let known: Vec<&str> = manifest
        .settings
        .iter()
        .map(|spec| spec.key.as_str())
        .collect();
    let help = if known.is_empty() {
        format!("plugin {} takes no settings", manifest.name)
    } else {
        suggest(&entry.key, &known, "its settings")
    };
    let key = reader.written(&entry.at);
    let message = format!("plugin {} has no setting {key}", manifest.name);
    reader.error(&entry.at, message, Some(help));
}

fn required(manifest: &Manifest, spec: &SettingSpec, at: &Span, reader: &mut Reader) {
    let message = format!("plugin {} needs the setting {}", manifest.name, spec.key);
    let help = format!(
        "add {} to its settings: {} ({})",
        spec.key,
        spec.kind,
        spec.doc.trim()
    );
    reader.missing(at, message, Some(help));
}

fn read(spec: &SettingSpec, node: &Node, reader: &mut Reader) -> Option<SettingValue> {
    match value(&spec.kind, &node.value) {
        Ok(value) => Some(value),
        Err(wrong) => {
            reader.wrong(&spec.key, node, wrong);
            None
        }
    }
}

/// A value of that kind. Secrets and files are none: they are kept elsewhere.
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
            | SettingKind::File,
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
