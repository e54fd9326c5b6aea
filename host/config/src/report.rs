//! What is wrong with a configuration, and where.

use std::fmt;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use miette::{LabeledSpan, NamedSource, SourceCode};
use parking_lot::Mutex;

use crate::secrets;

pub use miette::Severity;

/// The most characters of a line that are shown around what is wrong in it.
const WIDTH: usize = 120;

/// A file's text, with the means to tell a place in it.
#[derive(Debug)]
pub(super) struct Source {
    named: NamedSource<String>,
    /// Offset of the first byte of every line.
    lines: Vec<usize>,
    /// The parts that are shown to nobody, in the text's order. Only what follows from reading plugins' settings is added.
    hidden: Mutex<Vec<Range<usize>>>,
    /// Where each line came from, if the text was made from other files.
    origin: Option<Vec<Option<Origin>>>,
}

/// Where a line of a text that was made from another one came from: a file, as errors are to name it, and a line in it,
/// from 1.
pub type Origin = (String, usize);

impl Source {
    pub(super) fn new(file: &str, text: &str) -> Self {
        let starts = text
            .bytes()
            .enumerate()
            .filter(|(_, b)| *b == b'\n')
            .map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(starts).collect();
        Self {
            named: NamedSource::new(file, text.to_owned()),
            lines,
            hidden: Mutex::new(secrets::find(text)),
            origin: None,
        }
    }

    /// A text that was made from others: `origin` has an element for each of its lines.
    pub(super) fn translated(file: &str, text: &str, origin: Vec<Option<Origin>>) -> Self {
        Self {
            origin: Some(origin),
            ..Self::new(file, text)
        }
    }

    /// Has a part shown to nobody.
    pub(super) fn hide(&self, part: Range<usize>) {
        let mut hidden = self.hidden.lock();
        hidden.retain(|it| it.end <= part.start || part.end <= it.start);
        let at = hidden.partition_point(|it| it.start < part.start);
        hidden.insert(at, part);
    }

    /// Where a line came from: its own origin, or that of the nearest line before that has one.
    fn origin(&self, line: usize) -> Option<&Origin> {
        let origin = self.origin.as_deref()?;
        let until = origin.get(..line).unwrap_or(origin);
        until.iter().rev().find_map(Option::as_ref)
    }

    pub(super) fn file(&self) -> &str {
        self.named.name()
    }

    pub(super) fn text(&self) -> &str {
        self.named.inner()
    }

    /// The text of a span; empty where the span does not lie in the text.
    pub(super) fn slice(&self, span: &Range<usize>) -> &str {
        self.text().get(span.clone()).unwrap_or_default()
    }

    /// The text of a span as it may be shown.
    pub(super) fn shown(&self, span: &Range<usize>) -> String {
        let mut shown = String::new();
        let mut at = span.start;
        for hidden in self.hidden_from(span.start) {
            if hidden.start >= span.end {
                break;
            }
            shown.push_str(self.slice(&(at..hidden.start.max(at))));
            shown.push_str(secrets::MASK);
            at = hidden.end.min(span.end);
        }
        shown.push_str(self.slice(&(at..span.end)));
        shown
    }

    /// The hidden parts that end behind a place.
    fn hidden_from(&self, at: usize) -> Vec<Range<usize>> {
        let hidden = self.hidden.lock();
        let first = hidden.partition_point(|hidden| hidden.end <= at);
        hidden.get(first..).unwrap_or_default().to_vec()
    }

    /// A line as it may be shown, and at which of its characters a place in it is shown.
    fn shown_line(&self, line: usize, place: usize) -> (String, usize) {
        let start = self.lines.get(line - 1).copied().unwrap_or_default();
        let shown = self.shown(&(start..start + self.line(line).len()));
        let hidden = self.hidden_from(place);
        let place = hidden.first().map_or(place, |it| it.start.min(place));
        let column = self.shown(&(start..place)).chars().count();
        let last = shown.chars().count();
        (shown, column.min(last))
    }

    /// Line and column, both from 1; the column in characters.
    pub(super) fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= offset).max(1);
        let start = self.lines.get(line - 1).copied().unwrap_or_default();
        (line, self.slice(&(start..offset)).chars().count() + 1)
    }

    /// `FILE:LINE:COLUMN`; `FILE:LINE` of the original if the text was made from another one.
    pub(super) fn place(&self, offset: usize) -> String {
        let (line, column) = self.position(offset);
        match self.origin(line) {
            Some((file, line)) => format!("{file}:{line}"),
            None if self.origin.is_some() => self.file().to_owned(),
            None => format!("{}:{line}:{column}", self.file()),
        }
    }

    /// A span that lies in the text, on the borders of characters.
    fn within(&self, span: &Range<usize>) -> Range<usize> {
        let start = self.text().floor_char_boundary(span.start);
        let end = self.text().ceil_char_boundary(span.end);
        start..end.max(start)
    }

    /// The line that a place is in, without its end.
    pub(super) fn line_around(&self, offset: usize) -> Range<usize> {
        let (line, _) = self.position(offset);
        let start = self.lines.get(line - 1).copied().unwrap_or_default();
        start..start + self.line(line).len()
    }

    fn line(&self, line: usize) -> &str {
        let start = self.lines.get(line - 1).copied().unwrap_or_default();
        let end = self.lines.get(line).copied().unwrap_or(self.text().len());
        self.slice(&(start..end)).trim_end_matches(['\n', '\r'])
    }
}

