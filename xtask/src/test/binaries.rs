//! The programs of tests, built, and the kernel that each of them is for.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use xtask::cmd::{answer, command, line};

use crate::clippy::Lints;

/// Where a program's tests can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kernel {
    /// Here, in namespaces.
    Own,
    /// User-Mode Linux, which has IPVS: every program called `ipvs`.
    Uml,
    /// Debian's, which has all: the end-to-end program `debian`, whose tests are ignored elsewhere.
    Debian,
}

/// A program of tests.
#[derive(Debug)]
pub(super) struct Binary {
    pub(super) package: String,
    pub(super) name: String,
    pub(super) program: PathBuf,
    /// Where cargo would start it.
    pub(super) directory: PathBuf,
    pub(super) kernel: Kernel,
}

impl Binary {
    /// The tests that these filters leave, of the ignored ones or of all.
    pub(super) fn tests(&self, filters: &[&str], ignored: bool) -> Vec<String> {
        let mut list = command(&self.program);
        list.current_dir(&self.directory)
            .args(["--list", "--format=terse"])
            .args(ignored.then_some("--ignored"))
            .args(filters);
        let tests = answer(&mut list).unwrap_or_default();
        let names = tests.lines().filter_map(|it| it.strip_suffix(": test"));
        names.map(str::to_owned).collect()
    }

    /// How many those are.
    pub(super) fn count(&self, filters: &[&str], ignored: bool) -> usize {
        self.tests(filters, ignored).len()
    }
}

/// All of them, of the workspace. Builds what is not built; the selection is that of everything else, so that nothing
/// is built again.
pub(super) fn all(lints: Lints) -> Result<Vec<Binary>> {
    let mut cargo = lints.cargo(&[
        "test",
        "--workspace",
        "--tests",
        "--no-run",
        "--message-format=json",
    ]);
    let output = cargo.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "{} failed", line(&cargo));
    let mut binaries = Vec::new();
    for message in output.stdout.split(|byte| *byte == b'\n') {
        if !message.is_empty() {
            binaries.extend(binary(&serde_json::from_slice(message)?)?);
        }
    }
    for kernel in [Kernel::Own, Kernel::Uml, Kernel::Debian] {
        ensure!(
            binaries.iter().any(|it| it.kernel == kernel),
            "cargo has not told of the tests for {kernel:?}"
        );
    }
    Ok(binaries)
}

/// What a message of cargo's tells of: a program of tests, or something else.
fn binary(message: &Value) -> Result<Option<Binary>> {
    let (Some(program), Some(name), Some(manifest)) = (
        message["executable"].as_str(),
        message["target"]["name"].as_str(),
        message["manifest_path"].as_str(),
    ) else {
        return Ok(None);
    };
    if message["profile"]["test"] != true || message["target"]["test"] != true {
        return Ok(None);
    }
    let directory = Path::new(manifest)
        .parent()
        .context("a manifest is in a directory")?;
    let integration = message["target"]["kind"] == serde_json::json!(["test"]);
    let kernel = match name {
        "ipvs" if integration => Kernel::Uml,
        "debian" if integration => Kernel::Debian,
        _ => Kernel::Own,
    };
    let place = directory.file_name().unwrap_or_default();
    Ok(Some(Binary {
        package: place.to_string_lossy().into_owned(),
        name: name.to_owned(),
        program: program.into(),
        directory: directory.to_owned(),
        kernel,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_program_is_for_the_kernel_that_its_name_says() {
        let told = |name: &str, kind: &str, test: bool| {
            let message = json!({
                "executable": "/t/x", "manifest_path": "/r/host/ipvs/Cargo.toml",
                "target": { "name": name, "kind": [kind], "test": true }, "profile": { "test": test },
            });
            binary(&message).unwrap().map(|it| (it.package, it.kernel))
        };
        let of = |kernel| Some(("ipvs".to_owned(), kernel));
        assert_eq!(told("ipvs", "test", true), of(Kernel::Uml));
        assert_eq!(told("ipvs", "lib", true), of(Kernel::Own));
        assert_eq!(told("debian", "test", true), of(Kernel::Debian));
        assert_eq!(told("e2e", "test", true), of(Kernel::Own));
        assert_eq!(told("evenkeel", "bin", false), None);
    }
}
