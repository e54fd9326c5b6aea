//! Plugins for tests.

use std::path::{Path, PathBuf};

use evenkeel_runtime::wasm::CacheUse;

/// A shipped plugin, or one that misbehaves.
pub(crate) fn built(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"),
        PathBuf::from,
    );
    let file = ["plugins", "test-plugins", "examples"]
        .map(|directory| target.join(directory).join(format!("{name}.wasm")))
        .into_iter()
        .find(|file| file.exists());
    file.unwrap_or_else(|| panic!("there is no {name}.wasm: run `cargo xtask build`"))
}

/// Compiled plugins, which all tests share.
pub(crate) fn cache() -> CacheUse {
    CacheUse::Own(Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("lab-cache"))
}
