//! Where a plugin belongs in a directory, and whether it may take that place.

use std::path::{Path, PathBuf};

use evenkeel_runtime::catalogue::{Catalogue, Entry};
use evenkeel_runtime::{PluginInfo, PluginRuntime, Sha256, text};
use semver::Version;

use crate::{Refused, refuse};

/// What was in the place of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    /// Its name and version; `None` if it was no plugin.
    pub plugin: Option<(String, String)>,
    /// Of its content, if that could be read.
    pub sha256: Option<Sha256>,
}

impl Before {
    fn of(entry: &Entry) -> Self {
        let plugin = entry.info().ok();
        Self {
            plugin: plugin.map(|it| (it.manifest.name.clone(), it.manifest.version.clone())),
            sha256: entry.sha256(),
        }
    }
}

/// The place of a plugin.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) file: PathBuf,
    pub(super) before: Option<Before>,
}

/// The file of this directory that has a plugin of this name; otherwise the one that is called like it.
pub(super) fn find(
    runtime: &dyn PluginRuntime,
    directory: &Path,
    new: &PluginInfo,
    force: bool,
) -> Result<Place, Refused> {
    let catalogue = Catalogue::scan(runtime, &[directory.to_owned()]);
    if let Some(it) = catalogue.unreadable().first() {
        refuse!("cannot read {}: {}", text::path(&it.directory), it.reason);
    }
    let name = &new.manifest.name;
    let named = catalogue.entries().filter(|entry| {
        let info = entry.info();
        info.is_ok_and(|it| it.manifest.name == *name)
    });
    let named: Vec<&Entry> = named.collect();
    // The runtime has checked the name: it is no path.
    let usual = directory.join(name).with_extension("wasm");
    let (file, there) = match named.as_slice() {
        [] => {
            let there = catalogue.entries().find(|entry| entry.file == usual);
            if there.is_none() && usual.symlink_metadata().is_ok() {
                refuse!("{} is there, and is no file", text::path(&usual));
            }
            (usual, there)
        }
        [one] => (one.file.clone(), Some(*one)),
        several => {
            let files = several.iter().map(|it| text::path(&it.file));
            let files: Vec<String> = files.collect();
            refuse!(
                "several files of one directory are {name}, so that none is used: {}; remove all but one",
                files.join(", ")
            );
        }
    };
    if let Some(there) = there
        && !force
        && let Some(reason) = objection(there, new)
    {
        refuse!(
            "{} {reason}; --force replaces it, and nothing has changed",
            text::path(&there.file)
        );
    }
    Ok(Place {
        file,
        before: there.map(Before::of),
    })
}

/// Why a file is not to be replaced by this plugin.
fn objection(there: &Entry, new: &PluginInfo) -> Option<String> {
    let old = match there.info() {
        Ok(old) => old,
        Err(reason) => return Some(format!("is no usable plugin ({reason})")),
    };
    let (name, version) = (&old.manifest.name, &old.manifest.version);
    if *name != new.manifest.name {
        return Some(format!("is another plugin, {name} {version}"));
    }
    if old.kind != new.kind {
        return Some(format!(
            "is the {} {name}, and the new one is a {}",
            old.kind, new.kind
        ));
    }
    is_older(&new.manifest.version, version).then(|| {
        format!(
            "is {name} {version}, and the new one is the older version {}",
            new.manifest.version
        )
    })
}

/// As versions are ordered. What is none cannot be told to be older.
fn is_older(new: &str, than: &str) -> bool {
    match (Version::parse(new), Version::parse(than)) {
        (Ok(new), Ok(than)) => new < than,
        _ => false,
    }
}
