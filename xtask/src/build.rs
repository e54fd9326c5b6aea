//! The daemon and the plugins.

use anyhow::Result;
use xtask::cmd::{self, cargo, root, step, target};

use crate::args::Args;
use crate::native;
use crate::setup;
use crate::wasm::{self, Toolchain};

/// How programs are compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Dev,
    Release,
}

impl Profile {
    /// Below `target`.
    pub(crate) const fn directory(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Release => "release",
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Builds the plugins only.
    plugins_only: bool,
    /// Builds target/debug/evenkeel.
    debug: bool,
}

impl Options {
    pub(crate) fn read(mut args: Args) -> Result<Self> {
        let options = Self {
            plugins_only: args.flag("--plugins-only"),
            debug: args.flag("--debug"),
        };
        args.finish()?;
        Ok(options)
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    setup::packages(setup::BUILD)?;
    let profile = match options {
        Options {
            plugins_only: true, ..
        }
        | Options { debug: true, .. } => Profile::Dev,
        _ => Profile::Release,
    };
    programs(
        profile,
        if options.plugins_only {
            &[]
        } else {
            &["evenkeel"]
        },
    )?;
    plugins(profile)
}

/// Programs of the workspace (by package), together with the one that makes plugins of modules: what they share is built once.
pub(crate) fn programs(profile: Profile, packages: &[&str]) -> Result<()> {
    step(&format!(
        "Building {} into {}",
        packages.join(", "),
        target().join(profile.directory()).display()
    ));
    let mut cargo = cargo(&[
        "build",
        "--bins",
        "--profile",
        profile.name(),
        "--package",
        wasm::PACKER,
    ]);
    for package in packages {
        cargo.args(["--package", package]);
    }
    cmd::run(&mut cargo)
}

/// The daemon's debug build together with all tests. Apart from them it would have other features of what they share, and the
/// compiler for plugins would be built twice.
pub(crate) fn daemon_and_tests() -> Result<()> {
    step("Building the workspace and its tests");
    cmd::run(&mut cargo(&["build", "--workspace", "--all-targets"]))
}

/// The shipped plugins, those of the examples, and those that the tests let misbehave; with what packs them from this profile.
pub(crate) fn plugins(profile: Profile) -> Result<()> {
    shipped_plugins(profile)?;
    let toolchain = Toolchain::find()?;
    for (dir, out) in [("examples", "examples"), ("tests/plugins", "test-plugins")] {
        wasm_plugins(&toolchain, profile, dir, out)?;
    }
    native::plugins(&[root().join("plugins"), root().join("tests/plugins")])
}

/// The shipped plugins alone.
pub(crate) fn shipped_plugins(profile: Profile) -> Result<()> {
    wasm_plugins(&Toolchain::find()?, profile, "plugins", "plugins")
}

fn wasm_plugins(toolchain: &Toolchain, profile: Profile, dir: &str, out: &str) -> Result<()> {
    let out = target().join(out);
    let packer = target().join(profile.directory()).join(wasm::PACKER);
    step(&format!("Building {dir}/ into {}", out.display()));
    wasm::plugins(toolchain, &packer, &root().join(dir), &out)?;
    Ok(())
}
