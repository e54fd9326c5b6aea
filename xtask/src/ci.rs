//! What a change has to pass.

use std::path::PathBuf;

use anyhow::Result;
use xtask::cmd::{self, answer, cargo, command, find, root, step, target};
use xtask::times;

use crate::setup;
use crate::structure;
use crate::test;
use crate::wasm::{self, Toolchain};

pub(crate) fn run() -> Result<()> {
    let outcome = checks();
    times::report();
    outcome
}

fn checks() -> Result<()> {
    setup::packages(setup::BUILD)?;
    components()?;
    step("Format");
    cmd::run(&mut cargo(&["fmt", "--all", "--check"]))?;
    let others = own_workspaces()?;
    for manifest in &others {
        cmd::run(cargo(&["fmt", "--all", "--check", "--manifest-path"]).arg(manifest))?;
    }
    structure::run()?;
    let deny = ["--", "-D", "warnings"];
    step("Lints of the crates that stand alone");
    for manifest in &others {
        let mut clippy = cargo(&["clippy", "--all-targets", "--workspace", "--manifest-path"]);
        clippy.arg(manifest).arg("--target-dir").arg(target());
        cmd::run(clippy.args(deny))?;
    }
    if Toolchain::find()? == Toolchain::Rustup {
        step("Lints of the plugins, for WebAssembly");
        wasm::clippy(&root().join("plugins"))?;
    }
    step("Documentation");
    let mut doc = cargo(&["doc", "--workspace", "--no-deps"]);
    cmd::run(doc.env("RUSTDOCFLAGS", "-D warnings"))?;
    test::everything_here("ci")
}

/// Crates that stand alone, as a user's would.
fn own_workspaces() -> Result<Vec<PathBuf>> {
    let mut manifests = Vec::new();
    for dir in ["examples", "tests/plugins"] {
        manifests.extend(
            wasm::crates(&root().join(dir))?
                .into_iter()
                .map(|(manifest, _)| manifest),
        );
    }
    Ok(manifests)
}

/// rustfmt and clippy, which a minimal toolchain lacks.
fn components() -> Result<()> {
    for (component, subcommand) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if answer(&mut cargo(&[subcommand, "--version"])).is_none() && find("rustup").is_some() {
            step(&format!("Installing: rustup component add {component}"));
            cmd::run(command("rustup").args(["component", "add", component]))?;
        }
    }
    Ok(())
}
