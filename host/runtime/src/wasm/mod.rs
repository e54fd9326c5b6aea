//! Plugins that are WebAssembly components, by wasmtime.
//!
//! ```text
//! file --inspect--> kind, contract, manifest --cache / compile--> component --describe--> WasmPlugin
//!                                                                                           |
//!                           one instance per service, called at once:  WasmScheduler <------+-----> WasmChecker
//!                                                                      its instances run on fibers, idle ones are reused
//! ```
//!
//! The manifest is in a section of the file. A file without one is compiled and asked once; the answer is kept in the
//! cache.
//!
//! A plugin can do nothing but compute and call what its contract (`contracts`) offers it. An instance that trapped is dropped.

mod cache;
mod checker;
mod config;
mod contracts;
mod engine;
mod inspect;
mod plugin;
mod sandbox;
mod scheduler;
mod shared;
mod since_v0_1;
mod since_v0_2;
mod state;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use crate::{Described, LoadError, MAX_PLUGIN, Plugin, PluginInfo, PluginRuntime, files};
pub use config::{CacheUse, RuntimeError, WasmConfig};
use inspect::Inspected;
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
    /// An engine with its clock.
    ///
    /// # Errors
    /// [`RuntimeError`]. A cache that cannot be used is a warning only.
    pub fn new(config: WasmConfig) -> Result<Self, RuntimeError> {
        Ok(Self {
            shared: Arc::new(Shared::new(config)?),
        })
    }

    /// The plugin whose bytes these are, compiled.
    fn compile(
        &self,
        file: &Path,
        bytes: &[u8],
        inspected: Inspected,
    ) -> Result<Arc<dyn Plugin>, String> {
        let component = self.shared.component(bytes)?;
        let plugin = WasmPlugin::new(&self.shared, file, inspected, &component)?;
        Ok(Arc::new(plugin))
    }

    fn try_describe(&self, file: &Path) -> Result<Described, String> {
        let bytes = read(file)?;
        let mut inspected = inspect::inspect(&bytes)?;
        let known = inspected
            .manifest
            .take()
            .or_else(|| self.shared.remembered(&bytes, inspected.kind));
        if let Some(manifest) = known {
            return Ok(Described::unloaded(PluginInfo {
                kind: inspected.kind,
                contract: inspected.version.to_string(),
                manifest,
            }));
        }
        let plugin = self.compile(file, &bytes, inspected)?;
        self.shared.remember(&bytes, plugin.manifest());
        Ok(Described::loaded(plugin))
    }

    fn try_load(&self, file: &Path) -> Result<Arc<dyn Plugin>, String> {
        let bytes = read(file)?;
        let inspected = inspect::inspect(&bytes)?;
        self.compile(file, &bytes, inspected)
    }
}

impl PluginRuntime for WasmRuntime {
    fn describe(&self, file: &Path) -> Result<Described, LoadError> {
        self.try_describe(file)
            .map_err(|reason| LoadError::new(file, &reason))
    }

    fn load(&self, file: &Path) -> Result<Arc<dyn Plugin>, LoadError> {
        self.try_load(file)
            .map_err(|reason| LoadError::new(file, &reason))
    }
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    files::read(file, MAX_PLUGIN).map_err(|error| error.to_string())
}
