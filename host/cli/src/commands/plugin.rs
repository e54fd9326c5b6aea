//! `evenkeel plugin list | inspect | pack`; those of an author are in [`author`].

pub(crate) mod author;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use evenkeel_config as config;
use evenkeel_core::manifest::{Abilities, Facts, SettingSpec, SettingValue};
use evenkeel_core::model::{Daemon, Sandbox};
use evenkeel_runtime::catalogue::Catalogue;
use evenkeel_runtime::native::NativeRuntime;
use evenkeel_runtime::wasm::{CacheUse, WasmConfig, WasmRuntime};
use evenkeel_runtime::{Plugin, PluginRuntime as _, text};

use crate::exit::{self, Failed};
use evenkeel_daemon::prepare::{plugin_dirs, read};

/// Prints what the plugin directories hold, a line each. Goes by what the files say about themselves.
///
/// # Errors
/// [`exit::CONFIG`] when a file there is no usable plugin; all others are listed.
pub(crate) fn list(config: Option<&Path>, instead: &[PathBuf]) -> anyhow::Result<()> {
    let parsed = match config {
        Some(file) => read(file)?,
        None => config::parse("", ""),
    };
    let runtime = runtime(parsed.daemon())?;
    let mut catalogue = Catalogue::scan(&runtime, plugin_dirs(&parsed, instead));
    let native = NativeRuntime::new();
    catalogue.load_native(&native, &parsed.daemon().native_plugins);
    catalogue.add_files(&runtime, &parsed.plugin_refs());

    let mut rows =
        vec![["NAME", "KIND", "VERSION", "CONTRACT", "SUMMARY", "FILE"].map(String::from)];
    let mut broken = Vec::new();
    for entry in catalogue.entries() {
        let file = text::path(&entry.file);
        match entry.info() {
            Ok(info) => rows.push([
                info.manifest.name.clone(),
                info.kind.to_string(),
                info.manifest.version.clone(),
                info.contract.clone(),
                info.manifest.summary.clone(),
                file,
            ]),
            Err(reason) => broken.push(format!("{file}: {reason}")),
        }
    }
    super::print(&table(&rows))?;
    for missing in catalogue.unreadable() {
        super::print(&format!(
            "{}: {}\n",
            text::path(&missing.directory),
            missing.reason
        ))?;
    }
    if broken.is_empty() {
        return Ok(());
    }
    Err(Failed::new(exit::CONFIG, broken.join("\n")).into())
}

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
    super::print(&describe(plugin.as_ref()))?;
    Ok(())
}

/// Makes a plugin file of a core module.
///
/// # Errors
/// When the module cannot be made one.
pub(crate) fn pack(module: &Path, output: &Path) -> anyhow::Result<()> {
    let bytes =
        std::fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
    let packed = evenkeel_pack::pack(&bytes)
        .map_err(|error| Failed::new(exit::CONFIG, format!("{}: {error}", module.display())))?;
    std::fs::write(output, &packed)
        .with_context(|| format!("cannot write {}", output.display()))?;
    inspect(output)
}

fn runtime(daemon: &Daemon) -> anyhow::Result<WasmRuntime> {
    let config = WasmConfig {
        sandbox: Sandbox::default(),
        cache: CacheUse::Borrowed(daemon.cache_dir.clone()),
    };
    Ok(WasmRuntime::new(config)?)
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

/// Columns as wide as their widest cell.
fn table(rows: &[[String; 6]]) -> String {
    let mut widths = [0; 6];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        // A width in a format has 16 bits, and more is a panic.
        let pad = |(cell, width): (&String, usize)| {
            let room = width.saturating_sub(cell.chars().count());
            format!("{cell}{}", " ".repeat(room))
        };
        let line: Vec<String> = row.iter().zip(widths).map(pad).collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_with_a_cell_of_any_length_is_no_panic() {
        let long = "x".repeat(200_000);
        let rows = [
            ["a", "b", "c", "d", "e", "f"].map(str::to_owned),
            [&long, "b", "c", "d", "e", "f"].map(ToString::to_string),
        ];
        let shown = table(&rows);
        assert_eq!(shown.lines().count(), 2);
        assert!(shown.lines().all(|line| line.len() == 200_000 + 5 * 3));
    }
}
