//! `evenkeel plugin inspect`.

use std::fmt::Write as _;
use std::path::Path;

use evenkeel_config as config;
use evenkeel_core::manifest::{Abilities, Facts, SettingKind, SettingSpec};
use evenkeel_core::model::PluginTrust;
use evenkeel_daemon::prepare::{read, trust_of};
use evenkeel_runtime::facts::FileFacts;
use evenkeel_runtime::native::NativeRuntime;
use evenkeel_runtime::signature::Signature;
use evenkeel_runtime::{LoadError, PluginInfo, PluginRuntime, text};

use super::json;
use super::runtime::runtime;
use super::show::kind;
use crate::commands::print;
use crate::exit::{self, Failed};

/// Prints what a plugin's file says about itself. Compiles nothing if that is written in it. `config`: which keys are
/// trusted; none without one.
///
/// # Errors
/// [`exit::CONFIG`] when the file is no plugin.
pub(crate) fn inspect(file: &Path, config: Option<&Path>, json: bool) -> anyhow::Result<()> {
    let parsed = match config {
        Some(config) => read(config)?,
        None => config::parse("", ""),
    };
    // Signed or not: it is to be seen.
    let any = PluginTrust {
        required: false,
        ..parsed.daemon().plugin_trust.clone()
    };
    let trust = trust_of(&any, false)?;
    // A shared object's code runs as soon as it is loaded: only one that root alone can have written is.
    let native = file.extension().is_some_and(|it| it == "so");
    let runtime: Box<dyn PluginRuntime> = if native {
        Box::new(NativeRuntime::new())
    } else {
        Box::new(runtime(parsed.daemon())?)
    };
    let wrong = |error: LoadError| Failed::new(exit::CONFIG, error.to_string());
    let content = runtime.read(file).map_err(wrong)?;
    let signature = trust.judge(file, &content).map_err(|reason| {
        let file = text::path(file);
        Failed::new(exit::CONFIG, format!("plugin {file}: {reason}"))
    })?;
    let info = runtime
        .describe_content(file, &content)
        .map_err(wrong)?
        .info;
    let facts = FileFacts::of(file, &content).map_err(wrong)?;
    print(&if json {
        json::inspected(&info, &facts, &signature)?
    } else {
        describe(&info, &facts, &signature)
    })?;
    Ok(())
}

fn describe(info: &PluginInfo, content: &FileFacts, signature: &Signature) -> String {
    let manifest = &info.manifest;
    let mut text = format!(
        "{} {} ({}, contract {})\n{}\nfile: {}\nsize: {} bytes\nsha256: {}\nsignature: {signature}\nruntime: {}\n",
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
        text.push_str(&described("", setting));
        if let SettingKind::Tables(keys) = &setting.kind {
            for key in keys {
                text.push_str(&described(&format!("{}[].", setting.key), key));
            }
        }
    }
    for label in manifest.abilities.iter().flat_map(|it| &it.labels) {
        text.push_str(&described("labels.", label));
    }
    text
}

/// A setting, or a label of servers, as a line of the configuration and what it is for.
fn described(before: &str, spec: &SettingSpec) -> String {
    let (key, kind, doc) = (&spec.key, kind(spec), &spec.doc);
    format!("\n{before}{key} = {kind}\n    {doc}\n")
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
        signals,
        traffic,
    } = abilities.facts;
    text.push_str("\ngoes by: weights");
    for (wanted, words) in [
        (connections, ", connections"),
        (latency, ", time of checks"),
        (signals, ", signals of checks"),
        (traffic, ", bytes"),
    ] {
        if wanted {
            text.push_str(words);
        }
    }
    if !abilities.delegates.is_empty() {
        let _ = write!(
            text,
            "\nleaves servers to: {}",
            abilities.delegates.join(", ")
        );
    }
    text.push('\n');
    text
}
