//! `evenkeel plugin list`.

use std::path::{Path, PathBuf};

use evenkeel_config as config;
use evenkeel_runtime::catalogue::Catalogue;
use evenkeel_runtime::native::NativeRuntime;
use evenkeel_runtime::text;

use super::runtime;
use crate::commands::print;
use crate::exit::{self, Failed};
use evenkeel_daemon::prepare::{plugin_dirs, read};

/// Prints what the plugin directories hold, a line each. Goes by what the files say about themselves.
///
/// # Errors
/// [`exit::CONFIG`] when a file there is no usable plugin; all others are listed.
pub(crate) fn list(config: Option<&Path>, instead: &[PathBuf]) -> anyhow::Result<()> {
    let parsed = match config {
        Some(file) => read(file)?,
        None => config::parse("", ""),
    };
    let runtime = runtime(parsed.daemon())?;
    let mut catalogue = Catalogue::scan(&runtime, plugin_dirs(&parsed, instead));
    let native = NativeRuntime::new();
    catalogue.load_native(&native, &parsed.daemon().native_plugins);
    catalogue.add_files(&runtime, &parsed.plugin_refs());

    let mut rows =
        vec![["NAME", "KIND", "VERSION", "CONTRACT", "SUMMARY", "FILE"].map(String::from)];
    let mut broken = Vec::new();
    for entry in catalogue.entries() {
        let file = text::path(&entry.file);
        match entry.info() {
            Ok(info) => rows.push([
                info.manifest.name.clone(),
                info.kind.to_string(),
                info.manifest.version.clone(),
                info.contract.clone(),
                info.manifest.summary.clone(),
                file,
            ]),
            Err(reason) => broken.push(format!("{file}: {reason}")),
        }
    }
    print(&table(&rows))?;
    for missing in catalogue.unreadable() {
        print(&format!(
            "{}: {}\n",
            text::path(&missing.directory),
            missing.reason
        ))?;
    }
    if broken.is_empty() {
        return Ok(());
    }
    Err(Failed::new(exit::CONFIG, broken.join("\n")).into())
}

/// Columns as wide as their widest cell.
fn table(rows: &[[String; 6]]) -> String {
    let mut widths = [0; 6];
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
            ["a", "b", "c", "d", "e", "f"].map(str::to_owned),
            [&long, "b", "c", "d", "e", "f"].map(ToString::to_string),
        ];
        let shown = table(&rows);
        assert_eq!(shown.lines().count(), 2);
        assert!(shown.lines().all(|line| line.len() == 200_000 + 5 * 3));
    }
}
