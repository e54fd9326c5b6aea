//! Running programs, and saying so.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::times;

/// The top of the repository.
#[must_use]
pub fn root() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"));
    path.parent().unwrap_or(path).to_owned()
}

/// Where cargo writes: `CARGO_TARGET_DIR`, or `target` at the top.
#[must_use]
pub fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Announces a step, and takes its time.
pub fn step(what: &str) {
    println!("\n== {what}");
    times::begin(what);
}

/// A command that starts at the top and finds administrators' programs even where `PATH` lacks their directories.
#[must_use]
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(root())
        .env("PATH", path())
        .stdin(Stdio::null());
    command
}

/// `cargo`, the one that runs this.
#[must_use]
pub fn cargo(args: &[&str]) -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = command(program);
    command.args(args);
    // What cargo told this process about its own package is none of the child's business.
    for (name, _) in env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR")
        {
            command.env_remove(&name);
        }
    }
    if env::var_os("CARGO_INCREMENTAL").is_none() && !is_developed_in(&target()) {
        command.env("CARGO_INCREMENTAL", "0");
    }
    command
}

/// Whether somebody has built Evenkeel's crates here by cargo alone. Where nobody has, what would make the next build of
/// a changed crate faster only makes the first one slower.
fn is_developed_in(target: &Path) -> bool {
    let Ok(crates) = fs::read_dir(target.join("debug/incremental")) else {
        return false;
    };
    crates.flatten().any(|entry| {
        let name = entry.file_name();
        name.to_str().is_some_and(|it| it.starts_with("evenkeel"))
    })
}

/// Runs a command to its end and shows it if it fails.
///
/// # Errors
/// When it is not there, or fails.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot run {}", line(command)))?;
    if !status.success() {
        bail!("{} failed: {status}", line(command));
    }
    Ok(())
}

/// What a command prints, or `None` if it fails or is not there.
#[must_use]
pub fn answer(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}

/// A command as one would type it.
#[must_use]
pub fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The file of a program.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    env::split_paths(&path())
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}

fn path() -> OsString {
    let mut path = env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/local/sbin:/usr/sbin:/sbin");
    path
}
