//! Whether the compiler at hand is new enough. No toolchain is pinned: the workspace's `rust-version` or anything
//! newer will do.

use std::fs;

use anyhow::{Context as _, Result, bail};
use xtask::cmd::{answer, command, root};

/// Refuses a compiler that is too old, with what to do about it.
pub(crate) fn check() -> Result<()> {
    let manifest = fs::read_to_string(root().join("Cargo.toml"))?;
    let needed = needed(&manifest).context("Cargo.toml names no rust-version")?;
    let Some(version) = answer(command("rustc").arg("--version")) else {
        bail!("there is no rustc: install Rust {needed} or newer, as https://rustup.rs says");
    };
    let here = version.split_whitespace().nth(1).unwrap_or_default();
    if numbers(here) < numbers(needed) {
        bail!(
            "Evenkeel needs Rust {needed} or newer, and this is {here}. \
             With rustup: rustup update stable (and see `rustup override list`)"
        );
    }
    Ok(())
}

/// The `rust-version` of a manifest.
fn needed(manifest: &str) -> Option<&str> {
    let line = manifest
        .lines()
        .find_map(|it| it.strip_prefix("rust-version"))?;
    Some(
        line.trim_start()
            .strip_prefix('=')?
            .trim()
            .trim_matches('"'),
    )
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
        assert_eq!(
            needed("edition = \"2024\"\nrust-version = \"1.95\"\n"),
            Some("1.95")
        );
        assert!(numbers("1.9.0") < numbers("1.95"));
        assert!(numbers("1.100.0-nightly") > numbers("1.95"));
        assert_eq!(numbers("1.95.1"), numbers("1.95"));
    }
}
