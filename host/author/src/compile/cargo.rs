//! A crate in Rust.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Refused, refuse, tools};

/// Compiles the crate in this directory. The module.
///
/// # Errors
/// [`Refused`]: tools that are missing, a crate that does not compile.
pub(super) fn module(dir: &Path) -> Result<Vec<u8>, Refused> {
    tools::rust()?;
    tools::wasm_library()?;
    let module = build(dir)?;
    std::fs::read(&module).map_err(|error| Refused::io("read", &module, &error))
}

/// Compiles, and finds the module among what cargo has written.
fn build(dir: &Path) -> Result<PathBuf, Refused> {
    let manifest = dir.join("Cargo.toml");
    let manifest = manifest
        .canonicalize()
        .map_err(|error| Refused::io("read", &manifest, &error))?;
    let output = Command::new("cargo")
        .args(["build", "--release", "--lib", "--target", tools::TARGET])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(dir)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Refused(format!("cannot run cargo: {error}")))?;
    if !output.status.success() {
        refuse!("it does not compile: see above");
    }
    output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .find_map(|message| written(&message, &manifest))
        .ok_or_else(|| {
            Refused(
                "cargo has written no module: Cargo.toml needs crate-type = [\"cdylib\", \"rlib\"] in [lib]".to_owned(),
            )
        })
}

/// The module of this crate, if that is what a message of cargo is about.
fn written(message: &serde_json::Value, manifest: &Path) -> Option<PathBuf> {
    if message["reason"] != "compiler-artifact"
        || message["manifest_path"].as_str()? != manifest.to_str()?
    {
        return None;
    }
    let files = message["filenames"].as_array()?.iter();
    files
        .filter_map(serde_json::Value::as_str)
        .find(|file| file.ends_with(".wasm"))
        .map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_of_the_crate_itself_is_taken() {
        let message = |manifest: &str, file: &str| {
            serde_json::json!({
                "reason": "compiler-artifact", "manifest_path": manifest, "filenames": ["/t/libx.rlib", file],
            })
        };
        let own = Path::new("/w/Cargo.toml");
        let found = written(&message("/w/Cargo.toml", "/t/x.wasm"), own);
        assert_eq!(found, Some("/t/x.wasm".into()));
        assert_eq!(
            written(&message("/w/vendor/Cargo.toml", "/t/x.wasm"), own),
            None
        );
        assert_eq!(written(&message("/w/Cargo.toml", "/t/x.so"), own), None);
        assert_eq!(
            written(&serde_json::json!({ "reason": "build-finished" }), own),
            None
        );
    }
}
