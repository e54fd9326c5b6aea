//! `evenkeel import`.

use std::fs::{OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::Context as _;
use evenkeel_keepalived::Kind;

use crate::exit::{self, Failed};
use evenkeel_daemon::prepare::keepalived;

/// Prints a keepalived configuration as TOML, or writes it to a file; what is not carried over goes to standard
/// error, a line each.
///
/// # Errors
/// When a file cannot be read or written, and [`exit::CONFIG`] when something in the configuration cannot be
/// understood; the rest is there all the same.
pub(crate) fn run(file: &Path, output: Option<&Path>, id: Option<&str>) -> anyhow::Result<()> {
    let bytes = keepalived::read(file)?;
    let translation = keepalived::translate(file, &bytes, id);
    let mut list = String::new();
    for note in &translation.notes {
        list.push_str(&format!("{note}\n"));
    }
    // Where standard error is gone there is nobody left to tell.
    let _ = io::stderr().lock().write_all(list.as_bytes());
    match output {
        Some(output) => write(output, &translation.toml, translation.has_password())
            .with_context(|| format!("cannot write {}", output.display()))?,
        None => super::print(&translation.toml)?,
    }
    let errors = translation
        .notes
        .iter()
        .filter(|note| note.kind == Kind::Error);
    match errors.count() {
        0 => Ok(()),
        n => {
            let message = format!(
                "{}: {n} errors above: what they concern is missing in the TOML",
                file.display()
            );
            Err(Failed::new(exit::CONFIG, message).into())
        }
    }
}

/// Writes a file; with a password in it, one that its owner alone can read, also where it was there before.
fn write(output: &Path, toml: &str, private: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    if private {
        options.mode(0o600);
    }
    let mut file = options.open(output)?;
    if private && file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    file.write_all(toml.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_a_password_is_its_owners_alone_and_any_other_is_as_usual() {
        let directory = tempfile::tempdir().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let (new, old) = (directory.path().join("new"), directory.path().join("old"));
        std::fs::write(&old, "something longer than before").unwrap();
        std::fs::set_permissions(&old, Permissions::from_mode(0o644)).unwrap();
        write(&old, "plain", false).unwrap();
        assert_eq!(mode(&old), 0o644);
        for path in [&new, &old] {
            write(path, "password", true).unwrap();
            assert_eq!(mode(path), 0o600);
            assert_eq!(std::fs::read_to_string(path).unwrap(), "password");
        }
    }
}
