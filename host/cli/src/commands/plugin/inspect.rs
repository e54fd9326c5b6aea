//! `evenkeel plugin inspect`.

use std::fmt::Write as _;
use std::path::Path;

use evenkeel_config as config;
use evenkeel_core::manifest::{Abilities, Facts};
use evenkeel_runtime::facts::FileFacts;
use evenkeel_runtime::native::NativeRuntime;
use evenkeel_runtime::{PluginInfo, PluginRuntime as _, text};

use super::json;
use super::runtime::runtime;
use super::show::kind;
use crate::commands::print;
use crate::exit::{self, Failed};

/// Prints what a plugin's file says about itself. Compiles nothing if that is written in it.
///
/// # Errors
/// [`exit::CONFIG`] when the file is no plugin.
pub(crate) fn inspect(file: &Path, json: bool) -> anyhow::Result<()> {
    // A shared object's code runs as soon as it is loaded: only one that root alone can have written is.
    let native = file.extension().is_some_and(|it| it == "so");
    let described = if native {
        NativeRuntime::new().describe(file)
    } else {
        runtime(config::parse("", "").daemon())?.describe(file)
    };
    let wrong = |reason: String| anyhow::Error::from(Failed::new(exit::CONFIG, reason));
    let info = described.map_err(|error| wrong(error.to_string()))?.info;
    let content = FileFacts::of(file).map_err(|error| wrong(error.to_string()))?;
    print(&if json {
        json::inspected(&info, &content)?
    } else {
        describe(&info, &content)
    })?;
    Ok(())
}

fn describe(info: &PluginInfo, content: &FileFacts) -> String {
    let manifest = &info.manifest;
    let mut text = format!(
        "{} {} ({}, contract {})\n{}\nfile: {}\nsize: {} bytes\nsha256: {}\nruntime: {}\n",
        manifest.name,
        manifest.version,
        info.kind,
        info.contract,
        manifest.summary,
        text::path(&content.file),
        content.size,
        content.sha256,
        content.runtime,
    );
    // All of WASI that a file may import is there and gives it nothing: that is no right of the plugin's.
    let wasi = |import: &&str| import.starts_with("wasi:");
    let (wasi, own): (Vec<_>, Vec<_>) = content.imports.iter().map(String::as_str).partition(wasi);
    for (what, imports) in [("imports", own), ("imports without rights", wasi)] {
        if !imports.is_empty() {
            let _ = writeln!(text, "{what}: {}", imports.join(", "));
        }
    }
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
