//! Plugins that are WebAssembly components, by wasmtime.
//!
//! ```text
//! file --inspect--> kind, contract, manifest --cache / bounds, compile--> component --describe--> WasmPlugin
//!                                                                                           |
//!                           one instance per service, called at once:  WasmScheduler <------+-----> WasmChecker
//!                                                                      its instances run on fibers, idle ones are reused
//! ```
//!
//! The manifest is in a section of the file. A file without one is compiled, with little effort, and asked once; the
//! answer is kept in the cache.
//!
//! A plugin can do nothing but compute and call what its contract (`contracts`) offers it. What it imports of WASI is there,
//! and grants nothing (`wasi`). An instance that trapped is
//! dropped.

mod bounds;
mod cache;
mod checker;
mod compile;
mod config;
mod confines;
mod contracts;
mod engine;
mod good;
mod inspect;
mod instance;
mod plugin;
mod sandbox;
mod scheduler;
mod shared;
mod since_v0_1;
mod since_v0_2;
mod state;
mod stateless;
mod wasi;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use evenkeel_core::model::PluginRef;

use crate::digest::Sha256;
use crate::signature::Signature;
use crate::{Described, LoadError, MAX_PLUGIN, Plugin, PluginInfo, PluginRuntime, files};
pub use compile::{Compiler, Order, serve};
pub use config::{CacheUse, Host, RuntimeError, WasmConfig};
use engine::Effort;
use inspect::Inspected;
pub(crate) use inspect::interfaces;
use plugin::WasmPlugin;
use shared::Shared;

/// Characters kept of the reason of a verdict.
const MAX_REASON: usize = 300;

/// Runs WebAssembly components.
///
/// Plugins, schedulers and checkers outlive it: what they need is shared, and their time goes on.
pub struct WasmRuntime {
    shared: Arc<Shared>,
}

impl WasmRuntime {
    /// An engine with its clock, whose plugins are compiled in this process.
    ///
    /// # Errors
    /// [`RuntimeError`]. A cache that cannot be used is a warning only.
    pub fn new(config: WasmConfig) -> Result<Self, RuntimeError> {
        Self::with_host(config, Host::default())
    }

    /// An engine with its clock.
    ///
    /// # Errors
    /// [`RuntimeError`]. A cache that cannot be used is a warning only.
    pub fn with_host(config: WasmConfig, host: Host) -> Result<Self, RuntimeError> {
        Ok(Self {
            shared: Arc::new(Shared::new(config, host)?),
        })
    }

    /// The plugin whose bytes these are, compiled.
    fn compile(
        &self,
        file: &Path,
        bytes: &[u8],
        inspected: Inspected,
        effort: Effort,
    ) -> Result<Arc<dyn Plugin>, String> {
        let sha256 = Sha256::of(bytes);
        let component = self.shared.component(bytes, &sha256, effort)?;
        let plugin = WasmPlugin::new(&self.shared, file, sha256, inspected, &component)?;
        Ok(Arc::new(plugin))
    }

    fn try_describe(&self, file: &Path, bytes: &[u8]) -> Result<Described, String> {
        let sha256 = Sha256::of(bytes);
        let mut inspected = inspect::inspect(bytes)?;
        self.shared.compilable(bytes, &sha256)?;
        let known = inspected
            .manifest
            .take()
            .or_else(|| self.shared.remembered(&sha256, inspected.kind));
        let (kind, contract) = (inspected.kind, inspected.version.to_string());
        let manifest = match known {
            Some(manifest) => manifest,
            None => {
                let plugin = self.compile(file, bytes, inspected, Effort::Quick)?;
                self.shared.remember(&sha256, plugin.manifest());
                plugin.manifest().clone()
            }
        };
        Ok(Described::unloaded(PluginInfo {
            kind,
            contract,
            manifest,
        }))
    }

    fn try_load(&self, file: &Path, bytes: &[u8]) -> Result<Arc<dyn Plugin>, String> {
        let inspected = inspect::inspect(bytes)?;
        self.compile(file, bytes, inspected, Effort::Full)
    }
}

impl PluginRuntime for WasmRuntime {
    fn read(&self, file: &Path) -> Result<Vec<u8>, LoadError> {
        files::read(file, MAX_PLUGIN).map_err(|error| LoadError::new(file, &error.to_string()))
    }

    fn describe_content(&self, file: &Path, content: &[u8]) -> Result<Described, LoadError> {
        self.try_describe(file, content)
            .map_err(|reason| LoadError::new(file, &reason))
    }

    fn load_content(&self, file: &Path, content: &[u8]) -> Result<Arc<dyn Plugin>, LoadError> {
        self.try_load(file, content)
            .map_err(|reason| LoadError::new(file, &reason))
    }

    fn last_good(&self, plugin: &PluginRef) -> Option<(Arc<dyn Plugin>, Signature)> {
        good::load(&self.shared, plugin)
    }

    fn keep_good(&self, plugin: &PluginRef, loaded: &dyn Plugin, signature: &Signature) {
        good::keep(&self.shared, plugin, loaded, signature);
    }
}
