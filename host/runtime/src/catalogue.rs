//! Which plugins there are: every `*.wasm` of the plugin directories, the files that the configuration names, and the native
//! plugins that it lists as trusted. A `*.so` in a plugin directory is none of them.
//!
//! A broken plugin is noted and stops nothing but the configuration that refers to it.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use evenkeel_config::{Found, Plugins};
use evenkeel_core::manifest::PluginKind;
use evenkeel_core::model::PluginRef;

use crate::{Plugin, PluginRuntime};

/// One plugin file.
#[derive(Clone)]
pub struct Entry {
    /// The file.
    pub file: PathBuf,
    /// The plugin, or the reason why it cannot be used.
    pub plugin: Result<Arc<dyn Plugin>, String>,
    /// Of the file's content; `None` if it could not be read.
    hash: Option<blake3::Hash>,
}

/// A plugin directory that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The directory.
    pub directory: PathBuf,
    /// Why.
    pub reason: String,
    /// Whether it does not exist at all: no error for a default directory.
    pub missing: bool,
}

/// The plugins that were found.
#[derive(Default, Clone)]
pub struct Catalogue {
    directories: Vec<PathBuf>,
    /// In the order of the directories, and of the names in each.
    entries: Vec<Entry>,
    /// Named one by one. Not found by a plugin's name.
    files: BTreeMap<PathBuf, Entry>,
    /// Listed as trusted. Found by name and by file.
    native: Vec<Entry>,
    unreadable: Vec<Unreadable>,
}

impl Catalogue {
    /// Loads every `*.wasm` of the directories (not of directories in them). Blocks for as long as compiling takes.
    #[must_use]
    pub fn scan(runtime: &dyn PluginRuntime, directories: &[PathBuf]) -> Self {
        Self::default().rescan(runtime, directories)
    }

    /// A new catalogue of the directories. A file whose content is what it was keeps its loaded plugin; files that were named
    /// one by one have to be named again with [`Self::load_file`].
    #[must_use]
    pub fn rescan(&self, runtime: &dyn PluginRuntime, directories: &[PathBuf]) -> Self {
        let mut unreadable = Vec::new();
        let mut files = Vec::new();
        for directory in directories {
            match list(directory) {
                Ok(found) => files.extend(found),
                Err(error) => unreadable.push(Unreadable {
                    directory: directory.clone(),
                    reason: error.to_string(),
                    missing: error.kind() == io::ErrorKind::NotFound,
                }),
            }
        }
        // A directory that is named twice is no reason to find every plugin ambiguous.
        let mut seen = std::collections::BTreeSet::new();
        files.retain(|file| seen.insert(fs::canonicalize(file).unwrap_or_else(|_| file.clone())));
        let entries = self.load_all(runtime, &files);
        Self {
            directories: directories.to_vec(),
            entries,
            files: self.files.clone(),
            native: self.native.clone(),
            unreadable,
        }
    }

    /// Loads the native plugins that the configuration lists, and forgets those that it no longer lists. `runtime` is the one
    /// for native plugins; call it before [`Self::load_files`], which leaves these files alone.
    pub fn load_native(&mut self, runtime: &dyn PluginRuntime, files: &[PathBuf]) {
        self.native = files
            .iter()
            // It knows what it has loaded, and what has changed since.
            .map(|file| Entry {
                file: file.clone(),
                plugin: runtime.load(file).map_err(|error| error.reason),
                hash: None,
            })
            .collect();
    }

    /// Loads a file that the configuration names, or loads it again if it has changed.
    pub fn load_file(&mut self, runtime: &dyn PluginRuntime, file: &Path) {
        let entry = self.load(runtime, file);
        self.files.insert(file.to_owned(), entry);
    }

