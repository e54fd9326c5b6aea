//! `evenkeel import`.

use std::io::Write as _;
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
    let _ = std::io::stderr().lock().write_all(list.as_bytes());
    match output {
        Some(output) => std::fs::write(output, &translation.toml)
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
