//! `evenkeel plugin install`.

use std::path::{Path, PathBuf};

use evenkeel_author::install::{self, Before, Installed, Options, Outcome, Source};
use evenkeel_config::{self as config, Parsed};
use evenkeel_daemon::prepare::{cache_of_command, read, trust_of};
use evenkeel_runtime::text;

use super::author;
use crate::args::DEFAULT_CONFIG;
use crate::args::ship::SourceArgs;
use crate::commands::print;
use crate::exit::{self, Failed};

/// What stands before a place in a registry.
const OCI: &str = "oci://";

/// Puts a plugin into a plugin directory.
///
/// # Errors
/// [`exit::FAILURE`] when it fails its test or cannot be written, [`exit::CONFIG`] when it is no plugin that may be there.
pub(super) fn install(
    source: &SourceArgs,
    into: Option<PathBuf>,
    config: Option<&Path>,
    force: bool,
) -> anyhow::Result<()> {
    let parsed = configuration(config)?;
    let directories = &parsed.daemon().plugin_dirs;
    let Some(into) = into.or_else(|| directories.first().cloned()) else {
        anyhow::bail!("plugin_dirs is empty: say where with --into DIR");
    };
    let options = Options {
        into: into.clone(),
        trust: trust_of(&parsed.daemon().plugin_trust, false)?,
        force,
        seed: u64::from(std::process::id()),
        cache: cache_of_command(parsed.daemon().cache_dir.clone()),
    };
    let source = get(source)?;
    let outcome = install::install(&source, &options)
        .map_err(|error| Failed::new(exit::CONFIG, error.to_string()))?;
    match outcome {
        Outcome::Failed(report) => {
            print(&author::table(&report))?;
            let message = format!("not installed: {}", author::failures(&report));
            Err(Failed::new(exit::FAILURE, message).into())
        }
        Outcome::Installed(installed) => {
            print(&told(&installed))?;
            let used = directories.contains(&into);
            if !used {
                print(&format!(
                    "{} is none of plugin_dirs: a configuration uses the plugin if it names the directory or the file\n",
                    text::path(&into)
                ))?;
            }
            Ok(())
        }
    }
}

/// The one that is meant; without one, the usual one if it is there.
fn configuration(config: Option<&Path>) -> anyhow::Result<Parsed> {
    match config {
        Some(file) => read(file),
        None if Path::new(DEFAULT_CONFIG).exists() => read(Path::new(DEFAULT_CONFIG)),
        None => Ok(config::parse("", "")),
    }
}

#[cfg(feature = "oci")]
fn get(source: &SourceArgs) -> anyhow::Result<Source> {
    if source.source.starts_with(OCI) {
        return super::registry::get(&source.source, &source.registry);
    }
    Ok(Source::read(Path::new(&source.source))?)
}

#[cfg(not(feature = "oci"))]
fn get(source: &SourceArgs) -> anyhow::Result<Source> {
    if source.source.starts_with(OCI) {
        anyhow::bail!(
            "this evenkeel was built without registries: build it with --features oci, as `cargo xtask build` does"
        );
    }
    Ok(Source::read(Path::new(&source.source))?)
}

fn told(installed: &Installed) -> String {
    let Installed {
        name,
        version,
        sha256,
        signature,
        ..
    } = installed;
    let file = text::path(&installed.file);
    let new = format!("{name} {version} ({}, {signature})", sha256.short());
    match &installed.before {
        None => format!("{file}: {new} is new\n"),
        Some(before) if before.sha256 == Some(*sha256) => {
            format!("{file}: {new} was there already\n")
        }
        Some(Before { plugin, sha256 }) => {
            let plugin = plugin.as_ref();
            let old = plugin.map_or_else(
                || "what was no plugin".to_owned(),
                |(name, version)| format!("{name} {version}"),
            );
            let sum = sha256.map_or_else(|| "unreadable".to_owned(), |it| it.short());
            format!("{file}: {new} replaces {old} ({sum})\n")
        }
    }
}