    /// Loads what the configuration names by file, and forgets such files that it no longer names.
    pub fn load_files<'a>(
        &mut self,
        runtime: &dyn PluginRuntime,
        plugins: impl IntoIterator<Item = &'a PluginRef>,
    ) {
        let files: BTreeMap<PathBuf, Entry> = plugins
            .into_iter()
            .filter_map(|plugin| match plugin {
                PluginRef::File(file) if self.native(file).is_none() => {
                    Some((file.clone(), self.load(runtime, file)))
                }
                PluginRef::File(_) | PluginRef::Name(_) => None,
            })
            .collect();
        self.files = files;
    }

    /// Every file of the directories, usable or not, in their order; then the ones that were named, and the native ones.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        let named = self
            .files
            .values()
            .filter(|named| self.entries.iter().all(|entry| entry.file != named.file));
        self.entries.iter().chain(named).chain(&self.native)
    }

    /// The directories that could not be read.
    #[must_use]
    pub fn unreadable(&self) -> &[Unreadable] {
        &self.unreadable
    }

    /// The one plugin that this refers to; `None` if there is none, none that works, or several.
    #[must_use]
    pub fn get(&self, plugin: &PluginRef) -> Option<Arc<dyn Plugin>> {
        match plugin {
            PluginRef::File(file) => self.file(file)?.plugin.as_ref().ok().cloned(),
            PluginRef::Name(name) => match self.named(name).as_slice() {
                [plugin] => Some(Arc::clone(plugin)),
                _ => None,
            },
        }
    }

    fn native(&self, file: &Path) -> Option<&Entry> {
        self.native.iter().find(|entry| entry.file == file)
    }

    /// What the configuration names by file.
    fn file(&self, file: &Path) -> Option<&Entry> {
        self.native(file).or_else(|| self.files.get(file))
    }

    fn named(&self, name: &str) -> Vec<&Arc<dyn Plugin>> {
        self.working()
            .filter(|plugin| plugin.manifest().name == name)
            .collect()
    }

    fn working(&self) -> impl Iterator<Item = &Arc<dyn Plugin>> {
        self.entries
            .iter()
            .chain(&self.native)
            .filter_map(|entry| entry.plugin.as_ref().ok())
    }

    /// What this catalogue knows of a file with this content. A plugin knows its own file, so only the same file will do.
    fn known(&self, file: &Path, hash: blake3::Hash) -> Option<Arc<dyn Plugin>> {
        let same = |entry: &&Entry| entry.file == file && entry.hash == Some(hash);
        let entry = self.entries.iter().chain(self.files.values()).find(same)?;
        entry.plugin.as_ref().ok().cloned()
    }

    fn load(&self, runtime: &dyn PluginRuntime, file: &Path) -> Entry {
        // Should the file change before the runtime reads it, the next scan sees another hash and loads it again.
        let hash = fs::read(file).map(|bytes| blake3::hash(&bytes)).ok();
        let known = hash.and_then(|hash| self.known(file, hash));
        let plugin = known.map_or_else(|| runtime.load(file).map_err(|error| error.reason), Ok);
        Entry {
            file: file.to_owned(),
            plugin,
            hash,
        }
    }

    /// Loads the files, several at once where there are several cores.
    fn load_all(&self, runtime: &dyn PluginRuntime, files: &[PathBuf]) -> Vec<Entry> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let next = AtomicUsize::new(0);
        let (sender, loaded) = channel();
        std::thread::scope(|scope| {
            for _ in 0..cores.min(files.len()) {
                let sender = sender.clone();
                let next = &next;
                scope.spawn(move || {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(file) = files.get(index) else { break };
                        if sender.send((index, self.load(runtime, file))).is_err() {
                            break;
                        }
                    }
                });
            }
        });
        drop(sender);
        let mut entries: Vec<_> = loaded.into_iter().collect();
        entries.sort_by_key(|(index, _)| *index);
        entries.into_iter().map(|(_, entry)| entry).collect()
    }
}

impl Plugins for Catalogue {
    fn find(&self, plugin: &PluginRef) -> Found<'_> {
        match plugin {
            PluginRef::File(file) => match self.file(file) {
                Some(Entry {
                    plugin: Ok(plugin), ..
                }) => found(plugin.as_ref()),
                Some(Entry {
                    plugin: Err(reason),
                    ..
                }) => Found::Broken {
                    reason: reason.clone(),
                },
                None => self.missing(vec![file.display().to_string()]),
            },
            PluginRef::Name(name) => match self.named(name).as_slice() {
                &[plugin] => found(&**plugin),
                [] => self.broken(name).unwrap_or_else(|| {
                    self.missing(
                        self.directories
                            .iter()
                            .map(|d| d.display().to_string())
                            .collect(),
                    )
                }),
                several => Found::Ambiguous {
                    files: several
                        .iter()
                        .map(|p| p.file().display().to_string())
                        .collect(),
                },
            },
        }
    }
}

impl Catalogue {
    /// A broken file that is called like the plugin, which is probably what was meant.
    fn broken(&self, name: &str) -> Option<Found<'_>> {
        self.entries.iter().chain(&self.native).find_map(|entry| {
            let reason = entry.plugin.as_ref().err()?;
            let reason = format!("{}: {reason}", entry.file.display());
            (entry.file.file_stem()? == name).then_some(Found::Broken { reason })
        })
    }

    fn missing(&self, searched: Vec<String>) -> Found<'_> {
        let mut available: Vec<(String, PluginKind)> = self
            .working()
            .map(|plugin| (plugin.manifest().name.clone(), plugin.kind()))
            .collect();
        available.sort();
        available.dedup();
        Found::Missing {
            available,
            searched,
        }
    }
}

fn found(plugin: &dyn Plugin) -> Found<'_> {
    Found::One {
        kind: plugin.kind(),
        manifest: plugin.manifest(),
    }
}

/// The `*.wasm` of a directory, sorted by name.
fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "wasm") && !path.is_dir() {
            files.push(path);
        } else if path.extension().is_some_and(|e| e == "so") {
            tracing::debug!(
                file = %path.display(),
                "not loaded: a native plugin has to be listed in native_plugins"
            );
        }
    }
    files.sort();
    Ok(files)
}
