//! `plugin list` and `plugin inspect` as JSON. The keys are stable.

use evenkeel_core::manifest::{Abilities, SettingKind, SettingSpec};
use evenkeel_runtime::PluginInfo;
use evenkeel_runtime::catalogue::Catalogue;
use evenkeel_runtime::facts::FileFacts;
use evenkeel_runtime::signature::Signature;
use serde_json::{Value, json};

/// What a catalogue holds.
pub(super) fn list(catalogue: &Catalogue) -> serde_json::Result<String> {
    let shadowed = catalogue.shadowed();
    let plugins: Vec<Value> = catalogue
        .entries()
        .map(|entry| {
            let used_instead = shadowed.iter().find(|it| it.file == entry.file);
            let mut value = match entry.info() {
                Ok(info) => of(info),
                Err(reason) => json!({ "problem": reason }),
            };
            value["file"] = json!(entry.file.to_string_lossy());
            value["sha256"] = json!(entry.sha256().map(|it| it.to_string()));
            value["size"] = json!(entry.size());
            value["signature"] = signature(entry.signature());
            value["used_instead"] = json!(used_instead.map(|it| it.by.to_string_lossy()));
            value
        })
        .collect();
    let unreadable: Vec<Value> = catalogue
        .unreadable()
        .iter()
        .map(|it| json!({ "directory": it.directory.to_string_lossy(), "problem": it.reason }))
        .collect();
    text(&json!({ "plugins": plugins, "unreadable": unreadable }))
}

/// What a file says about itself.
pub(super) fn inspected(
    info: &PluginInfo,
    content: &FileFacts,
    signed: &Signature,
) -> serde_json::Result<String> {
    let mut value = of(info);
    value["file"] = json!(content.file.to_string_lossy());
    value["sha256"] = json!(content.sha256.to_string());
    value["size"] = json!(content.size);
    value["runtime"] = json!(content.runtime);
    value["imports"] = json!(content.imports);
    value["signature"] = signature(signed);
    text(&value)
}

/// `null` for what is not signed.
fn signature(signature: &Signature) -> Value {
    match signature {
        Signature::None => Value::Null,
        Signature::Unknown(id) => json!({ "key": id.to_string(), "trusted": false }),
        Signature::Valid { key, comment } => {
            json!({ "key": key.id.to_string(), "trusted": true, "comment": comment })
        }
    }
}

fn text(value: &Value) -> serde_json::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

fn of(info: &PluginInfo) -> Value {
    let manifest = &info.manifest;
    let settings: Vec<Value> = manifest.settings.iter().map(setting).collect();
    let mut value = json!({
        "name": manifest.name,
        "kind": info.kind.to_string(),
        "version": manifest.version,
        "contract": info.contract,
        "summary": manifest.summary,
        "settings": settings,
    });
    if let Some(abilities) = &manifest.abilities {
        value["decisions"] = json!(decisions(abilities));
        value["facts"] = json!({
            "connections": abilities.facts.connections,
            "latency": abilities.facts.latency,
            "signals": abilities.facts.signals,
            "traffic": abilities.facts.traffic,
        });
        let labels: Vec<Value> = abilities.labels.iter().map(setting).collect();
        value["labels"] = json!(labels);
        value["delegates"] = json!(abilities.delegates);
    }
    value
}

fn decisions(abilities: &Abilities) -> Vec<String> {
    let decisions = abilities.decisions.iter();
    decisions.map(ToString::to_string).collect()
}

fn setting(setting: &SettingSpec) -> Value {
    let mut value = json!({
        "key": setting.key,
        "doc": setting.doc,
        "kind": setting.kind.to_string(),
        "default": setting.default.as_ref().map(ToString::to_string),
        "required": setting.required,
    });
    if let SettingKind::Tables(keys) = &setting.kind {
        value["keys"] = keys.iter().map(self::setting).collect();
    }
    value
}
