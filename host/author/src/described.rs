//! What a plugin file says about itself, in a runtime of its own.

use std::path::Path;

use evenkeel_core::model::Sandbox;
use evenkeel_runtime::wasm::{CacheUse, WasmConfig, WasmRuntime};
use evenkeel_runtime::{PluginInfo, PluginRuntime as _};

use crate::Refused;

/// A runtime that keeps nothing.
pub(crate) fn runtime() -> Result<WasmRuntime, Refused> {
    let config = WasmConfig {
        sandbox: Sandbox::default(),
        cache: CacheUse::None,
    };
    WasmRuntime::new(config).map_err(|error| Refused(error.to_string()))
}

/// The content of a plugin file, and what it says about itself.
pub(crate) fn read(file: &Path) -> Result<(Vec<u8>, PluginInfo), Refused> {
    let runtime = runtime()?;
    let described = runtime.read(file).and_then(|content| {
        let described = runtime.describe_content(file, &content)?;
        Ok((content, described.info))
    });
    described.map_err(|error| Refused(error.to_string()))
}
