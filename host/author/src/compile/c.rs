//! Files in C.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::run::scratch;
use crate::{Refused, refuse, tools};

/// Where [`scaffold`](crate::scaffold) puts the header and what is generated from the contract.
const CONTRACT: &str = "evenkeel";

/// Compiles the C files of this directory, and what the contract's directory has. The module.
///
/// # Errors
/// [`Refused`]: no compiler, a contract that is missing, files that do not compile.
pub(super) fn module(dir: &Path) -> Result<Vec<u8>, Refused> {
    let mut command = tools::c()?;
    let contract = dir.join(CONTRACT);
    let objects = files(&contract, &["c", "o"])?;
    if objects.is_empty() {
        refuse!(
            "{} has nothing of the contract in it: `evenkeel plugin new NAME --lang c` makes such a directory",
            contract.display()
        );
    }
    let out = scratch()?;
    let module = out.path().join("plugin.wasm");
    let status = command
        .args([
            "--target=wasm32-wasi",
            "-mexec-model=reactor",
            "-Os",
            "-Wall",
        ])
        .arg("-Wl,--strip-all")
        .args(files(dir, &["c"])?)
        .args(objects)
        .arg("-o")
        .arg(&module)
        .stdin(Stdio::null())
        // What it says is not part of what we print.
        .stdout(Stdio::null())
        .status()
        .map_err(|error| Refused(format!("cannot run the C compiler: {error}")))?;
    if !status.success() {
        refuse!(
            "it does not compile: see above (if a header or wasm-ld is missing: {})",
            tools::GET_C
        );
    }
    std::fs::read(&module).map_err(|error| Refused::io("read", &module, &error))
}

/// The files of a directory that end so, in order; none if it is not there.
fn files(dir: &Path, endings: &[&str]) -> Result<Vec<PathBuf>, Refused> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(dir).map_err(|error| Refused::io("read", dir, &error))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut found: Vec<PathBuf> = paths
        .filter(|path| {
            endings
                .iter()
                .any(|it| path.extension().is_some_and(|is| is == *it))
        })
        .collect();
    found.sort();
    Ok(found)
}
