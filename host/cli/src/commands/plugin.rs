//! `evenkeel plugin list | inspect | pack`.

mod inspect;
mod list;
mod pack;

use evenkeel_core::model::{Daemon, Sandbox};
use evenkeel_runtime::wasm::{CacheUse, WasmConfig, WasmRuntime};

pub(crate) use inspect::inspect;
pub(crate) use list::list;
pub(crate) use pack::pack;

fn runtime(daemon: &Daemon) -> anyhow::Result<WasmRuntime> {
    let config = WasmConfig {
        sandbox: Sandbox::default(),
        cache: CacheUse::Borrowed(daemon.cache_dir.clone()),
    };
    Ok(WasmRuntime::new(config)?)
}
