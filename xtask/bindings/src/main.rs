//! `evenkeel-bindings [--check] [WIT]`: writes the sources of the SDK that follow from the contract, or says which of them
//! are not current. `cargo xtask bindings` starts it.
//!
//! They are checked in, so that a plugin's first build does not compile a generator (32 of its 38 seconds of processor
//! time), and so that an author in C or Go needs none.
#![expect(clippy::print_stdout, reason = "it says what it writes")]

mod c;
mod contract;
mod files;
mod go;
mod page;
mod rust;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::contract::Contract;
use crate::files::Files;

/// The contract that the SDK speaks, from the top of the repository.
const CONTRACT: &str = "sdk/wit/v0.2";

fn main() -> Result<()> {
    let mut check = false;
    let mut wit = PathBuf::from(CONTRACT);
    for word in std::env::args().skip(1) {
        match &*word {
            "--check" => check = true,
            option if option.starts_with('-') => bail!("usage: evenkeel-bindings [--check] [WIT]"),
            dir => wit = dir.into(),
        }
    }
    let root = root();
    let files = generate(&root.join(wit))?;
    if check {
        return match differing(root, &files).as_slice() {
            [] => Ok(()),
            old => bail!(
                "not what follows from the contract (cargo xtask bindings renews them): {}",
                old.join(", ")
            ),
        };
    }
    for (path, bytes) in files {
        let file = root.join(&path);
        let dir = file.parent().context("a file without a directory")?;
        fs::create_dir_all(dir)?;
        fs::write(&file, &bytes).with_context(|| format!("cannot write {}", file.display()))?;
        println!("{:>7} bytes  {}", bytes.len(), path.display());
    }
    Ok(())
}

/// The top of the repository.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// All files that follow from the contract in this directory.
fn generate(wit: &Path) -> Result<Files> {
    let contract = Contract::read(wit)?;
    let mut files = rust::files(&contract)?;
    files.extend(c::files(&contract)?);
    files.extend(go::files(&contract)?);
    files.extend(page::files(&contract)?);
    Ok(files)
}

/// Those files that are missing or have something else in them.
fn differing(root: &Path, files: &Files) -> Vec<String> {
    let differs = |(path, bytes): &(&PathBuf, &Vec<u8>)| {
        fs::read(root.join(path)).ok().as_ref() != Some(*bytes)
    };
    files
        .iter()
        .filter(differs)
        .map(|(path, _)| path.display().to_string())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checked_in_bindings_are_those_that_follow_from_the_contract() {
        let files = generate(&root().join(CONTRACT)).unwrap();
        assert_eq!(files.len(), 37, "{:?}", files.keys());
        let old = differing(root(), &files);
        assert!(old.is_empty(), "run `cargo xtask bindings`: {old:?}");
    }

    #[test]
    fn a_file_that_is_missing_or_another_is_not_current() {
        let files = Files::from([
            ("Cargo.toml".into(), vec![1]),
            ("no-such-file".into(), vec![]),
        ]);
        assert_eq!(differing(root(), &files), ["Cargo.toml", "no-such-file"]);
    }
}
