//! What the project's structure has to keep to: files that do not take names from each other in a circle, files of a
//! size that can be read, documentation that says something, and pure crates.

mod bans;
mod circles;
mod purity;
mod scan;
#[cfg(test)]
mod tests;
mod texts;
mod tokens;
mod tree;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use tree::Tree;
use xtask::cmd::{root, step};

/// Where crates are: these directories, and those in them.
const PLACES: [&str; 4] = ["host", "plugins", "sdk", "xtask"];

/// Checks the sources and the pure crates.
pub(crate) fn run() -> Result<()> {
    let sources = sources();
    step("Purity");
    purity::check()?;
    sources
}

/// Checks the sources alone, which takes no build, and prints what is wrong.
fn sources() -> Result<()> {
    step("Structure");
    let root = root();
    let mut faults = Vec::new();
    let mut files = BTreeSet::new();
    for source in crates(&root)? {
        for name in ["lib.rs", "main.rs"] {
            let tree = Tree::read(&source.join(name), &|file| fs::read_to_string(file).ok());
            let edges = tree.edges();
            let found = circles::circles(&edges);
            faults.extend(found.iter().map(|it| circles::show(it, &edges, &root)));
            if bans::is_pure(source.strip_prefix(&root).unwrap_or(&source)) {
                faults.extend(bans::faults(&tree));
            }
            files.extend(tree.files().into_iter().map(Path::to_path_buf));
        }
    }
    for file in &files {
        let name = file.strip_prefix(&root).unwrap_or(file);
        if !texts::is_test(name) {
            let text = fs::read_to_string(file)?;
            faults.extend(texts::faults(&name.display().to_string(), &text));
        }
    }
    for fault in &faults {
        println!("{fault}");
    }
    match faults.len() {
        0 => {
            println!("{} files, and no circle among them", files.len());
            Ok(())
        }
        n => bail!("the structure has {n} faults"),
    }
}

/// The directories with the sources of crates.
fn crates(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = BTreeSet::new();
    for place in PLACES.map(|place| root.join(place)) {
        let inner = fs::read_dir(&place)?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<Vec<_>>>()?;
        for dir in inner.into_iter().chain([place]) {
            if dir.join("Cargo.toml").exists() {
                found.insert(dir.join("src"));
            }
        }
    }
    Ok(found.into_iter().collect())
}
