//! Which plugin decides for a service.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use evenkeel_runtime::{Plugin, Sha256, Usage};

/// A plugin in use, as `status` shows it.
pub struct PluginIdentity {
    plugin: Arc<dyn Plugin>,
    sha256: Option<Sha256>,
    /// When it was loaded.
    pub loaded_at: SystemTime,
}

impl PluginIdentity {
    /// Of a plugin that has just been loaded. `of_file`: the digest of its file, where it does not know it itself.
    pub(super) fn new(plugin: Arc<dyn Plugin>, of_file: Option<Sha256>) -> Self {
        Self {
            sha256: plugin.sha256().or(of_file),
            plugin,
            loaded_at: SystemTime::now(),
        }
    }

    /// Whether this is that plugin, and not another one of its name.
    pub(super) fn is(&self, plugin: &Arc<dyn Plugin>) -> bool {
        Arc::ptr_eq(&self.plugin, plugin)
    }

    /// Version of the contract that it was built against.
    pub fn contract(&self) -> &str {
        self.plugin.contract()
    }

    /// Its file.
    pub fn file(&self) -> PathBuf {
        self.plugin.file().to_owned()
    }

    /// Of its file; `None` if that could not be read.
    pub fn sha256(&self) -> Option<Sha256> {
        self.sha256
    }

    /// `wasm` or `native`.
    pub fn runtime(&self) -> &'static str {
        let native = self.plugin.file().extension().is_some_and(|it| it == "so");
        if native { "native" } else { "wasm" }
    }

    /// What its instances take in all services, where that is counted.
    pub fn usage(&self) -> Option<Usage> {
        self.plugin.usage()
    }
}
