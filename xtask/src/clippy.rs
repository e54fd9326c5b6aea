//! Clippy in the compiler's place: it compiles as rustc does and lints on the way, so that nothing is read twice, and
//! the dependencies are not checked apart from being built.

use std::process::Command;

use xtask::cmd::cargo;

/// Whether what is compiled of the workspace is linted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Lints {
    /// By rustc only.
    #[default]
    Compiler,
    /// By clippy, too, and each finding is an error.
    Deny,
}

impl Lints {
    /// A subcommand of cargo that compiles crates of the workspace. What one has compiled is for another of the same
    /// lints only.
    pub(crate) fn cargo(self, words: &[&str]) -> Command {
        let mut cargo = cargo(words);
        if self == Self::Deny {
            cargo
                .args(["--config", "build.rustc-workspace-wrapper='clippy-driver'"])
                // What `cargo clippy -- -D warnings` passes on, with its own separator.
                .env(
                    "CLIPPY_ARGS",
                    "-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__",
                );
        }
        cargo
    }
}
