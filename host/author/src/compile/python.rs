//! Modules in Python, with CPython.

use std::path::Path;

use super::run::{run, scratch};
use crate::{Refused, tools};

/// Makes a component of `plugin.py` and what it imports.
///
/// # Errors
/// [`Refused`]: no compiler, a contract that is missing, a file that does not compile.
pub(super) fn component(dir: &Path) -> Result<Vec<u8>, Refused> {
    let mut command = tools::python(dir)?;
    let out = scratch()?;
    let file = out.path().join("plugin.wasm");
    command
        .arg("--quiet")
        .arg("--wit-path")
        .arg(tools::contract(dir)?)
        .args(["componentize", "plugin", "--python-path"])
        .arg(dir)
        .arg("--output")
        .arg(&file);
    run(&mut command, "componentize-py", &file)
}
