//! A module in Go.

use std::path::Path;

use super::run::{run, scratch};
use crate::kind::Kind;
use crate::{Refused, refuse, sdk, tools};

/// Compiles the module in this directory.
///
/// # Errors
/// [`Refused`]: no compiler or too old a one, packages that are missing or do not compile.
pub(super) fn module(dir: &Path) -> Result<Vec<u8>, Refused> {
    let mut command = tools::go(dir)?;
    let kind = match (dir.join("scheduler").is_dir(), dir.join("checker").is_dir()) {
        (true, false) => Kind::Scheduler,
        (false, true) => Kind::Checker,
        _ => refuse!(
            "{} wants one package, scheduler or checker: `evenkeel plugin new NAME --lang go` makes such a directory",
            dir.display()
        ),
    };
    let out = scratch()?;
    let file = out.path().join("plugin.wasm");
    command
        .current_dir(dir)
        .env("GOOS", "wasip1")
        .env("GOARCH", "wasm")
        .args(["build", "-buildmode=c-shared"])
        // The contract's runtime takes memory before Go's own is up, by a function that Go does not name to others.
        .arg("-ldflags=-s -w -checklinkname=0")
        .arg("-o")
        .arg(&file)
        .arg(".");
    let mut module = run(&mut command, "go", &file)?;
    // Go writes no such section.
    let Some((name, description)) = sdk::description(kind) else {
        refuse!("this program has lost the description of the contract");
    };
    evenkeel_pack::append_section(&mut module, name, description);
    Ok(module)
}
