//! The compilers on this machine: whether they are there, and what to do if not.

use std::path::Path;
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
