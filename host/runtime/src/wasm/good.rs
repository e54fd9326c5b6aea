//! The last file that worked under a plugin's name: its compiled code is in the cache, and can be run when the file has
//! been broken since.
//!
//! What is kept is a line for each name (or path) that a configuration in force has: the file's SHA-256, by which the
//! code is found, the key that had signed it, and what cannot be told from the code.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel_core::manifest::PluginKind;
use evenkeel_core::model::{Needs, PluginRef};
use semver::Version;

use super::contracts::Contract;
use super::inspect::Inspected;
use super::plugin::WasmPlugin;
use super::shared::Shared;
use crate::Plugin;
use crate::digest::Sha256;
use crate::signature::{PublicKey, Signature};

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

/// Stands for the key of what nobody has signed who was trusted.
const UNSIGNED: &str = "-";

/// Keeps what works now.
pub(super) fn keep(
    shared: &Shared,
    plugin: &PluginRef,
    loaded: &dyn Plugin,
    signature: &Signature,
) {
    let Some(sha256) = loaded.sha256() else {
        return;
    };
    let (kind, contract) = (loaded.kind(), loaded.contract());
    let file = absolute(loaded.file());
    let signer = signature.signer().map_or(UNSIGNED, |(key, _)| &key.text);
    // The path comes last: it may have anything in it.
    let line = format!("{sha256} {kind} {contract} {signer} {}", file.display());
    shared.keep_good(&key(plugin), &line);
}

/// What has worked, if its code is still there.
pub(super) fn load(
    shared: &Arc<Shared>,
    plugin: &PluginRef,
) -> Option<(Arc<dyn Plugin>, Signature)> {
    let Good {
        sha256,
        inspected,
        signature,
        file,
    } = parse(&shared.good(&key(plugin))?)?;
    let component = shared.kept(&sha256)?;
    let loaded = WasmPlugin::new(shared, &file, sha256, inspected, &component);
    let loaded = loaded
        .inspect_err(|reason| {
            tracing::warn!(%plugin, reason, "the kept copy of the plugin cannot be used either");
        })
        .ok()?;
    Some((Arc::new(loaded), signature))
}

/// What a line says.
struct Good {
    sha256: Sha256,
    inspected: Inspected,
    signature: Signature,
    file: PathBuf,
}

fn parse(line: &[u8]) -> Option<Good> {
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.splitn(5, ' ');
    let sha256 = Sha256::parse(words.next()?)?;
    let kind = words.next()?;
    let kinds = [PluginKind::Scheduler, PluginKind::Checker];
    let kind = kinds.into_iter().find(|it| it.to_string() == kind)?;
    let version = Version::parse(words.next()?).ok()?;
    let inspected = Inspected {
        kind,
        contract: Contract::of(&version)?,
        version,
        needs: Needs::default(),
        manifest: None,
    };
    let signature = match words.next()? {
        UNSIGNED => Signature::None,
        key => Signature::Valid {
            key: PublicKey::parse(key).ok()?,
            comment: String::new(),
        },
    };
    Some(Good {
        sha256,
        inspected,
        signature,
        file: PathBuf::from(words.next()?),
    })
}
