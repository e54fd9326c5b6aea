//! Plugins that are WebAssembly components, by wasmtime.
//!
//! ```text
//! file --inspect--> kind, contract, manifest --cache / compile--> component --describe--> WasmPlugin
//!                                                                                           |
//!                           one instance per service, called at once:  WasmScheduler <------+-----> WasmChecker
//!                                                                      its instances run on fibers, idle ones are reused
//! ```
//!
//! The manifest is in a section of the file. A file without one is compiled and asked once; the answer is kept in the cache.
//!
//! A plugin can do nothing but compute and call what `since_v0_1` offers it. An instance that trapped is dropped.

mod cache;
mod checker;
mod engine;
mod inspect;
mod plugin;
mod sandbox;
mod scheduler;
mod since_v0_1;
mod state;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel_core::manifest::{Manifest, PluginKind};
use evenkeel_core::model::Sandbox;
use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, Linker};

use crate::{Described, LoadError, Plugin, PluginInfo, PluginRuntime};
use cache::{Cache, Owner};
use engine::Ticker;
use inspect::Inspected;
use plugin::WasmPlugin;
use state::State;

/// The largest file that is read as a plugin. One with an interpreter in it (Python) has 18 MB.
const MAX_FILE: u64 = 256 << 20;

/// How plugins are to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WasmConfig {
    /// What an instance may use.
    pub sandbox: Sandbox,
    /// Where compiled code is kept.
    pub cache: CacheUse,
}

/// How a directory with compiled code is used. Never if anyone but this user could have written to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheUse {
    /// Not at all: every start compiles anew.
    None,
    /// As this process's own: made with mode 0700 if it does not exist; what goes wrong with it is a warning.
    Own(PathBuf),
    /// As another process's: used if it exists, added to if that is allowed. Nothing about it is worth a warning.
    Borrowed(PathBuf),
}

/// Why plugins cannot be run at all.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The machine lacks what the engine needs.
    #[error("the WebAssembly engine does not start: {0}")]
    Engine(String),
    /// No thread to be had.
    #[error("no thread for the clock of the plugins: {0}")]
    Clock(#[source] io::Error),
}

/// Runs WebAssembly components.
///
/// Plugins, schedulers and checkers outlive it: what they need is shared, and their time goes on.
pub struct WasmRuntime {
    shared: Arc<Shared>,
}

/// What every instance needs.
struct Shared {
    engine: Engine,
    sandbox: Sandbox,
    schedulers: Linker<State>,
    checkers: Linker<State>,
    cache: Option<Cache>,
    /// Without it no time would pass, and no call be ended.
    _ticker: Ticker,
}

impl WasmRuntime {
    /// An engine with its clock.
    ///
    /// # Errors
    /// [`RuntimeError`]. A cache that cannot be used is a warning only.
    pub fn new(config: WasmConfig) -> Result<Self, RuntimeError> {
        let fail = |error: wasmtime::Error| RuntimeError::Engine(format!("{error:#}"));
        let engine = engine::engine().map_err(fail)?;
        let mut schedulers = Linker::new(&engine);
        since_v0_1::scheduler::SchedulerPlugin::add_to_linker::<_, HasSelf<State>>(
            &mut schedulers,
            |state| state,
        )
        .map_err(fail)?;
        let mut checkers = Linker::new(&engine);
        since_v0_1::checker::HealthCheckerPlugin::add_to_linker::<_, HasSelf<State>>(
            &mut checkers,
            |state| state,
        )
        .map_err(fail)?;
        let cache = match &config.cache {
            CacheUse::None => None,
            CacheUse::Own(directory) => Cache::open(directory, Owner::Own, &engine)
                .inspect_err(|reason| {
                    tracing::warn!(
                        directory = %directory.display(),
                        reason,
                        "compiled plugins are not kept: the directory cannot be used"
                    );
                })
                .ok(),
            CacheUse::Borrowed(directory) => Cache::open(directory, Owner::Borrowed, &engine)
                .inspect_err(|reason| {
                    tracing::debug!(directory = %directory.display(), reason, "plugin cache not used");
                })
                .ok(),
        };
        let ticker =
            Ticker::start(&engine, config.sandbox.pick_time).map_err(RuntimeError::Clock)?;
        let sandbox = config.sandbox;
        let shared = Shared {
            engine,
            sandbox,
            schedulers,
            checkers,
            cache,
            _ticker: ticker,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }
}

impl WasmRuntime {
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
                contract: inspected.contract.to_string(),
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
            .map_err(|reason| LoadError::new(file, reason))
    }

    fn load(&self, file: &Path) -> Result<Arc<dyn Plugin>, LoadError> {
        self.try_load(file)
            .map_err(|reason| LoadError::new(file, reason))
    }
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    let metadata = std::fs::metadata(file).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("is no file".to_owned());
    }
    if metadata.len() > MAX_FILE {
        return Err(format!("is larger than {} MiB", MAX_FILE >> 20));
    }
    std::fs::read(file).map_err(|error| error.to_string())
}

impl Shared {
    /// The compiled code of these bytes, from the cache if it is there.
    fn component(&self, bytes: &[u8]) -> Result<Component, String> {
        if let Some(component) = self
            .cache
            .as_ref()
            .and_then(|cache| cache.code(&self.engine, bytes))
        {
            return Ok(component);
        }
        let component = Component::from_binary(&self.engine, bytes).map_err(|error| {
            format!(
                "cannot be compiled: {}",
                crate::text::clean(&format!("{error:#}"), 1000)
            )
        })?;
        if let Some(cache) = &self.cache {
            cache.keep_code(bytes, &component);
        }
        Ok(component)
    }

    /// What the plugin with these bytes, whose file has no manifest, said when it was asked once.
    fn remembered(&self, bytes: &[u8], kind: PluginKind) -> Option<Manifest> {
        let kept = self.cache.as_ref()?.manifest(bytes)?;
        crate::section::decode(&kept, kind).ok().flatten()
    }

    fn remember(&self, bytes: &[u8], manifest: &Manifest) {
        if let Some(cache) = &self.cache
            && let Some(encoded) = crate::section::encode(manifest)
        {
            cache.keep_manifest(bytes, &encoded);
        }
    }
}
