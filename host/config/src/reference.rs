//! The reference page of the configuration, from the tables' declarations.

use std::fmt::Write as _;

use super::reader::{Key, Page};
use super::schema::PAGES;

/// As wide as all documentation.
const COLUMNS: usize = 120;

/// What stands before the tables.
const BEFORE: &str = include_str!("reference/before.md");
/// What stands behind them.
const AFTER: &str = include_str!("reference/after.md");

/// The reference page of the configuration file, in Markdown: every table and key with its values, default and meaning,
/// and examples. It is kept as `docs/configuration.md`.
#[must_use]
pub fn reference() -> String {
    let mut out = BEFORE.to_owned();
    for page in PAGES.iter() {
        write_page(&mut out, page);
    }
    out.push_str(AFTER);
    out
}

fn write_page(out: &mut String, page: &Page) {
    let title = if page.place.starts_with("the") {
        "The top level".to_owned()
    } else {
        format!("`{}`", page.place)
    };
    let about: Vec<String> = paragraphs(&page.about)
        .iter()
        .map(|it| wrapped(it))
        .collect();
    // Writing to a string does not fail.
    let _ = write!(out, "## {title}\n\n{}\n\n", about.join("\n\n"));
    out.push_str("| Key | Values | Default | Meaning | keepalived |\n|---|---|---|---|---|\n");
    for key in &page.keys {
        write_key(out, key);
    }
    out.push('\n');
}

fn write_key(out: &mut String, key: &Key) {
    let keepalived = key
        .keepalived
        .map(|words| format!("`{words}`"))
        .unwrap_or_default();
    let cells = [
        format!("`{}`", key.name),
        key.kind.clone(),
        key.otherwise.clone(),
        paragraphs(&key.doc).join("<br>"),
        keepalived,
    ];
    let cells = cells.map(|cell| cell.replace('|', "\\|"));
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}

/// A doc comment's lines joined; empty lines part paragraphs.
fn paragraphs(doc: &str) -> Vec<String> {
    let lines: Vec<&str> = doc.lines().map(str::trim).collect();
    lines
        .split(|line| line.is_empty())
        .filter(|part| !part.is_empty())
        .map(|part| part.join(" "))
        .collect()
}

/// A paragraph in lines of [`COLUMNS`] at most, as far as its words allow.
fn wrapped(paragraph: &str) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in paragraph.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > COLUMNS {
            out.push('\n');
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out
}
