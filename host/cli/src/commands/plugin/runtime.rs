//! How these commands load plugins.

use evenkeel_core::model::{Daemon, Sandbox};
use evenkeel_daemon::prepare::cache_of_command;
use evenkeel_runtime::wasm::{Compiler, Host, WasmConfig, WasmRuntime};

/// A runtime that uses the daemon's cache as far as it may.
pub(crate) fn runtime(daemon: &Daemon) -> anyhow::Result<WasmRuntime> {
    let config = WasmConfig {
        sandbox: Sandbox::default(),
        cache: cache_of_command(daemon.cache_dir.clone()),
    };
    let host = Host {
        compiler: Compiler::Child,
        ..Host::default()
    };
    Ok(WasmRuntime::with_host(config, host)?)
}