/// One mistake in a configuration, or something in it that deserves a warning.
///
/// Displays as `FILE:LINE:COLUMN: message`; [`Self::render`] adds the line and the help. As a [`miette::Diagnostic`] it
/// carries the source for graphical reporters. Of a text that was made from another file ([`super::parse_translated`]),
/// it names that file and the line there, and shows the line that was made of it.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    /// [`Severity::Error`]: the configuration cannot be used; [`Severity::Warning`]: it can.
    pub severity: Severity,
    /// The line of the text, from 1. [`Self::place`] says where that came from.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// What is wrong in the file's text, in bytes. May be empty (the place before that byte).
    pub span: Range<usize>,
    /// What is wrong: the key and the value as written, and why. One line.
    pub message: String,
    /// What would be right. May have several lines.
    pub help: Option<String>,
    source: Arc<Source>,
}

impl Diagnostic {
    pub(super) fn new(
        source: &Arc<Source>,
        severity: Severity,
        span: &Range<usize>,
        message: String,
        help: Option<String>,
    ) -> Self {
        let span = source.within(span);
        let (line, column) = source.position(span.start);
        let message = message.lines().map(clean).collect::<Vec<_>>().join(" ");
        let help = help.map(|help| help.lines().map(clean).collect::<Vec<_>>().join("\n"));
        Self {
            severity,
            line,
            column,
            span,
            message,
            help,
            source: Arc::clone(source),
        }
    }

    /// The configuration file, as it was named to [`super::parse`].
    #[must_use]
    pub fn file(&self) -> &str {
        self.source.file()
    }

    /// `FILE:LINE:COLUMN`; `FILE:LINE` of the original for a text that was made from another file.
    #[must_use]
    pub fn place(&self) -> String {
        self.source.place(self.span.start)
    }

    /// Whether the configuration cannot be used because of it.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// Plain text of several lines for terminals and logs: place and message, the line with the mistake underlined, the
    /// help. Ends with a newline.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = format!("{self}\n");
        let (line, from) = self.source.shown_line(self.line, self.span.start);
        let last = line.chars().count();
        let marked = self.source.shown(&self.span);
        let marked = marked.lines().next().unwrap_or_default();
        let first = if last <= WIDTH {
            0
        } else {
            from.saturating_sub(WIDTH / 3)
        };
        let shown: String = line
            .chars()
            .skip(first)
            .take(WIDTH)
            .map(printable)
            .collect();
        let room = shown.chars().count().saturating_sub(from - first);
        let carets = "^".repeat(marked.chars().count().min(room).max(1));
        let number = match self.source.origin {
            Some(_) => "as TOML".to_owned(),
            None => self.line.to_string(),
        };
        let indent = " ".repeat(number.len());
        let offset = " ".repeat(from - first);
        // Writing to a string does not fail.
        let _ = writeln!(out, "  {number} | {}", shown.trim_end());
        let _ = writeln!(out, "  {indent} | {offset}{carets}");
        for (i, text) in self.help.iter().flat_map(|help| help.lines()).enumerate() {
            let _ = writeln!(out, "  {} {text}", if i == 0 { "help:" } else { "     " });
        }
        out
    }
}

/// What a terminal may be sent: a configuration is not to move its cursor.
pub(super) fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

fn clean(line: &str) -> String {
    line.chars().map(printable).collect()
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_error() { "" } else { "warning: " };
        write!(f, "{}: {kind}{}", self.place(), self.message)
    }
}

impl std::error::Error for Diagnostic {}

impl miette::Diagnostic for Diagnostic {
    fn severity(&self) -> Option<Severity> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help
            .as_ref()
            .map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source.named)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(std::iter::once(
            LabeledSpan::new_primary_with_span(Some("here".to_owned()), self.span.clone()),
        )))
    }
}

/// Why a configuration cannot be used: everything that is wrong with it, in the order of the text.
#[derive(Debug, Clone)]
pub struct Report {
    /// At least one error, and the warnings.
    pub diagnostics: Vec<Diagnostic>,
}

impl Report {
    /// Plain text for terminals and logs: [`Diagnostic::render`] of each, with an empty line between.
    #[must_use]
    pub fn render(&self) -> String {
        self.diagnostics
            .iter()
            .map(Diagnostic::render)
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// The errors, without the warnings.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.iter().filter(|d| d.is_error())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self
            .diagnostics
            .first()
            .map(Diagnostic::file)
            .unwrap_or_default();
        match self.errors().count() {
            1 => write!(f, "{file}: 1 error"),
            n => write!(f, "{file}: {n} errors"),
        }
    }
}

impl std::error::Error for Report {}

impl miette::Diagnostic for Report {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        Some(Box::new(
            self.diagnostics
                .iter()
                .map(|d| d as &dyn miette::Diagnostic),
        ))
    }
}
