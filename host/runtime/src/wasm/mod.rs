//! Plugins that are WebAssembly components, by wasmtime.
//!
//! ```text
//! file --inspect--> kind, contract --cache / compile--> component --describe--> WasmPlugin
//!                                                                                 |
//!                  one instance per service, called at once:  WasmScheduler <-----+-----> WasmChecker
//!                                                             its instances run on fibers, idle ones are reused
//! ```
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

use evenkeel_core::model::Sandbox;
use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, Linker};

use crate::{LoadError, Plugin, PluginRuntime};
use cache::Cache;
use engine::Ticker;
use plugin::WasmPlugin;
use state::State;

/// The largest file that is read as a plugin. One with an interpreter in it (Python) has 18 MB.
const MAX_FILE: u64 = 256 << 20;

/// How plugins are to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WasmConfig {
    /// What an instance may use.
    pub sandbox: Sandbox,
    /// Where compiled code is kept. Made with mode 0700 if it does not exist; not used, with a warning, if anyone else could
    /// have written to it. `None`: every start compiles anew.
    pub cache_dir: Option<PathBuf>,
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
        let cache = config.cache_dir.and_then(|directory| {
            Cache::open(&directory, &engine)
                .inspect_err(|reason| {
                    tracing::warn!(
                        directory = %directory.display(),
                        reason,
                        "compiled plugins are not kept: the directory cannot be used"
                    );
                })
                .ok()
        });
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

impl PluginRuntime for WasmRuntime {
    fn load(&self, file: &Path) -> Result<Arc<dyn Plugin>, LoadError> {
        let fail = |reason| LoadError {
            file: file.to_owned(),
            reason,
        };
        let bytes = read(file).map_err(fail)?;
        let inspected = inspect::inspect(&bytes).map_err(fail)?;
        let component = self.shared.component(&bytes).map_err(fail)?;
        let plugin = WasmPlugin::new(&self.shared, file, inspected, &component).map_err(fail)?;
        Ok(Arc::new(plugin))
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
            .and_then(|c| c.load(&self.engine, bytes))
        {
            return Ok(component);
        }
        let component = Component::from_binary(&self.engine, bytes).map_err(|error| {
            format!(
                "cannot be compiled: {}",
                crate::voice::clean(&format!("{error:#}"), 1000)
            )
        })?;
        if let Some(cache) = &self.cache {
            cache.store(bytes, &component);
        }
        Ok(component)
    }
}
