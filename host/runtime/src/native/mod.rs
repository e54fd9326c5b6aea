//! Plugins that are shared objects: the same source as for WebAssembly, run inside the daemon without a sandbox.
//!
//! ```text
//! file --trust--> may root alone have written it?  --library--> a sealed copy, its one symbol, loaded for good
//!                                                                    |
//!                                        NativePlugin --one instance per service--> NativeScheduler
//! ```
//!
//! A panic is caught inside the plugin and ends the instance as a trap does. Nothing else is contained: a plugin that
//! loops keeps its thread, one that writes through a wild pointer or was built with `panic = "abort"` takes the
//! daemon with it.

mod convert;
mod host;
mod library;
mod plugin;
mod scheduler;
mod trust;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::{
    Described, LoadError, MAX_PLUGIN, Plugin, PluginRuntime, SchedulerPlugin as _, Sha256, files,
};
use library::Library;
use plugin::NativePlugin;

/// Loads shared objects. What is loaded stays until the process ends.
#[derive(Debug, Default)]
pub struct NativeRuntime {
    /// Whoever may have written to a file.
    trusts_everyone: bool,
    /// By path. A file that has changed since cannot take the place of what is in use.
    loaded: Mutex<BTreeMap<PathBuf, Arc<NativePlugin>>>,
}

impl NativeRuntime {
    /// A runtime that loads what nobody but root can have written: the file, and every directory above it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A runtime that loads any file. For tests and measurements, whose files belong to who builds them.
    #[must_use]
    pub fn trusting_everyone() -> Self {
        Self {
            trusts_everyone: true,
            ..Self::default()
        }
    }

    fn try_read(&self, file: &Path) -> Result<Vec<u8>, String> {
        let path = std::fs::canonicalize(file).map_err(|error| error.to_string())?;
        if self.trusts_everyone {
            files::read(&path, MAX_PLUGIN).map_err(|error| error.to_string())
        } else {
            trust::read(&path)
        }
    }

    fn try_load(&self, file: &Path, content: &[u8]) -> Result<Arc<NativePlugin>, String> {
        let path = std::fs::canonicalize(file).map_err(|error| error.to_string())?;
        let sha256 = Sha256::of(content);
        let mut loaded = self.loaded.lock();
        if let Some(known) = loaded.get(&path) {
            if known.sha256() != Some(sha256) {
                tracing::warn!(
                    file = %file.display(),
                    "the native plugin has changed since it was loaded; the old one stays in use until the daemon is restarted"
                );
            }
            return Ok(Arc::clone(known));
        }
        let library = Library::load(&path, content)?;
        let plugin = Arc::new(NativePlugin::new(file, sha256, library)?);
        let manifest = plugin.manifest();
        tracing::warn!(
            plugin = manifest.name,
            version = manifest.version,
            file = %file.display(),
            "native plugin loaded: it runs unsandboxed inside the daemon, with all its rights"
        );
        loaded.insert(path, Arc::clone(&plugin));
        Ok(plugin)
    }
}

impl PluginRuntime for NativeRuntime {
    fn read(&self, file: &Path) -> Result<Vec<u8>, LoadError> {
        self.try_read(file)
            .map_err(|reason| LoadError::new(file, &reason))
    }

    /// Loads it: a shared object says nothing about itself before its code runs.
    fn describe_content(&self, file: &Path, content: &[u8]) -> Result<Described, LoadError> {
        self.load_content(file, content).map(Described::loaded)
    }

    fn load_content(&self, file: &Path, content: &[u8]) -> Result<Arc<dyn Plugin>, LoadError> {
        match self.try_load(file, content) {
            Ok(plugin) => Ok(plugin),
            Err(reason) => Err(LoadError::new(file, &reason)),
        }
    }
}
