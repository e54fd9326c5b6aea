//! What is known of one plugin file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{Described, Plugin, PluginInfo, PluginRuntime, Sha256};

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
    sha256: Option<Sha256>,
    /// The file's length in bytes; 0 if it could not be read.
    size: u64,
}

impl Entry {
    /// What the file says; nothing is loaded that need not be. `content` is the digest and the length of its content.
    pub(super) fn describe(
        runtime: &dyn PluginRuntime,
        file: &Path,
        content: Option<(Sha256, u64)>,
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
            sha256: content.map(|(sha256, _)| sha256),
            size: content.map_or(0, |(_, size)| size),
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

    /// Of the file's content; `None` if it could not be read.
    #[must_use]
    pub fn sha256(&self) -> Option<Sha256> {
        self.sha256
    }

    /// The file's length in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
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
    pub(super) fn is_still(&self, file: &Path, content: Sha256) -> bool {
        self.file == file && self.sha256 == Some(content) && self.info().is_ok()
    }

    /// Takes over what loading the file came to.
    pub(super) fn set_loaded(&mut self, loaded: &Result<Arc<dyn Plugin>, String>) {
        if let Ok(plugin) = loaded {
            // The file may have changed since it was described.
            self.info = Ok(Described::loaded(Arc::clone(plugin)).info);
            self.sha256 = plugin.sha256().or(self.sha256);
        }
        self.plugin = Some(loaded.clone());
    }
}
