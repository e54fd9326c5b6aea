//! Whether the pure crates are pure: built for WebAssembly, they ask nothing of whoever runs them.
//!
//! On `wasm32-unknown-unknown` there is no system. What a crate wants from outside is an import of its module: it may
//! have none.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use xtask::cmd;

use crate::wasm::{TARGET, Toolchain};

/// They decide, and read and write text; they have no clock, no socket, no file and no thread.
const PURE: [&str; 3] = ["evenkeel-core", "evenkeel-config", "evenkeel-keepalived"];

/// Builds each and looks at its imports.
pub(super) fn check() -> Result<()> {
    let toolchain = Toolchain::find()?;
    for package in PURE {
        let mut cargo = toolchain.cargo("rustc");
        cargo.args(["--lib", "--crate-type", "cdylib", "-p", package]);
        // Nothing is exported: without these, the linker would take all of it away.
        cargo.args([
            "--",
            "-C",
            "link-dead-code",
            "-C",
            "link-arg=--no-gc-sections",
        ]);
        cmd::run(&mut cargo)?;
        let module = package.replace('-', "_");
        let file = toolchain
            .target_dir()
            .join(TARGET)
            .join("debug")
            .join(module)
            .with_extension("wasm");
        let imports = imports_of(&file)?;
        if !imports.is_empty() {
            bail!("{package} is not pure: it wants {}", imports.join(", "));
        }
        println!("{package} imports nothing");
    }
    Ok(())
}

fn imports_of(file: &Path) -> Result<Vec<String>> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    imports(&bytes).with_context(|| format!("{} is no module", file.display()))
}

/// The number of the section of imports (WebAssembly core specification 5.5.2).
const IMPORTS: u8 = 2;

/// The imports of a module, each as `MODULE.NAME`.
pub(super) fn imports(module: &[u8]) -> Result<Vec<String>> {
    let mut bytes = Bytes(module);
    ensure!(bytes.take(8)? == b"\0asm\x01\0\0\0", "not WebAssembly");
    while !bytes.0.is_empty() {
        let id = bytes.byte()?;
        let length = bytes.number()?;
        let mut section = Bytes(bytes.take(length)?);
        if id == IMPORTS {
            return section.imports();
        }
    }
    Ok(Vec::new())
}

/// What is left to read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .context("it ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        self.take(1)?.first().copied().context("it ends too early")
    }

    /// An unsigned number in LEB128 of at most 32 bits (5.2.2).
    fn number(&mut self) -> Result<usize> {
        let mut number = 0_u64;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(usize::try_from(number)?);
            }
        }
        bail!("a number is too long")
    }

    fn name(&mut self) -> Result<String> {
        let length = self.number()?;
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    fn limits(&mut self) -> Result<()> {
        let has_most = self.byte()? & 1 == 1;
        self.number()?;
        if has_most {
            self.number()?;
        }
        Ok(())
    }

    /// The contents of the section (5.5.5).
    fn imports(&mut self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for _ in 0..self.number()? {
            let (module, name) = (self.name()?, self.name()?);
            found.push(format!("{module}.{name}"));
            match self.byte()? {
                0 => {
                    self.number()?;
                }
                1 => {
                    self.byte()?;
                    self.limits()?;
                }
                2 => self.limits()?,
                3 => {
                    self.take(2)?;
                }
                other => bail!("an import of an unknown kind, {other}"),
            }
        }
        Ok(found)
    }
}
