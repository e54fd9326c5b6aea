//! The daemon and the plugins.

use std::thread;

use anyhow::{Result, bail};
use xtask::cmd::{self, cargo, root, step, target};

use crate::args::Args;
use crate::clippy::Lints;
use crate::native;
use crate::setup;
use crate::wasm::{self, Modules, Toolchain};

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

/// Which plugins are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plugins {
    /// Of those that are shipped these, by the names of their directories.
    Named(&'static [&'static str]),
    /// Those that are shipped, those of the examples and those that the tests let misbehave, and the native ones.
    All,
}

/// `cargo xtask build`.
pub(crate) fn run(options: &Options) -> Result<()> {
    setup::packages(setup::BUILD)?;
    let profile = if options.plugins_only || options.debug {
        Profile::Dev
    } else {
        Profile::Release
    };
    let packages: &[&str] = if options.plugins_only {
        &[]
    } else {
        &["evenkeel"]
    };
    everything(profile, packages, Plugins::All)
}

/// Programs of the workspace (by package), and plugins.
pub(crate) fn everything(profile: Profile, packages: &[&str], plugins: Plugins) -> Result<()> {
    with_plugins(profile, plugins, || programs(profile, packages))
}

/// The daemon's debug build together with all tests, and all plugins. Apart from the tests the daemon would have
/// other features of what they share, and the compiler for plugins would be built twice.
pub(crate) fn tests(lints: Lints) -> Result<()> {
    with_plugins(Profile::Dev, Plugins::All, || {
        let linted = match lints {
            Lints::Compiler => "",
            Lints::Deny => ", with lints",
        };
        step(&format!(
            "Building the workspace and its tests{linted}; beside it the plugins"
        ));
        cmd::run(&mut lints.cargo(&["build", "--workspace", "--all-targets"]))
    })
}

/// Programs, together with the one that makes plugins of modules: what they share is built once.
pub(crate) fn programs(profile: Profile, packages: &[&str]) -> Result<()> {
    step(&format!(
        "Building {} {} into {}",
        packages.join(" "),
        wasm::PACKER,
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
    // What is shipped can speak to registries. It takes a minute to build, which the demo is not to cost.
    if profile == Profile::Release && packages.contains(&"evenkeel") {
        cargo.args(["--features", "evenkeel/oci"]);
    }
    cmd::run(&mut cargo)
}

/// Compiles plugins beside `programs`, which has the packer of this profile built. The last crates of a daemon come
/// one after the other, and leave a processor idle.
fn with_plugins(
    profile: Profile,
    plugins: Plugins,
    programs: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let toolchain = Toolchain::find()?;
    let modules = thread::scope(|scope| {
        let modules = scope.spawn(|| compile(&toolchain, plugins));
        programs()?;
        step("Waiting for the plugins");
        modules
            .join()
            .unwrap_or_else(|_| bail!("the plugins' thread has ended"))
    })?;
    let packer = target().join(profile.directory()).join(wasm::PACKER);
    for modules in modules {
        modules.pack(&packer)?;
    }
    Ok(())
}

fn compile(toolchain: &Toolchain, plugins: Plugins) -> Result<Vec<Modules>> {
    let compile = |dir: &str, out: &str, only: Option<&[&str]>| {
        Modules::compile(toolchain, &root().join(dir), target().join(out), only)
    };
    match plugins {
        Plugins::Named(names) => Ok(vec![compile("plugins", "plugins", Some(names))?]),
        Plugins::All => {
            let modules = [
                ("plugins", "plugins"),
                ("examples", "examples"),
                ("tests/plugins", "test-plugins"),
            ]
            .into_iter()
            .map(|(dir, out)| compile(dir, out, None))
            .collect::<Result<_>>()?;
            native::plugins(&[root().join("plugins"), root().join("tests/plugins")])?;
            Ok(modules)
        }
    }
}
