//! `evenkeel plugin list | inspect | pack`.

mod inspect;
mod json;
mod list;
mod pack;

use evenkeel_core::model::{Daemon, Sandbox};
use evenkeel_daemon::prepare::cache_of_command;
use evenkeel_runtime::wasm::{Compiler, Host, WasmConfig, WasmRuntime};

pub(crate) use inspect::inspect;
pub(crate) use list::list;
pub(crate) use pack::pack;

/// A runtime that uses the daemon's cache as far as it may.
fn runtime(daemon: &Daemon) -> anyhow::Result<WasmRuntime> {
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
