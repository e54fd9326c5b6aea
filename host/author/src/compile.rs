//! From a crate to a plugin file.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use evenkeel_core::model::Sandbox;
use evenkeel_runtime::wasm::{CacheUse, WasmConfig, WasmRuntime};
use evenkeel_runtime::{PluginInfo, PluginRuntime as _};

use crate::{Refused, refuse, tools};

/// A plugin file that was just built.
#[derive(Debug)]
pub struct Built {
    /// Where it is: `DIRECTORY/NAME.wasm`.
    pub file: PathBuf,
    /// What it says about itself.
    pub info: PluginInfo,
    /// Bytes of the file.
    pub size: u64,
    /// How long all of it took.
    pub time: Duration,
}

/// Compiles the crate in this directory, packs it, and writes `NAME.wasm` beside its `Cargo.toml`; a file that is there
/// is replaced at once, when all went well. Messages of the compiler go to standard error.
///
/// # Errors
/// [`Refused`]: no crate there, tools that are missing, a crate that does not compile or is no plugin.
pub fn build(dir: &Path) -> Result<Built, Refused> {
    let began = Instant::now();
    if !dir.join("Cargo.toml").is_file() {
        refuse!(
            "{} has no Cargo.toml: give the directory of a plugin's crate, or begin one with `evenkeel plugin new NAME`",
            dir.display()
        );
    }
    tools::rust()?;
    tools::wasm_library()?;
    let module = cargo(dir)?;
    let bytes = std::fs::read(&module).map_err(|error| Refused::io("read", &module, &error))?;
    let packed = evenkeel_pack::pack(&bytes)
        .map_err(|error| Refused(format!("{}: {error}", module.display())))?;

    let fresh = tempfile::Builder::new()
        .prefix(".plugin.")
        .suffix(".wasm")
        .tempfile_in(dir)
        .map_err(|error| Refused::io("make a file in", dir, &error))?;
    (fresh.as_file())
        .write_all(&packed)
        .map_err(|error| Refused::io("write", fresh.path(), &error))?;
    let info = describe(fresh.path())?;
    // The runtime has checked the name: it is no path.
    let file = dir.join(&info.manifest.name).with_extension("wasm");
    finish(fresh, &file)?;
    Ok(Built {
        file,
        info,
        size: packed.len() as u64,
        time: began.elapsed(),
    })
}

/// Puts the file in its place, readable for all as compilers write.
fn finish(fresh: tempfile::NamedTempFile, file: &Path) -> Result<(), Refused> {
    use std::os::unix::fs::PermissionsExt as _;
    let readable = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(fresh.path(), readable)
        .map_err(|error| Refused::io("change", fresh.path(), &error))?;
    match fresh.persist(file) {
        Ok(_) => Ok(()),
        Err(error) => Err(Refused::io("write", file, &error.error)),
    }
}

/// What a plugin file says about itself.
fn describe(file: &Path) -> Result<PluginInfo, Refused> {
    let config = WasmConfig {
        sandbox: Sandbox::default(),
        cache: CacheUse::None,
    };
    let runtime = WasmRuntime::new(config).map_err(|error| Refused(error.to_string()))?;
    match runtime.describe(file) {
        Ok(described) => Ok(described.info),
        Err(error) => Err(Refused(format!(
            "what was built is no plugin: {}",
            error.reason
        ))),
    }
}

/// Compiles, and finds the module among what cargo has written.
fn cargo(dir: &Path) -> Result<PathBuf, Refused> {
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
        .find_map(|message| module(&message, &manifest))
        .ok_or_else(|| {
            Refused(
                "cargo has written no module: Cargo.toml needs crate-type = [\"cdylib\", \"rlib\"] in [lib]".to_owned(),
            )
        })
}

/// The module of this crate, if that is what a message of cargo is about.
fn module(message: &serde_json::Value, manifest: &Path) -> Option<PathBuf> {
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
    fn a_directory_without_a_crate_says_how_to_begin_one() {
        let dir = tempfile::tempdir().unwrap();
        let error = build(dir.path()).unwrap_err().to_string();
        assert!(error.contains("evenkeel plugin new NAME"), "{error}");
    }

    #[test]
    fn the_module_of_the_crate_itself_is_taken() {
        let message = |manifest: &str, file: &str| {
            serde_json::json!({
                "reason": "compiler-artifact", "manifest_path": manifest, "filenames": ["/t/libx.rlib", file],
            })
        };
        let own = Path::new("/w/Cargo.toml");
        let found = module(&message("/w/Cargo.toml", "/t/x.wasm"), own);
        assert_eq!(found, Some("/t/x.wasm".into()));
        assert_eq!(
            module(&message("/w/vendor/Cargo.toml", "/t/x.wasm"), own),
            None
        );
        assert_eq!(module(&message("/w/Cargo.toml", "/t/x.so"), own), None);
        assert_eq!(
            module(&serde_json::json!({ "reason": "build-finished" }), own),
            None
        );
    }
}
