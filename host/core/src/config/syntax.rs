//! From text to a tree; what the TOML parser says, said better where that is possible.

use std::sync::Arc;

use toml::de::DeTable;

use super::reader::Reader;
use super::tree::{Span, Table};

/// The document's table as far as it can be read.
pub(super) fn table(reader: &mut Reader) -> Table {
    let source = Arc::clone(&reader.source);
    let (document, mut errors) = DeTable::parse_recoverable(source.text());
    let table = Table::of(document.get_ref());
    errors.sort_by_key(|error| error.span().map(|span| span.start));
    for error in errors {
        let end = source.text().len();
        let span = error.span().unwrap_or(end..end);
        let (message, help) = explain(error.message(), &span, &table, reader);
        reader.syntax_error(&span, message, help);
    }
    table
}

fn explain(message: &str, span: &Span, table: &Table, reader: &Reader) -> (String, Option<String>) {
    let written = reader.written(span);
    if message.starts_with("duplicate key") {
        let first = table.before(reader.source.slice(span), span.start);
        let help =
            first.map(|first| format!("first defined at {}", reader.source.place(first.start)));
        return (format!("{written} is defined twice"), help);
    }
    (format!("not TOML: {message}"), None)
}
