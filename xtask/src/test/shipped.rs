//! Tests of the binary as it is shipped: optimised, and with registries. Only `--all` builds it. In the default run
//! those that can run with the other one do, and the rest are skipped.

use std::process::Command;

use anyhow::Result;
use xtask::cmd::{command, root, target};

use super::binaries::Binary;
use crate::build::{self, Profile};
use crate::setup;

/// The end-to-end tests of these modules: plugins in languages whose files have megabytes, and registries.
const MODULES: [&str; 2] = ["languages::", "registry::"];
/// The program that they are in.
const PROGRAM: &str = "e2e";
/// Tests at once: compilers are at work in them.
const AT_ONCE: &str = "2";

/// What nextest leaves out, since [`runner`] has it.
pub(super) fn nextest_leaves_out() -> String {
    let modules = MODULES.map(|it| format!("test(/^{it}/)")).join(" | ");
    format!("(kind(test) & binary(={PROGRAM}) & ({modules}))")
}

/// What libtest leaves out of this program.
pub(super) fn libtest_leaves_out(binary: &Binary) -> Vec<&'static str> {
    if binary.name != PROGRAM {
        return Vec::new();
    }
    MODULES.into_iter().flat_map(|it| ["--skip", it]).collect()
}

/// Builds the binary, fetches compilers, and says how to run the tests; `None` where the filter leaves none.
pub(super) fn runner(
    binaries: &[Binary],
    filter: Option<&str>,
) -> Result<Option<(String, Command)>> {
    let Some(binary) = binaries.iter().find(|it| it.name == PROGRAM) else {
        return Ok(None);
    };
    let mut tests = binary.tests(&Vec::from_iter(filter), false);
    tests.retain(|test| MODULES.iter().any(|it| test.starts_with(it)));
    if tests.is_empty() {
        return Ok(None);
    }
    setup::useful(&[setup::REGISTRY, setup::LANGUAGES].concat());
    setup::author_tools();
    build::programs(Profile::Release, &["evenkeel"])?;
    let shipped = root().join(target()).join("release/evenkeel");
    let mut own = command(&binary.program);
    own.current_dir(&binary.directory)
        .env("EVENKEEL_BIN", shipped)
        .env("RUST_TEST_THREADS", AT_ONCE)
        .arg("--exact")
        .args(tests);
    Ok(Some((
        "Testing the binary as it is shipped".to_owned(),
        own,
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_runner_leaves_out_the_other_has() {
        assert_eq!(
            nextest_leaves_out(),
            "(kind(test) & binary(=e2e) & (test(/^languages::/) | test(/^registry::/)))"
        );
        for module in MODULES {
            let file = format!("tests/tests/e2e/{}.rs", module.trim_end_matches(':'));
            assert!(root().join(&file).exists(), "{file}");
        }
    }
}
