//! The last file that worked under a plugin's name: its compiled code is in the cache, and can be run when the file has
//! been broken since.
//!
//! What is kept is a line for each name (or path) that a configuration in force has: the file's SHA-256, by which the
//! code is found, and what cannot be told from the code.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel_core::manifest::PluginKind;
use evenkeel_core::model::PluginRef;
use semver::Version;

use super::contracts::Contract;
use super::inspect::Inspected;
use super::plugin::WasmPlugin;
use super::shared::Shared;
use crate::Plugin;
use crate::digest::Sha256;

/// Under a plugin's name or a file's path, which never look alike: a name has no `/` and no dot.
fn key(plugin: &PluginRef) -> String {
    match plugin {
        PluginRef::Name(name) => name.clone(),
        PluginRef::File(file) => absolute(file).to_string_lossy().into_owned(),
    }
}

fn absolute(file: &Path) -> PathBuf {
    std::path::absolute(file).unwrap_or_else(|_| file.to_owned())
}

/// Keeps what works now.
pub(super) fn keep(shared: &Shared, plugin: &PluginRef, loaded: &dyn Plugin) {
    let Some(sha256) = loaded.sha256() else {
        return;
    };
    let (kind, contract) = (loaded.kind(), loaded.contract());
    let file = absolute(loaded.file());
    // The path comes last: it may have anything in it.
    let line = format!("{sha256} {kind} {contract} {}", file.display());
    shared.keep_good(&key(plugin), &line);
}

/// What has worked, if its code is still there.
pub(super) fn load(shared: &Arc<Shared>, plugin: &PluginRef) -> Option<Arc<dyn Plugin>> {
    let (sha256, inspected, file) = parse(&shared.good(&key(plugin))?)?;
    let component = shared.kept(&sha256)?;
    let loaded = WasmPlugin::new(shared, &file, sha256, inspected, &component);
    let loaded = loaded
        .inspect_err(|reason| {
            tracing::warn!(%plugin, reason, "the kept copy of the plugin cannot be used either");
        })
        .ok()?;
    Some(Arc::new(loaded))
}

fn parse(line: &[u8]) -> Option<(Sha256, Inspected, PathBuf)> {
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.splitn(4, ' ');
    let sha256 = Sha256::parse(words.next()?)?;
    let kind = words.next()?;
    let kinds = [PluginKind::Scheduler, PluginKind::Checker];
    let kind = kinds.into_iter().find(|it| it.to_string() == kind)?;
    let version = Version::parse(words.next()?).ok()?;
    let inspected = Inspected {
        kind,
        contract: Contract::of(&version)?,
        version,
        manifest: None,
    };
    Some((sha256, inspected, PathBuf::from(words.next()?)))
}
