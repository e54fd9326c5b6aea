//! A new plugin: a crate that builds, passes its tests and runs as it is, with the SDK in it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{Refused, refuse, sdk, tools};

/// What the plugin is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Spreads new connections.
    Scheduler,
    /// Judges servers.
    Checker,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheduler => "scheduler",
            Self::Checker => "checker",
        })
    }
}

/// A file of a new plugin: where it is, and its text, in which `{{name}}` stands for the plugin's name.
type Template = (&'static str, &'static str);

macro_rules! template {
    ($at:literal, $file:literal) => {
        ($at, include_str!(concat!("../templates/", $file)))
    };
}

const COMMON: &[Template] = &[
    template!("Cargo.toml", "Cargo.toml"),
    template!(".gitignore", "gitignore"),
];
const SCHEDULER: &[Template] = &[
    template!("src/lib.rs", "rust-scheduler/lib.rs"),
    template!("README.md", "rust-scheduler/README.md"),
];
const CHECKER: &[Template] = &[
    template!("src/lib.rs", "rust-checker/lib.rs"),
    template!("README.md", "rust-checker/README.md"),
];

/// The longest name that a plugin can have, in bytes.
const MAX_NAME: usize = 64;

/// Words that cargo takes for no package, and the names of crates that a plugin is built with.
const TAKEN: [&str; 6] = ["alloc", "core", "evenkeel-sdk", "proc-macro", "std", "test"];

/// Words of the language (The Rust Reference, "Keywords"), of which no crate can have the name.
const KEYWORDS: [&str; 51] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Makes the directory `parent/name` with a plugin of that name in it. All or nothing.
///
/// # Errors
/// [`Refused`]: a name that no plugin can have, a directory that is there already, a compiler that is missing.
pub fn new(parent: &Path, name: &str, kind: Kind) -> Result<PathBuf, Refused> {
    check_name(name)?;
    let place = parent.join(name);
    if fs::symlink_metadata(&place).is_ok() {
        refuse!("{} is there already; nothing was changed", place.display());
    }
    tools::rust()?;
    // Beside its place, so that it can be put there whole.
    let fresh = tempfile::Builder::new()
        .prefix(&format!(".{name}."))
        .tempdir_in(parent)
        .map_err(|error| Refused::io("make a directory in", parent, &error))?;
    let own = match kind {
        Kind::Scheduler => SCHEDULER,
        Kind::Checker => CHECKER,
    };
    for (at, text) in COMMON.iter().chain(own) {
        let file = fresh.path().join(at);
        if let Some(dir) = file.parent() {
            fs::create_dir_all(dir).map_err(|error| Refused::io("make", dir, &error))?;
        }
        fs::write(&file, fill(text, name, kind))
            .map_err(|error| Refused::io("write", &file, &error))?;
    }
    sdk::write(&fresh.path().join("vendor/evenkeel-sdk"))?;
    readable(fresh.path())?;
    fs::rename(fresh.path(), &place).map_err(|error| Refused::io("make", &place, &error))?;
    // It is no longer where it would be removed from.
    let _ = fresh.keep();
    Ok(place)
}

fn fill(text: &str, name: &str, kind: Kind) -> String {
    text.replace("{{name}}", name)
        .replace("{{kind}}", &kind.to_string())
        .replace("{{rust}}", env!("CARGO_PKG_RUST_VERSION"))
}

/// A temporary directory is its owner's alone; a crate's is like any other.
fn readable(dir: &Path) -> Result<(), Refused> {
    use std::os::unix::fs::PermissionsExt as _;
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(dir, open).map_err(|error| Refused::io("change", dir, &error))
}

fn check_name(name: &str) -> Result<(), Refused> {
    let begins = name.starts_with(|first: char| first.is_ascii_lowercase());
    let rest = name
        .chars()
        .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-');
    if !begins || !rest || name.len() > MAX_NAME {
        refuse!(
            "{name:?} cannot be a plugin's name: write it with a-z, 0-9 and -, a letter first, {MAX_NAME} characters at \
             most, such as \"calm-mornings\""
        );
    }
    if TAKEN.contains(&name) || KEYWORDS.contains(&name) {
        refuse!(
            "{name:?} cannot be the name of a crate in Rust: choose another, such as \"my-{name}\""
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;
