//! Labels of real servers, checked against those that the scheduler reads.

use evenkeel_core::manifest::{SettingKind, SettingSpec};
use evenkeel_core::model::PluginRef;

use super::plugin::{Label, Labels};
use super::reader::{Reader, similar};
use super::schema::{ServerTable, ServiceTable};
use super::settings::value;
use super::tree::{Node, Value};

/// A scheduler, and what it says of the labels that it reads.
pub(super) type Declared<'a> = (&'a PluginRef, &'a [SettingSpec]);

/// Whether the labels of the service's servers are such as its schedulers read. A label that none of them reads is
/// free, unless it is so like one that is read that it must be a slip.
pub(super) fn check(table: &ServiceTable, schedulers: &[Declared<'_>], reader: &mut Reader) {
    for server in table.server.tables() {
        let Some(labels) = server.labels.get() else {
            continue;
        };
        let is_read = |label: &str| {
            let mut all = schedulers.iter().flat_map(|(_, declared)| *declared);
            all.any(|spec| spec.key == label)
        };
        for (scheduler, declared) in schedulers {
            slips(labels, is_read, scheduler, declared, reader);
            values(server, labels, scheduler, declared, reader);
        }
    }
}

fn slips(
    labels: &Labels,
    is_read: impl Fn(&str) -> bool,
    scheduler: &PluginRef,
    declared: &[SettingSpec],
    reader: &mut Reader,
) {
    for (key, label) in labels.0.iter().filter(|(key, _)| !is_read(key)) {
        let missing = declared.iter().map(|spec| &*spec.key);
        // Of one that is there as well it is no slip.
        let missing = missing.filter(|key| !labels.0.contains_key(*key));
        if let Some(meant) = similar(key, missing) {
            let written = reader.written(&label.at);
            let message = format!("scheduler {scheduler} reads no label {written}");
            let help = format!("did you mean {meant}? (or take a name that is less like it)");
            reader.error(&label.at, message, Some(help));
        }
    }
}

fn values(
    server: &ServerTable,
    labels: &Labels,
    scheduler: &PluginRef,
    declared: &[SettingSpec],
    reader: &mut Reader,
) {
    for spec in declared {
        let Some(Label { text, span, .. }) = labels.0.get(&spec.key) else {
            if spec.required && spec.default.is_none() {
                let message = format!("scheduler {scheduler} needs the label {}", spec.key);
                let help = format!(
                    "add it to the server: labels = {{ {} = \"...\" }}: {} ({})",
                    spec.key,
                    spec.kind,
                    spec.doc.trim()
                );
                reader.missing(&server.labels.at, message, Some(help));
            }
            continue;
        };
        let node = Node {
            span: span.clone(),
            value: Value::Text(text.clone()),
        };
        if let Err(wrong) = value(&spec.kind, &of_text(&spec.kind, text)) {
            reader.wrong(&format!("labels.{}", spec.key), &node, wrong);
        }
    }
}

/// What stands in a label's quotes, as a value of that kind as far as it is one.
fn of_text(kind: &SettingKind, text: &str) -> Value {
    let value = match kind {
        SettingKind::Boolean => text.parse().ok().map(Value::Boolean),
        SettingKind::Integer { .. } => text.parse().ok().map(Value::Integer),
        SettingKind::Number { .. } => text.parse().ok().map(Value::Number),
        SettingKind::Text
        | SettingKind::TextList
        | SettingKind::Duration { .. }
        | SettingKind::Choice(_)
        | SettingKind::Matching(_)
        | SettingKind::Secret
        | SettingKind::File
        | SettingKind::Tables(_) => None,
    };
    value.unwrap_or_else(|| Value::Text(text.to_owned()))
}
