//! The tests that need Debian's own kernel, in one start of it: of the nftables data plane's those for which many build machines' kernels
//! lack something, and the end-to-end tests in files called `debian_*`, which are ignored elsewhere.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::cmd::{cargo, line, target};

/// Modules of the nftables data plane's tests: `queue` and flowtables. All of them would take ten minutes there (`tests/kernels/dataplane`).
const MODULES: [&str; 2] = ["queues::", "offload::"];
/// How long one file of tests may take, in seconds.
const LIMIT: u32 = 900;

/// Writes a script that runs them. `skips`: see `evenkeel_tests`' `EVENKEEL_SKIPS`.
pub(crate) fn script(to: &Path, filter: Option<&str>, skips: &Path) -> Result<()> {
    let mut text = format!(
        "#!/bin/bash\nexport EVENKEEL_KERNEL=debian RUST_LIB_BACKTRACE=0 EVENKEEL_SKIPS={skips:?} CARGO_TARGET_DIR={:?}\nstatus=0\n",
        fs::canonicalize(target())?
    );
    for test in tests()? {
        let mut which = if test.end_to_end {
            " --ignored".to_owned()
        } else {
            format!(" {}", MODULES.join(" "))
        };
        if let Some(filter) = filter {
            // libtest takes what fits any of its filters.
            which = if test.end_to_end {
                format!("{which} {filter:?}")
            } else {
                format!(" {filter:?}")
            };
        }
        let _ = writeln!(
            text,
            "echo; echo '== {}'\ncd {:?}\ntimeout {LIMIT} {:?} --test-threads=1{which} || status=1",
            test.name, test.directory, test.program
        );
    }
    text += "exit $status\n";
    fs::write(to, text)?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// A file of tests, built.
#[derive(Debug)]
struct Test {
    name: String,
    program: PathBuf,
    /// Where cargo would start it.
    directory: PathBuf,
    end_to_end: bool,
}

fn tests() -> Result<Vec<Test>> {
    // The same selection as everything is built with: nothing is built again.
    let mut cargo = cargo(&[
        "test",
        "--workspace",
        "--tests",
        "--no-run",
        "--message-format=json",
    ]);
    let output = cargo.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "{} failed", line(&cargo));
    let mut tests = Vec::new();
    for message in output.stdout.split(|byte| *byte == b'\n') {
        if !message.is_empty() {
            tests.extend(test(&serde_json::from_slice(message)?)?);
        }
    }
    ensure!(
        tests.iter().any(|it| it.end_to_end) && tests.iter().any(|it| !it.end_to_end),
        "cargo has not told of the tests that Debian's kernel is for"
    );
    Ok(tests)
}

fn test(message: &Value) -> Result<Option<Test>> {
    let (Some(program), Some(name), Some(manifest)) = (
        message["executable"].as_str(),
        message["target"]["name"].as_str(),
        message["manifest_path"].as_str(),
    ) else {
        return Ok(None);
    };
    if message["target"]["kind"] != serde_json::json!(["test"]) {
        return Ok(None);
    }
    let directory = Path::new(manifest)
        .parent()
        .context("a manifest is in a directory")?;
    let end_to_end = directory.ends_with("tests") && name.starts_with("debian_");
    let dataplane = directory.ends_with("host/dataplane") && name == "nftables";
    if !end_to_end && !dataplane {
        return Ok(None);
    }
    Ok(Some(Test {
        name: name.to_owned(),
        program: program.into(),
        directory: directory.to_owned(),
        end_to_end,
    }))
}
