//! The plugins as shared objects, for the tests and measurements of the native runtime.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use xtask::cmd::{cargo, line, target};

use crate::wasm::crates;

/// Builds the plugin crates in these directories, and puts each at `target/native/DIRECTORY.so`.
pub(crate) fn plugins(dirs: &[PathBuf]) -> Result<()> {
    let out = target().join("native");
    fs::create_dir_all(&out)?;
    for dir in dirs {
        for (manifest, packages) in crates(dir)? {
            let mut cargo = cargo(&["build", "--release", "--lib", "--manifest-path"]);
            cargo.arg(&manifest).arg("--target-dir").arg(target());
            for package in &packages {
                cargo.args(["-p", package]);
            }
            ensure!(cargo.status()?.success(), "{} failed", line(&cargo));
        }
        copy(dir, &out)?;
    }
    Ok(())
}

/// The shared objects are named by crate; ours by directory, as the modules are.
fn copy(dir: &Path, out: &Path) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let file = ["evenkeel_plugin_", ""]
            .map(|prefix| {
                let stem = name.replace('-', "_");
                target().join(format!("release/lib{prefix}{stem}.so"))
            })
            .into_iter()
            .find(|file| file.exists());
        if let Some(file) = file {
            fs::copy(file, out.join(name).with_extension("so"))?;
        }
    }
    Ok(())
}
