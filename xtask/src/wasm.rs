//! Compiling plugins for WebAssembly, and with what.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use xtask::cmd::{answer, cargo, command, find, line, run, step, target};

use crate::setup;

pub(crate) const TARGET: &str = "wasm32-unknown-unknown";
/// What makes plugins of modules: the program of `host/pack`.
pub(crate) const PACKER: &str = "evenkeel-pack";
/// `rustup` or `debian` chooses; otherwise what works is taken, in this order.
const CHOICE: &str = "EVENKEEL_WASM_TOOLCHAIN";
/// Where Debian's compiler is. (`rustc-web` is the newer one that Debian keeps for web browsers.)
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// Where the standard library for WebAssembly comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// It is among what rustup has installed.
    Rustup,
    /// Debian's compiler builds it from Debian's source package.
    Debian {
        /// What links modules.
        linker: PathBuf,
    },
}

impl Toolchain {
    /// Finds one that works; installs it if there is none.
    pub(crate) fn find() -> Result<Self> {
        match env::var(CHOICE).as_deref() {
            Ok("debian") => Self::debian(),
            Ok("rustup") => {
                ensure!(rustup()?, "rustup cannot install {TARGET}");
                Ok(Self::Rustup)
            }
            Ok(other) => bail!("{CHOICE}={other}: it can be rustup or debian"),
            Err(_) if rustup()? => Ok(Self::Rustup),
            Err(_) => {
                println!(
                    "rustup has no {TARGET} for us: taking Debian's compiler for the plugins."
                );
                Self::debian()
            }
        }
    }

    fn debian() -> Result<Self> {
        let source =
            answer(command(DEBIAN_RUSTC).args(["--print", "sysroot"])).is_some_and(|root| {
                Path::new(&root)
                    .join("lib/rustlib/src/rust/library/std")
                    .exists()
            });
        // Another Debian package, too old for us, has its compiler in the same place.
        let compiler = answer(command("dpkg-query").args(["-W", "-f=${Status}", "rustc-web"]))
            .is_some_and(|status| status.ends_with(" installed"));
        if !compiler || !source {
            setup::install(&["rustc-web", "rust-web-src"])?;
        }
        if let Some(linker) = rustup_lld() {
            return Ok(Self::Debian { linker });
        }
        if find("wasm-ld").is_none() {
            setup::install(&["lld"])?;
        }
        Ok(Self::Debian {
            linker: find("wasm-ld").context("Debian's lld has no wasm-ld")?,
        })
    }

    /// Where it writes: what two compilers write does not mix.
    pub(crate) fn target_dir(&self) -> PathBuf {
        match self {
            Self::Rustup => target(),
            Self::Debian { .. } => target().join("debian"),
        }
    }

    /// `cargo SUBCOMMAND` that compiles for WebAssembly.
    pub(crate) fn cargo(&self, subcommand: &str) -> Command {
        let mut cargo = cargo(&[subcommand, "--target", TARGET]);
        cargo.arg("--target-dir").arg(self.target_dir());
        match self {
            Self::Rustup => &mut cargo,
            Self::Debian { linker } => cargo
                .arg("-Zbuild-std=std,panic_abort")
                .env("RUSTC", DEBIAN_RUSTC)
                // Building the standard library is not among what a stable compiler offers.
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker)
                .env_remove("RUSTC_WRAPPER"),
        };
        cargo
    }
}

/// The linker of rustup's toolchain. `wasm-ld` by behaviour, chosen by cargo's name for the target.
fn rustup_lld() -> Option<PathBuf> {
    let sysroot = answer(command("rustc").args(["--print", "sysroot"]))?;
    let hosts = fs::read_dir(Path::new(&sysroot).join("lib/rustlib")).ok()?;
    hosts
        .filter_map(Result::ok)
        .map(|host| host.path().join("bin/rust-lld"))
        .find(|it| it.exists())
}

/// Whether the compiler at hand has the standard library; asks rustup for it if it has not.
fn rustup() -> Result<bool> {
    if has_std() {
        return Ok(true);
    }
    if find("rustup").is_none() {
        return Ok(false);
    }
    step(&format!(
        "Installing the WASM standard library: rustup target add {TARGET}"
    ));
    let added = command("rustup")
        .args(["target", "add", TARGET])
        .status()?
        .success();
    Ok(added && has_std())
}

fn has_std() -> bool {
    answer(command("rustc").args(["--print", "target-libdir", "--target", TARGET]))
        .and_then(|dir| fs::read_dir(dir).ok())
        .is_some_and(|mut files| {
            files.any(|file| {
                file.is_ok_and(|it| it.file_name().to_string_lossy().starts_with("libstd-"))
            })
        })
}

/// Modules of one directory of plugin crates, compiled and not yet plugins.
#[derive(Debug)]
pub(crate) struct Modules {
    modules: Vec<Module>,
    out: PathBuf,
    /// Whether these are all that are to be there.
    all: bool,
}

impl Modules {
    /// Compiles the plugin crates in `dir`, each a directory of its own, which will be plugins in `out`: all of them, or
    /// those with these names.
    pub(crate) fn compile(
        toolchain: &Toolchain,
        dir: &Path,
        out: PathBuf,
        only: Option<&[&str]>,
    ) -> Result<Self> {
        let mut compiled = Vec::new();
        for (manifest, packages) in &crates_named(dir, only)? {
            let mut cargo = toolchain.cargo("build");
            cargo.args([
                "--release",
                "--lib",
                "--message-format=json-render-diagnostics",
            ]);
            cargo.arg("--manifest-path").arg(manifest);
            for package in packages {
                cargo.args(["-p", package]);
            }
            compiled.extend(modules(&mut cargo)?);
        }
        Ok(Self {
            modules: compiled,
            out,
            all: only.is_none(),
        })
    }

