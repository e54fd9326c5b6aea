//! What the tests of several modules share.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::manifest::{Setting, SettingValue};
use evenkeel_core::model::Sandbox;
use evenkeel_core::state::BackendId;
use tokio::net::TcpListener;

use crate::wasm::{CacheUse, WasmConfig, WasmRuntime};
use crate::{Backend, Plugin, PluginRuntime as _, Target};

/// A plugin as `cargo xtask build` made it: a shipped one, or one that is for tests.
pub(crate) fn plugin_file(name: &str) -> PathBuf {
    let target = target_dir();
    let file = ["plugins", "test-plugins", "examples"]
        .map(|directory| target.join(directory).join(format!("{name}.wasm")))
        .into_iter()
        .find(|file| file.exists());
    file.unwrap_or_else(|| panic!("there is no {name}.wasm: run `cargo xtask build`"))
}

/// Where `cargo xtask build` writes.
fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"),
        PathBuf::from,
    )
}

/// A plugin as a shared object.
pub(crate) fn native_file(name: &str) -> PathBuf {
    let file = target_dir().join(format!("native/{name}.so"));
    assert!(
        file.exists(),
        "there is no {name}.so: run `cargo xtask build`"
    );
    file
}

/// A runtime that compiles anew.
pub(crate) fn runtime(sandbox: Sandbox) -> WasmRuntime {
    WasmRuntime::new(WasmConfig {
        sandbox,
        cache: CacheUse::None,
    })
    .unwrap()
}

/// A runtime that keeps compiled code, since every test is a process of its own.
pub(crate) fn keeping_runtime(sandbox: Sandbox) -> WasmRuntime {
    WasmRuntime::new(WasmConfig {
        sandbox,
        cache: CacheUse::Own(target_dir().join("lab-cache")),
    })
    .unwrap()
}

/// A plugin in a runtime of its own.
pub(crate) fn load(name: &str, sandbox: Sandbox) -> Arc<dyn Plugin> {
    keeping_runtime(sandbox).load(&plugin_file(name)).unwrap()
}

/// Settings that are words.
pub(crate) fn words(settings: &[(&str, &str)]) -> Vec<Setting> {
    let setting = |(key, word): &(&str, &str)| Setting {
        key: (*key).to_owned(),
        value: SettingValue::Text((*word).to_owned()),
    };
    settings.iter().map(setting).collect()
}

pub(crate) fn id(n: u32) -> BackendId {
    BackendId::new(n).unwrap()
}

/// Backends 1, 2, ... with these weights.
pub(crate) fn backends(weights: &[u32]) -> Vec<Backend> {
    let backend = |(n, weight): (u32, &u32)| {
        let address = (Ipv4Addr::from(0x0a00_0000 + n), 80).into();
        Backend::new(id(n), format!("s{n}"), address, *weight)
    };
    (1..).zip(weights).map(backend).collect()
}

pub(crate) fn target(address: SocketAddr) -> Target {
    Target {
        name: "s1".to_owned(),
        address,
        session: None,
    }
}

/// A listener on a port of its own.
pub(crate) async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Long enough for a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(20);
