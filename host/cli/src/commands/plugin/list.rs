//! `evenkeel plugin list`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use evenkeel_config as config;
use evenkeel_runtime::catalogue::Catalogue;
use evenkeel_runtime::native::NativeRuntime;
use evenkeel_runtime::signature::Signature;
use evenkeel_runtime::text;

use super::json;
use super::runtime::runtime;
use crate::commands::print;
use crate::exit::{self, Failed};
use evenkeel_daemon::prepare::{plugin_dirs, read, trust_of};

/// Prints what the plugin directories hold, a line each, or all of it as JSON. Goes by what the files say about
/// themselves.
///
/// # Errors
/// [`exit::CONFIG`] when a file there is no usable plugin; all others are listed.
pub(crate) fn list(config: Option<&Path>, instead: &[PathBuf], json: bool) -> anyhow::Result<()> {
    let parsed = match config {
        Some(file) => read(file)?,
        None => config::parse("", ""),
    };
    let runtime = runtime(parsed.daemon())?;
    let mut catalogue = Catalogue::default();
    catalogue.set_trust(trust_of(&parsed.daemon().plugin_trust, false)?);
    let mut catalogue = catalogue.rescan(&runtime, plugin_dirs(&parsed, instead));
    let native = NativeRuntime::new();
    catalogue.load_native(&native, &parsed.daemon().native_plugins);
    catalogue.add_files(&runtime, &parsed.plugin_refs());
    print(&if json {
        json::list(&catalogue)?
    } else {
        text_of(&catalogue)
    })?;
    let broken: Vec<String> = catalogue
        .entries()
        .filter_map(|entry| {
            let reason = entry.info().err()?;
            Some(format!("{}: {reason}", text::path(&entry.file)))
        })
        .collect();
    if broken.is_empty() {
        return Ok(());
    }
    Err(Failed::new(exit::CONFIG, broken.join("\n")).into())
}

fn text_of(catalogue: &Catalogue) -> String {
    let heads = [
        "NAME",
        "KIND",
        "VERSION",
        "CONTRACT",
        "SHA256",
        "SIZE",
        "SIGNATURE",
        "SUMMARY",
        "FILE",
    ];
    let mut rows = vec![heads.map(String::from)];
    for entry in catalogue.entries() {
        let Ok(info) = entry.info() else { continue };
        rows.push([
            info.manifest.name.clone(),
            info.kind.to_string(),
            info.manifest.version.clone(),
            info.contract.clone(),
            entry.sha256().map(|it| it.short()).unwrap_or_default(),
            entry.size().to_string(),
            signed(entry.signature()),
            info.manifest.summary.clone(),
            text::path(&entry.file),
        ]);
    }
    let mut text = table(&rows);
    for missing in catalogue.unreadable() {
        let directory = text::path(&missing.directory);
        // Writing to a String does not fail.
        let _ = writeln!(text, "{directory}: {}", missing.reason);
    }
    for shadowed in catalogue.shadowed() {
        let (file, by) = (text::path(&shadowed.file), text::path(&shadowed.by));
        let name = &shadowed.name;
        let _ = writeln!(
            text,
            "not used: {file}: {by}, of an earlier directory, is {name}"
        );
    }
    text
}

/// The key, or that there is none that says anything.
fn signed(signature: &Signature) -> String {
    match signature {
        Signature::None => "unsigned".to_owned(),
        Signature::Unknown(id) => format!("unknown key {id}"),
        Signature::Valid { key, .. } => key.id.to_string(),
    }
}

/// Columns of the list.
const COLUMNS: usize = 9;

/// Columns as wide as their widest cell.
fn table(rows: &[[String; COLUMNS]]) -> String {
    let mut widths = [0; COLUMNS];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        // A width in a format has 16 bits, and more is a panic.
        let pad = |(cell, width): (&String, usize)| {
            let room = width.saturating_sub(cell.chars().count());
            format!("{cell}{}", " ".repeat(room))
        };
        let line: Vec<String> = row.iter().zip(widths).map(pad).collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_with_a_cell_of_any_length_is_no_panic() {
        let long = "x".repeat(200_000);
        let rows = [
            ["a", "b", "c", "d", "e", "f", "g", "h", "i"].map(str::to_owned),
            [&long, "b", "c", "d", "e", "f", "g", "h", "i"].map(ToString::to_string),
        ];
        let shown = table(&rows);
        assert_eq!(shown.lines().count(), 2);
        assert!(shown.lines().all(|line| line.len() == 200_000 + 8 * 3));
    }
}
