//! What all plugins, schedulers and checkers of a runtime share: the engine, its clock and the cache.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::manifest::{Manifest, PluginKind};
use evenkeel_core::model::Sandbox;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::bounds;
use super::cache::{Cache, Owner};
use super::compile::{Compiler, compile};
use super::config::{CacheUse, Host, RuntimeError, WasmConfig};
use super::confines::{Budget, Confines};
use super::contracts::Linkers;
use super::engine::{self, Effort, Ticker};
use crate::digest::Sha256;

/// What every instance of a plugin needs.
pub(super) struct Shared {
    common: Arc<Common>,
    /// What each may use.
    pub(super) sandbox: Confines,
}

impl Deref for Shared {
    type Target = Common;

    fn deref(&self) -> &Common {
        &self.common
    }
}

impl Shared {
    pub(super) fn new(config: WasmConfig, host: Host) -> Result<Self, RuntimeError> {
        let sandbox = config.sandbox;
        let common = Arc::new(Common::new(config, host)?);
        Ok(Self {
            sandbox: Confines::new(sandbox, &common.budget),
            common,
        })
    }

    /// For the plugin of this name, whose instances are counted by themselves.
    pub(super) fn of_plugin(&self, name: &str) -> Arc<Self> {
        let own = self.sandboxes.get(name).copied();
        Arc::new(Self {
            sandbox: Confines::new(own.unwrap_or(*self.sandbox), &self.budget),
            common: Arc::clone(&self.common),
        })
    }
}

/// What all plugins need.
pub(super) struct Common {
    pub(super) engine: Engine,
    /// Of plugins that have limits of their own.
    sandboxes: BTreeMap<String, Sandbox>,
    budget: Arc<Budget>,
    pub(super) linkers: Linkers,
    cache: Option<Cache>,
    compiler: Compiler,
    /// Without it no time would pass, and no call be ended.
    _ticker: Ticker,
}

impl Common {
    fn new(config: WasmConfig, host: Host) -> Result<Self, RuntimeError> {
        let fail = |error: wasmtime::Error| RuntimeError::Engine(format!("{error:#}"));
        let engine = engine::engine(Effort::Full).map_err(fail)?;
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
        let own = host.sandboxes.values().map(|it| it.pick_time);
        let shortest = own.fold(config.sandbox.pick_time, Duration::min);
        let ticker = Ticker::start(&engine, shortest).map_err(RuntimeError::Clock)?;
        Ok(Self {
            engine,
            sandboxes: host.sandboxes,
            budget: Budget::new(config.sandbox.total_memory),
            linkers,
            cache,
            compiler: host.compiler,
            _ticker: ticker,
        })
    }

    /// Whether the compiler can be spared, or be given these bytes. The error is the reason why not.
    pub(super) fn compilable(&self, bytes: &[u8], wasm: &Sha256) -> Result<(), String> {
        let kept = self.cache.as_ref().is_some_and(|it| it.has_code(wasm));
        if kept { Ok(()) } else { bounds::check(bytes) }
    }

    /// The compiled code of the file with this content, if the cache has it.
    pub(super) fn kept(&self, wasm: &Sha256) -> Option<Component> {
        self.cache.as_ref()?.code(&self.engine, wasm)
    }

    /// The compiled code of these bytes, from the cache if it is there.
    pub(super) fn component(
        &self,
        bytes: &[u8],
        wasm: &Sha256,
        effort: Effort,
    ) -> Result<Component, String> {
        if let Some(component) = self.kept(wasm) {
            return Ok(component);
        }
        bounds::check(bytes)?;
        let code = compile(self.compiler, bytes, effort)?;
        let component = code
            .component(&self.engine)
            .map_err(|error| format!("its compiled code cannot be used: {error:#}"))?;
        if let Some(cache) = &self.cache
            && effort == Effort::Full
        {
            cache.keep_code(wasm, &code);
        }
        Ok(component)
    }

    /// What the plugin whose file has this content, but no manifest, said when it was asked once.
    pub(super) fn remembered(&self, wasm: &Sha256, kind: PluginKind) -> Option<Manifest> {
        let kept = self.cache.as_ref()?.manifest(wasm)?;
        crate::section::decode(&kept, kind).ok().flatten()
    }

    pub(super) fn remember(&self, wasm: &Sha256, manifest: &Manifest) {
        if let Some(cache) = &self.cache
            && let Some(encoded) = crate::section::encode(manifest)
        {
            cache.keep_manifest(wasm, &encoded);
        }
    }

    /// What [`Self::keep_good`] was told of this plugin's name or file.
    pub(super) fn good(&self, plugin: &str) -> Option<Vec<u8>> {
        self.cache.as_ref()?.good(plugin)
    }

    /// Keeps what the last file was that worked under this name or path.
    pub(super) fn keep_good(&self, plugin: &str, what: &str) {
        if let Some(cache) = &self.cache {
            cache.keep_good(plugin, what.as_bytes());
        }
    }
}
