//! `evenkeel plugin inspect`.

use std::fmt::Write as _;
use std::path::Path;

use evenkeel_config as config;
use evenkeel_core::manifest::{Abilities, Facts, SettingSpec, SettingValue};
use evenkeel_runtime::native::NativeRuntime;
use evenkeel_runtime::{Plugin, PluginRuntime as _, text};

use super::runtime;
use crate::commands::print;
use crate::exit::{self, Failed};

/// Prints a plugin's manifest. Loads the plugin, so that it is known to work.
///
/// # Errors
/// [`exit::CONFIG`] when the file is no usable plugin.
pub(crate) fn inspect(file: &Path) -> anyhow::Result<()> {
    // A shared object's code runs as soon as it is loaded: only one that root alone can have written is.
    let loaded = if file.extension().is_some_and(|it| it == "so") {
        NativeRuntime::new().load(file)
    } else {
        runtime(config::parse("", "").daemon())?.load(file)
    };
    let plugin = loaded.map_err(|error| Failed::new(exit::CONFIG, error.to_string()))?;
    print(&describe(plugin.as_ref()))?;
    Ok(())
}

fn describe(plugin: &dyn Plugin) -> String {
    let manifest = plugin.manifest();
    let mut text = format!(
        "{} {} ({}, contract {})\n{}\nfile: {}\n",
        manifest.name,
        manifest.version,
        plugin.kind(),
        plugin.contract(),
        manifest.summary,
        text::path(plugin.file()),
    );
    if let Some(abilities) = &manifest.abilities {
        text.push_str(&can(abilities));
    }
    if manifest.settings.is_empty() {
        text.push_str("no settings\n");
    }
    for setting in &manifest.settings {
        // Writing to a String does not fail.
        let _ = write!(
            text,
            "\n{} = {}\n    {}\n",
            setting.key,
            kind(setting),
            setting.doc
        );
    }
    text
}

/// What a scheduler can do, as the configuration's `decision` and the guide call it.
fn can(abilities: &Abilities) -> String {
    let mut decisions = abilities.decisions.iter();
    let default = decisions.next();
    let mut text = String::from("decision: ");
    text.push_str(&default.map(ToString::to_string).unwrap_or_default());
    text.push_str(" [default]");
    for other in decisions {
        let _ = write!(text, ", {other}");
    }
    let Facts {
        connections,
        latency,
    } = abilities.facts;
    text.push_str(match (connections, latency) {
        (false, false) => "\ngoes by: weights\n",
        (true, false) => "\ngoes by: weights, connections\n",
        (false, true) => "\ngoes by: weights, time of checks\n",
        (true, true) => "\ngoes by: weights, connections, time of checks\n",
    });
    text
}

fn kind(setting: &SettingSpec) -> String {
    let need = match &setting.default {
        Some(value) => format!("[{}]", show(value)),
        None if setting.required => "(required)".to_owned(),
        None => "(optional)".to_owned(),
    };
    format!("{} {need}", setting.kind)
}

fn show(value: &SettingValue) -> String {
    match value {
        SettingValue::Boolean(value) => value.to_string(),
        SettingValue::Integer(value) => value.to_string(),
        SettingValue::Number(value) => value.to_string(),
        SettingValue::Text(value) => format!("{value:?}"),
        SettingValue::TextList(value) => format!("{value:?}"),
        SettingValue::Duration(value) => format!("\"{value:?}\""),
    }
}
