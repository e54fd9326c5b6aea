//! Which plugin decides for a service.

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::SystemTime;

use evenkeel_runtime::signature::Signature;
use evenkeel_runtime::{Plugin, Sha256, Usage};

/// A plugin in use, as `status` shows it.
pub struct PluginIdentity {
    /// It may go while this is there.
    plugin: Weak<dyn Plugin>,
    /// Of its file; `None` if that could not be read.
    pub sha256: Option<Sha256>,
    /// Version of the contract that it was built against.
    pub contract: String,
    /// Its file.
    pub file: PathBuf,
    /// `wasm` or `native`.
    pub runtime: &'static str,
    /// When it was loaded.
    pub loaded_at: SystemTime,
    /// Who has signed it.
    pub signature: Signature,
}

impl PluginIdentity {
    /// Of a plugin that has just been loaded. `of_file`: the digest of its file, where it does not know it itself.
    pub(super) fn new(
        plugin: &Arc<dyn Plugin>,
        of_file: Option<Sha256>,
        signature: Signature,
    ) -> Self {
        let file = plugin.file().to_owned();
        let native = file.extension().is_some_and(|it| it == "so");
        Self {
            plugin: Arc::downgrade(plugin),
            sha256: plugin.sha256().or(of_file),
            contract: plugin.contract().to_owned(),
            file,
            runtime: if native { "native" } else { "wasm" },
            loaded_at: SystemTime::now(),
            signature,
        }
    }

    /// Whether this is that plugin, and not another one of its name. A plugin is also known as what makes schedulers.
    pub(crate) fn is<P: ?Sized>(&self, plugin: &Arc<P>) -> bool {
        std::ptr::addr_eq(self.plugin.as_ptr(), Arc::as_ptr(plugin))
    }

    /// Whether the two are of one plugin.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        std::ptr::addr_eq(self.plugin.as_ptr(), other.plugin.as_ptr())
    }

    /// What its instances take in all services, where that is counted.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.plugin.upgrade()?.usage()
    }
}
