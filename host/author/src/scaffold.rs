//! A new plugin: a directory that builds, passes its tests and runs as it is, with all in it that it needs of ours.

mod templates;

use std::fs;
use std::path::{Path, PathBuf};

use crate::kind::Kind;
use crate::language::Language;
use crate::{Refused, refuse, sdk, tools};

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
pub fn new(parent: &Path, name: &str, kind: Kind, language: Language) -> Result<PathBuf, Refused> {
    check_name(name, language)?;
    let place = parent.join(name);
    if fs::symlink_metadata(&place).is_ok() {
        refuse!("{} is there already; nothing was changed", place.display());
    }
    match language {
        Language::Rust => tools::rust()?,
        Language::C => drop(tools::c()?),
        // Their compilers may be installed into the directory itself.
        Language::Go | Language::JavaScript | Language::Python => {}
    }
    // Beside its place, so that it can be put there whole.
    let fresh = tempfile::Builder::new()
        .prefix(&format!(".{name}."))
        .tempdir_in(parent)
        .map_err(|error| Refused::io("make a directory in", parent, &error))?;
    let (common, own) = (templates::common(language), templates::own(language, kind));
    for (at, text) in common.iter().chain(own) {
        let file = fresh.path().join(at);
        if let Some(dir) = file.parent() {
            fs::create_dir_all(dir).map_err(|error| Refused::io("make", dir, &error))?;
        }
        fs::write(&file, fill(text, name, kind))
            .map_err(|error| Refused::io("write", &file, &error))?;
    }
    match language {
        Language::Rust => sdk::write(&fresh.path().join("vendor/evenkeel-sdk"))?,
        Language::C => sdk::write_c(kind, &fresh.path().join("evenkeel"))?,
        Language::Go => sdk::write_go(kind, &fresh.path().join("evenkeel"))?,
        Language::JavaScript | Language::Python => {
            sdk::write_wit(kind, &fresh.path().join("evenkeel"))?;
        }
    }
    readable(fresh.path())?;
    fs::rename(fresh.path(), &place).map_err(|error| Refused::io("make", &place, &error))?;
    // It is no longer where it would be removed from.
    let _ = fresh.keep();
    Ok(place)
}

fn fill(text: &str, name: &str, kind: Kind) -> String {
    text.replace("{{example}}", templates::example(kind))
        .replace("{{name}}", name)
        .replace("{{kind}}", &kind.to_string())
        .replace("{{rust}}", env!("CARGO_PKG_RUST_VERSION"))
}

/// A temporary directory is its owner's alone; a crate's is like any other.
fn readable(dir: &Path) -> Result<(), Refused> {
    use std::os::unix::fs::PermissionsExt as _;
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(dir, open).map_err(|error| Refused::io("change", dir, &error))
}

fn check_name(name: &str, language: Language) -> Result<(), Refused> {
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
    let in_rust = language == Language::Rust;
    if in_rust && (TAKEN.contains(&name) || KEYWORDS.contains(&name)) {
        refuse!(
            "{name:?} cannot be the name of a crate in Rust: choose another, such as \"my-{name}\""
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;
