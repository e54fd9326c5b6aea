//! The files of a plugin directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The `*.wasm` of a directory, sorted by name.
pub(super) fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "wasm") && !path.is_dir() {
            files.push(path);
        } else if path.extension().is_some_and(|e| e == "so") {
            tracing::debug!(
                file = %path.display(),
                "not loaded: a native plugin has to be listed in native_plugins"
            );
        }
    }
    files.sort();
    Ok(files)
}
