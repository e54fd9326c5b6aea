//! What all plugins, schedulers and checkers of a runtime share: the engine, its clock and the cache.

use evenkeel_core::manifest::{Manifest, PluginKind};
use evenkeel_core::model::Sandbox;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::cache::{Cache, Owner};
use super::config::{CacheUse, RuntimeError, WasmConfig};
use super::contracts::Linkers;
use super::engine::{self, Ticker};

/// What every instance needs.
pub(super) struct Shared {
    pub(super) engine: Engine,
    pub(super) sandbox: Sandbox,
    pub(super) linkers: Linkers,
    cache: Option<Cache>,
    /// Without it no time would pass, and no call be ended.
    _ticker: Ticker,
}

impl Shared {
    pub(super) fn new(config: WasmConfig) -> Result<Self, RuntimeError> {
        let fail = |error: wasmtime::Error| RuntimeError::Engine(format!("{error:#}"));
        let engine = engine::engine().map_err(fail)?;
        let linkers = Linkers::new(&engine).map_err(fail)?;
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
        Ok(Self {
            engine,
            sandbox,
            linkers,
            cache,
            _ticker: ticker,
        })
    }

    /// The compiled code of these bytes, from the cache if it is there.
    pub(super) fn component(&self, bytes: &[u8]) -> Result<Component, String> {
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
    pub(super) fn remembered(&self, bytes: &[u8], kind: PluginKind) -> Option<Manifest> {
        let kept = self.cache.as_ref()?.manifest(bytes)?;
        crate::section::decode(&kept, kind).ok().flatten()
    }

    pub(super) fn remember(&self, bytes: &[u8], manifest: &Manifest) {
        if let Some(cache) = &self.cache
            && let Some(encoded) = crate::section::encode(manifest)
        {
            cache.keep_manifest(bytes, &encoded);
        }
    }
}