    /// Has `packer` make plugins of them, each at `out/DIRECTORY.wasm`.
    pub(crate) fn pack(&self, packer: &Path) -> Result<()> {
        step(&format!("Plugins in {}", self.out.display()));
        fs::create_dir_all(&self.out)?;
        let mut built = Vec::new();
        for module in &self.modules {
            built.push(pack(packer, module, &self.out)?);
        }
        if self.all {
            forget_others(&self.out, &built)?;
        }
        Ok(())
    }
}

/// Checks the plugin crates of the main workspace, and with them what the SDK has for WebAssembly only.
pub(crate) fn clippy(dir: &Path) -> Result<()> {
    for (manifest, packages) in crates(dir)? {
        let mut cargo = Toolchain::Rustup.cargo("clippy");
        cargo
            .arg("--manifest-path")
            .arg(manifest)
            .args(["--lib", "-p", "evenkeel-sdk"]);
        for package in &packages {
            cargo.args(["-p", package]);
        }
        run(cargo.args(["--", "-D", "warnings"]))?;
    }
    Ok(())
}

/// Workspaces with crates in `dir`, each with the names of those crates.
pub(crate) fn crates(dir: &Path) -> Result<Vec<(PathBuf, Vec<String>)>> {
    crates_named(dir, None)
}

fn crates_named(dir: &Path, only: Option<&[&str]>) -> Result<Vec<(PathBuf, Vec<String>)>> {
    let mut found: Vec<(PathBuf, Vec<String>)> = Vec::new();
    if !dir.exists() {
        return Ok(found);
    }
    let mut dirs: Vec<PathBuf> = fs::read_dir(dir)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    dirs.sort();
    for dir in dirs {
        let manifest = dir.join("Cargo.toml");
        let named = |only: &[&str]| only.iter().any(|name| dir.ends_with(name));
        if !manifest.exists() || !only.is_none_or(named) {
            continue;
        }
        let metadata = metadata(&manifest)?;
        let workspace = Path::new(text(&metadata["workspace_root"])?).join("Cargo.toml");
        let package = metadata["packages"]
            .as_array()
            .and_then(|packages| {
                packages
                    .iter()
                    .find(|package| package["manifest_path"] == *manifest.to_string_lossy())
            })
            .with_context(|| format!("{} is no package", manifest.display()))?;
        let name = text(&package["name"])?.to_owned();
        match found.iter_mut().find(|(known, _)| *known == workspace) {
            Some((_, packages)) => packages.push(name),
            None => found.push((workspace, vec![name])),
        }
    }
    Ok(found)
}

fn metadata(manifest: &Path) -> Result<Value> {
    let mut cargo = cargo(&[
        "metadata",
        "--no-deps",
        "--format-version=1",
        "--manifest-path",
    ]);
    let output = cargo.arg(manifest).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "{} failed", line(&cargo));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// A module that the compiler wrote.
#[derive(Debug)]
struct Module {
    file: PathBuf,
    /// Directory of its crate.
    name: String,
}

/// Runs cargo and finds the modules among what it has built.
fn modules(cargo: &mut Command) -> Result<Vec<Module>> {
    let output = cargo.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "{} failed", line(cargo));
    let mut modules = Vec::new();
    for message in output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let message: Value = serde_json::from_slice(message)?;
        if message["reason"] != "compiler-artifact" {
            continue;
        }
        let files = message["filenames"].as_array().into_iter().flatten();
        for file in files
            .filter_map(Value::as_str)
            .filter(|file| file.ends_with(".wasm"))
        {
            let dir = Path::new(text(&message["manifest_path"])?).parent();
            let name = dir
                .and_then(Path::file_name)
                .context("a crate has no directory")?;
            modules.push(Module {
                file: file.into(),
                name: name.to_string_lossy().into_owned(),
            });
        }
    }
    Ok(modules)
}

/// Makes a plugin of a module. Returns its file, which is written only where it differs.
fn pack(packer: &Path, module: &Module, out: &Path) -> Result<PathBuf> {
    let file = out.join(&module.name).with_extension("wasm");
    let fresh = out.join(&module.name).with_extension("new");
    run(command(packer).arg(&module.file).arg(&fresh))
        .with_context(|| format!("{} cannot be made a plugin", module.file.display()))?;
    let plugin = fs::read(&fresh)?;
    if fs::read(&file).ok().as_ref() == Some(&plugin) {
        fs::remove_file(&fresh)?;
    } else {
        fs::rename(&fresh, &file)?;
    }
    println!("{:>6} KB  {}", plugin.len().div_ceil(1024), file.display());
    Ok(file)
}

/// Removes plugins that were built once and are no longer.
fn forget_others(out: &Path, built: &[PathBuf]) -> Result<()> {
    for entry in fs::read_dir(out)? {
        let file = entry?.path();
        if file.extension().is_some_and(|it| it == "wasm") && !built.contains(&file) {
            fs::remove_file(file)?;
        }
    }
    Ok(())
}

fn text(value: &Value) -> Result<&str> {
    value
        .as_str()
        .context("cargo answered without what was asked for")
}
