//! Which plugins there are: every `*.wasm` of the plugin directories, the files that the configuration names, and the
//! native plugins that it lists as trusted. A `*.so` in a plugin directory is none of them.
//!
//! ```text
//! scan, add_files: files --describe--> what they say about themselves --find--> the configuration
//! load:            what the configuration names --compile--> plugins --get--> schedulers and checkers
//! ```
//!
//! A plugin that nothing names is not compiled, and a broken one stops nothing but the configuration that names it; at
//! the start of the daemon, nothing but the services that name it ([`Catalogue::fall_back`]).
//!
//! Of two files with one name in two directories the one of the first directory counts; in one directory neither does.

mod delegating;
mod directory;
mod entry;
mod fall_back;
mod fallback;
mod find;
mod keep;
mod names;
mod shadowed;
#[cfg(test)]
mod tests;
mod with_delegates;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel_core::model::PluginRef;

use crate::signature::{Signature, Trust};
use crate::{Plugin, PluginRuntime, Sha256, parallel};
pub use entry::Entry;
use fallback::Fallback;
pub use shadowed::Shadowed;
use with_delegates::WithDelegates;

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
    /// Whose signatures count.
    trust: Trust,
    /// What is used instead of what is broken.
    fallbacks: BTreeMap<PluginRef, Fallback>,
    /// Schedulers that leave groups of servers to others.
    delegating: BTreeMap<PluginRef, WithDelegates>,
}

impl Catalogue {
    /// Describes every `*.wasm` of the directories (not of directories in them). Only a file that does not say what
    /// it is gets compiled; that blocks.
    #[must_use]
    pub fn scan(runtime: &dyn PluginRuntime, directories: &[PathBuf]) -> Self {
        Self::default().rescan(runtime, directories)
    }

    /// From the next [`Self::rescan`] on these signatures count; until then, and without this, no key is trusted and no
    /// signature needed.
    pub fn set_trust(&mut self, trust: Trust) {
        self.trust = trust;
    }

    /// A new catalogue of the directories. A file whose content is what it was keeps its loaded plugin; files that
    /// were named one by one have to be named again with [`Self::add_files`].
    #[must_use]
    pub fn rescan(&self, runtime: &dyn PluginRuntime, directories: &[PathBuf]) -> Self {
        let mut unreadable = Vec::new();
        let mut files = Vec::new();
        for directory in directories {
            match directory::list(directory) {
                Ok(found) => files.extend(found),
                Err(error) => unreadable.push(Unreadable {
                    directory: directory.clone(),
                    reason: error.to_string(),
                    missing: error.kind() == io::ErrorKind::NotFound,
                }),
            }
        }
        // A directory that is named twice is no reason to find every plugin ambiguous.
        let mut seen = BTreeSet::new();
        files.retain(|file| seen.insert(fs::canonicalize(file).unwrap_or_else(|_| file.clone())));
        Self {
            directories: directories.to_vec(),
            entries: parallel::map(&files, |file| self.describe(runtime, file)),
            files: self.files.clone(),
            native: self.native.clone(),
            unreadable,
            trust: self.trust.clone(),
            fallbacks: BTreeMap::new(),
            delegating: self.delegating.clone(),
        }
    }

    /// Loads the native plugins that the configuration lists, and forgets those that it no longer lists. `runtime` is
    /// the one for native plugins; call it before [`Self::add_files`], which leaves these files alone.
    pub fn load_native(&mut self, runtime: &dyn PluginRuntime, files: &[PathBuf]) {
        let entries = files.iter().map(|file| {
            // It knows what it has loaded, and what has changed since.
            let entry = match runtime.read(file) {
                Ok(content) => Entry::describe(runtime, &self.trust, file, &content),
                Err(error) => Entry::unreadable(file, error.reason),
            };
            entry.signed_as_loaded(&self.trust, &self.native)
        });
        self.native = entries.collect();
    }

