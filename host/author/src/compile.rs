//! From a plugin's directory to a plugin file.

mod c;
mod cargo;
mod go;
mod javascript;
mod python;
mod run;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use evenkeel_runtime::{PluginInfo, PluginRuntime as _};

use crate::language::Language;
use crate::{Refused, described, refuse};

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

/// Compiles the plugin in this directory, packs it, and writes `NAME.wasm` there; a file that is there is replaced at once,
/// when all went well. Messages of the compiler go to standard error.
///
/// # Errors
/// [`Refused`]: no plugin there, tools that are missing, one that does not compile or is no plugin.
pub fn build(dir: &Path) -> Result<Built, Refused> {
    let began = Instant::now();
    let mut packed = match Language::of(dir) {
        Some(Language::Rust) => pack(&cargo::module(dir)?)?,
        Some(Language::C) => pack(&c::module(dir)?)?,
        Some(Language::Go) => pack(&go::module(dir)?)?,
        Some(Language::JavaScript) => javascript::component(dir)?,
        Some(Language::Python) => python::component(dir)?,
        None => {
            let signs = Language::ALL.map(Language::sign).join(", ");
            refuse!(
                "{} has none of {signs}: give the directory of a plugin, or begin one with `evenkeel plugin new NAME`",
                dir.display()
            )
        }
    };
    let fresh = tempfile::Builder::new()
        .prefix(".plugin.")
        .suffix(".wasm")
        .tempfile_in(dir)
        .map_err(|error| Refused::io("make a file in", dir, &error))?;
    let write = |bytes: &[u8]| {
        let written = fresh.as_file().write_all(bytes);
        written.map_err(|error| Refused::io("write", fresh.path(), &error))
    };
    write(&packed)?;
    let info = describe(fresh.path())?;
    // Who looks for plugins need not compile and ask it again.
    let before = packed.len();
    if let Some(manifest) = evenkeel_runtime::manifest_section(&info.manifest) {
        evenkeel_pack::declare(&mut packed, &manifest);
    }
    write(packed.get(before..).unwrap_or_default())?;
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

/// The plugin that is in a module.
fn pack(module: &[u8]) -> Result<Vec<u8>, Refused> {
    evenkeel_pack::pack(module)
        .map_err(|error| Refused(format!("what was compiled cannot be packed: {error}")))
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
    match described::runtime()?.describe(file) {
        Ok(described) => Ok(described.info),
        Err(error) => Err(Refused(format!(
            "what was built is no plugin: {}",
            error.reason
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_without_a_plugin_says_how_to_begin_one() {
        let dir = tempfile::tempdir().unwrap();
        let error = build(dir.path()).unwrap_err().to_string();
        assert!(error.contains("evenkeel plugin new NAME"), "{error}");
    }
}
