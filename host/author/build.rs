//! Puts the SDK's sources into the binary: an author needs neither a checkout nor a registry.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use toml::{Table, Value};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let top = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../..");
    let sdk = top.join("sdk");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let workspace = manifest(&top)?;
    fs::write(out.join("Cargo.toml"), alone(&workspace, &sdk)?)?;

    let mut files = vec![("Cargo.toml".to_owned(), out.join("Cargo.toml"))];
    for name in ["LICENSE-APACHE", "LICENSE-MIT"] {
        files.push((name.to_owned(), top.join(name)));
    }
    for dir in ["src", "wit"] {
        add(&sdk.join(dir), dir, &mut files)?;
    }
    write(&out.join("sdk.rs"), files)?;
    let mut go = Vec::new();
    for dir in ["scheduler", "checker", "wit"] {
        add(&sdk.join("go").join(dir), dir, &mut go)?;
    }
    write(&out.join("go.rs"), go)?;
    // A file that is added or removed changes its directory.
    println!("cargo::rerun-if-changed={}", sdk.display());
    Ok(())
}

/// A list of files with what is in them, as Rust.
fn write(list: &Path, mut files: Vec<(String, PathBuf)>) -> Result<()> {
    files.sort();
    let mut text = String::from("&[\n");
    for (name, file) in &files {
        writeln!(
            text,
            "    ({name:?}, include_bytes!({:?})),",
            file.display().to_string()
        )?;
        println!("cargo::rerun-if-changed={}", file.display());
    }
    text.push_str("]\n");
    fs::write(list, text)?;
    Ok(())
}

fn manifest(dir: &Path) -> Result<Table> {
    let file = dir.join("Cargo.toml");
    println!("cargo::rerun-if-changed={}", file.display());
    Ok(fs::read_to_string(file)?.parse()?)
}

/// The SDK's manifest with what it takes from the workspace written out.
fn alone(workspace: &Table, sdk: &Path) -> Result<String> {
    let mut manifest = manifest(sdk)?;
    let workspace = workspace.get("workspace").ok_or("no workspace")?;
    let package = manifest
        .get_mut("package")
        .and_then(Value::as_table_mut)
        .ok_or("the SDK is no package")?;
    package.remove("readme");
    for (key, value) in package.iter_mut() {
        if value.get("workspace").is_some() {
            *value = workspace["package"][key.as_str()].clone();
        }
    }
    manifest.insert("lints".to_owned(), workspace["lints"].clone());
    let depends =
        |key: &str| matches!(manifest.get(key), Some(Value::Table(table)) if !table.is_empty());
    if depends("dependencies") || depends("target") {
        return Err("the SDK has got a dependency: plugin new cannot hand that on".into());
    }
    Ok(toml::to_string_pretty(&manifest)?)
}

/// Every file below `dir`, by its name below the SDK.
fn add(dir: &Path, name: &str, files: &mut Vec<(String, PathBuf)>) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let last = path
            .file_name()
            .ok_or("no name")?
            .to_string_lossy()
            .into_owned();
        let name = format!("{name}/{last}");
        if path.is_dir() {
            add(&path, &name, files)?;
        } else {
            files.push((name, path));
        }
    }
    Ok(())
}