    /// Describes what the configuration names by file, and forgets such files that it no longer names.
    pub fn add_files<'a>(
        &mut self,
        runtime: &dyn PluginRuntime,
        plugins: impl IntoIterator<Item = &'a PluginRef>,
    ) {
        let mut files: Vec<PathBuf> = plugins
            .into_iter()
            .filter_map(|plugin| match plugin {
                PluginRef::File(file) if self.native(file).is_none() => Some(file.clone()),
                PluginRef::File(_) | PluginRef::Name(_) => None,
            })
            .collect();
        files.sort();
        files.dedup();
        let entries = parallel::map(&files, |file| self.describe(runtime, file));
        self.files = files.into_iter().zip(entries).collect();
    }

    /// Loads the plugins that the configuration names, and their delegates, several at once where there are several
    /// cores. Blocks for as long as compiling takes. What cannot be loaded is found as broken from then on.
    pub fn load<'a>(
        &mut self,
        runtime: &dyn PluginRuntime,
        plugins: impl IntoIterator<Item = &'a PluginRef>,
    ) {
        let plugins: Vec<&PluginRef> = plugins.into_iter().collect();
        // Where one turns out to be broken, one of a later directory may be meant.
        while self.load_meant(runtime, &plugins) {}
        self.load_delegates(runtime, &plugins);
    }

    /// Loads what is meant now. Returns whether there was anything to load.
    fn load_meant(&mut self, runtime: &dyn PluginRuntime, plugins: &[&PluginRef]) -> bool {
        let wanted: BTreeSet<&Path> = plugins
            .iter()
            .flat_map(|plugin| self.meant(plugin))
            .filter(|entry| entry.is_unloaded())
            .map(|entry| entry.file.as_path())
            .collect();
        let wanted: Vec<PathBuf> = wanted.into_iter().map(Path::to_owned).collect();
        let loaded = parallel::map(&wanted, |file| entry::load(runtime, &self.trust, file));
        let any = !wanted.is_empty();
        let loaded: BTreeMap<PathBuf, _> = wanted.into_iter().zip(loaded).collect();
        for entry in self.entries.iter_mut().chain(self.files.values_mut()) {
            if let Some(plugin) = loaded.get(&entry.file).filter(|_| entry.is_unloaded()) {
                entry.set_loaded(plugin);
            }
        }
        any
    }

    /// Every file of the directories, usable or not, in their order; then the ones that were named, and the native
    /// ones.
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

    /// The one plugin that this refers to, or what stands in for it; `None` if there is none, none that works, several,
    /// or it was not loaded.
    #[must_use]
    pub fn get(&self, plugin: &PluginRef) -> Option<Arc<dyn Plugin>> {
        if let Some(fallback) = self.fallbacks.get(plugin) {
            return fallback.plugin();
        }
        if let Some(with) = self.delegating.get(plugin) {
            return with.together.clone().ok();
        }
        self.entry(plugin)?.plugin().cloned()
    }

    /// The one file that this refers to, if it is usable as far as is known.
    #[must_use]
    pub fn entry(&self, plugin: &PluginRef) -> Option<&Entry> {
        match self.meant(plugin).as_slice() {
            [entry] if entry.info().is_ok() => Some(entry),
            _ => None,
        }
    }

    /// Who has signed the plugin that this refers to, or what stands in for it; `None` if there is none.
    #[must_use]
    pub fn signature(&self, plugin: &PluginRef) -> Option<&Signature> {
        match self.fallbacks.get(plugin) {
            Some(fallback) => fallback.signature(),
            None => self.entry(plugin).map(Entry::signature),
        }
    }

    /// The files that this refers to: more than one if it cannot be told which is meant. Those that cannot be used are
    /// among them only if no other gives itself the name.
    fn meant(&self, plugin: &PluginRef) -> Vec<&Entry> {
        match plugin {
            PluginRef::File(file) => self.file(file).into_iter().collect(),
            PluginRef::Name(name) => self.named_first(name),
        }
    }

    fn native(&self, file: &Path) -> Option<&Entry> {
        self.native.iter().find(|entry| entry.file == file)
    }

    /// What the configuration names by file.
    fn file(&self, file: &Path) -> Option<&Entry> {
        self.native(file).or_else(|| self.files.get(file))
    }

    fn named(&self, name: &str) -> impl Iterator<Item = &Entry> {
        self.with_names().filter(move |entry| entry.is_named(name))
    }

    /// What can be named by a plugin's name.
    fn with_names(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().chain(&self.native)
    }

    /// What a file says; without looking if its content is what it was. A plugin knows its own file, so only the same
    /// file will do. Should the file change before it is loaded, the next scan sees another digest and describes it
    /// again.
    fn describe(&self, runtime: &dyn PluginRuntime, file: &Path) -> Entry {
        let content = match runtime.read(file) {
            Ok(content) => content,
            Err(error) => return Entry::unreadable(file, error.reason),
        };
        let sha256 = Sha256::of(&content);
        let mut known = self.entries.iter().chain(self.files.values());
        match known.find(|entry| entry.is_still(file, sha256)) {
            Some(known) => known.judged_again(&self.trust, &content),
            None => Entry::describe(runtime, &self.trust, file, &content),
        }
    }
}
