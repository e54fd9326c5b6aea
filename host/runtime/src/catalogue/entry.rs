//! What is known of one plugin file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{Described, Plugin, PluginInfo, PluginRuntime};

/// One plugin file.
#[derive(Clone)]
pub struct Entry {
    /// The file.
    pub file: PathBuf,
    /// What it says about itself, or the reason why it is no plugin.
    info: Result<PluginInfo, String>,
    /// The plugin once it has been loaded, or the reason why that failed.
    plugin: Option<Result<Arc<dyn Plugin>, String>>,
    /// Of the file's content; `None` if it could not be read.
    hash: Option<blake3::Hash>,
}

impl Entry {
    /// What the file says; nothing is loaded that need not be. `hash` is that of its content.
    pub(super) fn describe(
        runtime: &dyn PluginRuntime,
        file: &Path,
        hash: Option<blake3::Hash>,
    ) -> Self {
        let described = runtime.describe(file).map_err(|error| error.reason);
        let (info, plugin) = match described {
            Ok(Described { info, plugin }) => (Ok(info), plugin.map(Ok)),
            Err(reason) => (Err(reason), None),
        };
        Self {
            file: file.to_owned(),
            info,
            plugin,
            hash,
        }
    }

    /// What it says about itself, if it can be used as far as is known.
    ///
    /// # Errors
    /// The reason why it cannot be used.
    pub fn info(&self) -> Result<&PluginInfo, &str> {
        match (&self.info, &self.plugin) {
            (Err(reason), _) | (_, Some(Err(reason))) => Err(reason),
            (Ok(info), _) => Ok(info),
        }
    }

    /// The plugin, if it has been loaded.
    #[must_use]
    pub fn plugin(&self) -> Option<&Arc<dyn Plugin>> {
        self.plugin.as_ref()?.as_ref().ok()
    }

    /// Whether it gives itself this name, usable or not.
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.info.as_ref().is_ok_and(|it| it.manifest.name == name)
    }

    /// Whether it is a plugin as far as its file tells, and has not been loaded yet.
    pub(super) fn is_unloaded(&self) -> bool {
        self.info.is_ok() && self.plugin.is_none()
    }

    /// Whether another one, or a later catalogue, can use it again for a file with this content. One that failed is
    /// tried again.
    pub(super) fn is_still(&self, file: &Path, hash: blake3::Hash) -> bool {
        self.file == file && self.hash == Some(hash) && self.info().is_ok()
    }

    /// Takes over what loading the file came to.
    pub(super) fn set_loaded(&mut self, loaded: &Result<Arc<dyn Plugin>, String>) {
        if let Ok(plugin) = loaded {
            // The file may have changed since it was described.
            self.info = Ok(Described::loaded(Arc::clone(plugin)).info);
        }
        self.plugin = Some(loaded.clone());
    }
}
