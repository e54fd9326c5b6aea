//! From text to a tree; what the TOML parser says, said better where that is possible.

use std::sync::Arc;

use toml::de::DeTable;

use super::reader::Reader;
use super::report::Source;
use super::tree::{Span, Table};

/// The document's table as far as it can be read.
pub(super) fn table(reader: &mut Reader) -> Table {
    let source = Arc::clone(&reader.source);
    let (document, mut errors) = DeTable::parse_recoverable(source.text());
    let table = Table::of(document.get_ref());
    let end = source.text().len();
    errors.sort_by_key(|error| error.span().map_or(end, |span| span.start));
    for error in errors {
        let span = error.span().unwrap_or(end..end);
        let (span, message, help) = explain(error.message(), span, &table, reader);
        reader.syntax_error(&span, message, help);
        let line = source.line_around(span.start);
        if source.slice(&line).trim_start().starts_with('[') {
            reader.ignore(span.start..end_of_table(&source, line.end));
        }
    }
    table
}

/// Where the keys end that follow a table's header: they belong nowhere if the header could not be read.
fn end_of_table(source: &Source, header: usize) -> usize {
    let rest = source.text().get(header..).unwrap_or_default();
    rest.match_indices('\n')
        .map(|(at, _)| header + at + 1)
        .find(|start| {
            let line = source.text().get(*start..).unwrap_or_default();
            line.trim_start_matches([' ', '\t']).starts_with('[')
        })
        .unwrap_or(source.text().len())
}

fn explain(
    said: &str,
    span: Span,
    table: &Table,
    reader: &Reader,
) -> (Span, String, Option<String>) {
    let source = &reader.source;
    if said.starts_with("duplicate key") {
        let first = table
            .before(source.slice(&span), span.start)
            .map(|first| first.start)
            .or_else(|| same_header(source, &span));
        let help = first.map(|first| format!("first defined at {}", source.place(first)));
        let message = format!("{} is defined twice", reader.written(&span));
        return (span, message, help);
    }
    if said.starts_with("key with no value") {
        let message = "expected = and a value".to_owned();
        let line = source.slice(&source.line_around(span.start)).trim();
        let help = if line.ends_with('{') {
            "a table is written as [name], or as name = { key = value, ... }"
        } else {
            "write key = value"
        };
        return (span, message, Some(help.to_owned()));
    }
    let quote = [
        "invalid basic string, expected ",
        "invalid literal string, expected ",
    ]
    .iter()
    .find_map(|start| said.strip_prefix(start));
    if let Some(quote) = quote {
        return (
            span,
            format!("the string does not end: expected {quote}"),
            None,
        );
    }
    if said.starts_with("missing escaped value") {
        let help = "write \\\\ for a backslash, or put the string in '...'".to_owned();
        return (
            span,
            "a backslash with an unknown letter".to_owned(),
            Some(help),
        );
    }
    let of_a_value = [
        "string values must be quoted",
        "invalid ",
        "`_` may only",
        "missing digit",
    ];
    if of_a_value.iter().any(|start| said.starts_with(start))
        && let Some(word) = bare_word(source, &span)
    {
        return not_a_value(said, word, source);
    }
    (span, format!("not TOML: {said}"), None)
}

/// A value without its quotes, as a rule.
fn not_a_value(said: &str, word: Span, source: &Source) -> (Span, String, Option<String>) {
    let written = source.shown(&word);
    if written.is_empty() {
        return (word, "the value is missing".to_owned(), None);
    }
    let help = match written.to_lowercase().as_str() {
        truth @ ("true" | "false") => Some(format!("write {truth}")),
        _ if said.starts_with("`_`") => None,
        _ => Some(format!("write it in quotes: \"{written}\"")),
    };
    let message = if said.starts_with("string values") {
        format!("{written} is not in quotes")
    } else {
        let why = said.split(", expected").next().unwrap_or(said);
        format!("{written} is not a value: {why}")
    };
    (word, message, help)
}

/// The word around a place that stands where a value is expected: behind `=`, `,` or `[` on its line.
fn bare_word(source: &Source, span: &Span) -> Option<Span> {
    let line = source.line_around(span.start);
    let before = source.slice(&(line.start..span.start));
    let after = source.slice(&(span.start..line.end));
    let delimiter = |c: char| c.is_whitespace() || "=,[]{}#\"'".contains(c);
    let start = before.rfind(delimiter).map_or(0, |at| at + 1);
    let length = after.find(delimiter).unwrap_or(after.len());
    // A delimiter is one byte, or a space of several, before which the word would not be one.
    let lead = before.get(..start)?.trim_end();
    let word = line.start + start..span.start + length;
    let value = lead.contains('=') && lead.ends_with(['=', ',', '[']);
    (value && source.slice(&word).chars().all(|c| !c.is_control())).then_some(word)
}

/// The earlier header that says the same as the one at `span`.
fn same_header(source: &Source, span: &Span) -> Option<usize> {
    let line = source.line_around(span.start);
    let header = source.slice(&line).trim();
    let before = source.text().get(..line.start)?;
    let mut at = 0;
    for line in before.split_inclusive('\n') {
        if line.trim() == header {
            return Some(at);
        }
        at += line.len();
    }
    None
}
