//! Running a compiler.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::{Refused, refuse};

/// Runs a compiler that writes `out`. What it prints on standard output is not part of what we print.
pub(super) fn run(command: &mut Command, name: &str, out: &Path) -> Result<Vec<u8>, Refused> {
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(|error| Refused(format!("cannot run {name}: {error}")))?;
    if !status.success() {
        refuse!("it does not compile: see above");
    }
    std::fs::read(out).map_err(|error| Refused::io("read", out, &error))
}

/// A directory for what a compiler writes.
pub(super) fn scratch() -> Result<tempfile::TempDir, Refused> {
    tempfile::tempdir()
        .map_err(|error| Refused(format!("cannot make a directory for the compiler: {error}")))
}
