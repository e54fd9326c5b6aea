//! The daemon and the plugins.

use anyhow::Result;

use crate::cmd::{self, cargo, root, step, target};
use crate::native;
use crate::setup;
use crate::wasm::{self, Toolchain};

#[derive(Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// Builds the plugins only
    #[arg(long)]
    pub(crate) plugins_only: bool,
    /// Builds target/debug/evenkeel: sooner done, slower to start
    #[arg(long)]
    pub(crate) debug: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    setup::packages(setup::BUILD)?;
    plugins()?;
    if !options.plugins_only {
        daemon(options.debug)?;
    }
    Ok(())
}

/// The daemon.
pub(crate) fn daemon(debug: bool) -> Result<()> {
    let (profile, flag) = if debug {
        ("debug", "dev")
    } else {
        ("release", "release")
    };
    step(&format!(
        "Building {}",
        target().join(profile).join("evenkeel").display()
    ));
    cmd::run(&mut cargo(&[
        "build",
        "--package",
        "evenkeel",
        "--profile",
        flag,
    ]))
}

/// The daemon's debug build together with all tests. Apart from them it would have other features of what they share, and the
/// compiler for plugins would be built twice.
pub(crate) fn daemon_and_tests() -> Result<()> {
    step("Building the workspace and its tests");
    cmd::run(&mut cargo(&["build", "--workspace", "--all-targets"]))
}

/// The shipped plugins, those of the examples, and those that the tests let misbehave.
pub(crate) fn plugins() -> Result<()> {
    let toolchain = Toolchain::find()?;
    for (dir, out) in [
        ("plugins", "plugins"),
        ("examples", "examples"),
        ("tests/plugins", "test-plugins"),
    ] {
        let out = target().join(out);
        step(&format!("Building {dir}/ into {}", out.display()));
        wasm::plugins(&toolchain, &root().join(dir), &out)?;
    }
    native::plugins(&[root().join("plugins"), root().join("tests/plugins")])
}
