//! A file in JavaScript, with QuickJS.

use std::path::Path;

use super::run::{run, scratch};
use crate::{Refused, tools};

/// Makes a component of `plugin.js` and what it imports.
///
/// # Errors
/// [`Refused`]: no compiler, a contract that is missing, a file that does not compile.
pub(super) fn component(dir: &Path) -> Result<Vec<u8>, Refused> {
    let mut command = tools::javascript(dir)?;
    let out = scratch()?;
    let file = out.path().join("plugin.wasm");
    command
        .arg("--wit")
        .arg(tools::contract(dir)?)
        .arg("--js")
        .arg(dir.join("plugin.js"))
        .arg("--module-root")
        .arg(dir)
        // Without it the component takes the asynchronous form of calls, which no plugin has.
        .args(["--sync", "--opt-size", "--minify"])
        .arg("--output")
        .arg(&file);
    run(&mut command, "componentize-qjs", &file)
}
