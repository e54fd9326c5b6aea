//! Collects what is wrong with a configuration while it is read.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::report::{Diagnostic, Severity, Source, printable};
use crate::tree::{Node, Span, Value};

/// The most characters of a value that a message repeats.
const ECHO: usize = 60;

/// What is wrong with a value.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) what: String,
    pub(crate) help: Option<String>,
}

impl Wrong {
    pub(crate) fn new(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            help: Some(help.into()),
        }
    }

    /// A value of another type.
    pub(crate) fn kind(kind: &str, help: Option<String>) -> Self {
        Self {
            what: format!("expected {kind}"),
            help,
        }
    }
}

/// What to do about an unknown key, given the key, its table and the keys of that table. The schema has the answer; the
/// reader is handed it, so that it need not know the schema.
pub(crate) type Explain = fn(key: &str, place: &str, keys: &[&str]) -> String;

/// Collects what is wrong while tables are read.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) source: Arc<Source>,
    diagnostics: Vec<Diagnostic>,
    /// Lines with syntax errors: what else is wrong there only follows from those.
    broken: BTreeSet<usize>,
    /// Places of which the same is true.
    ignored: Vec<Span>,
    explain: Explain,
}

impl Reader {
    pub(crate) fn new(source: Arc<Source>, explain: Explain) -> Self {
        Self {
            source,
            diagnostics: Vec::new(),
            broken: BTreeSet::new(),
            ignored: Vec::new(),
            explain,
        }
    }

    /// All that was reported, in the order of the text.
    pub(crate) fn into_diagnostics(mut self) -> Vec<Diagnostic> {
        self.diagnostics.sort_by_key(|d| (d.span.start, d.span.end));
        self.diagnostics
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// Only the first of a line, since the others follow from it as a rule.
    pub(crate) fn syntax_error(&mut self, span: &Span, message: String, help: Option<String>) {
        let error = Diagnostic::new(&self.source, Severity::Error, span, message, help);
        if self.broken.insert(error.line) {
            self.diagnostics.push(error);
        }
    }

    /// From now on, nobody is shown this part of the text: what is reported of its line has a mask there.
    pub(crate) fn hide(&self, span: Span) {
        self.source.hide(span);
    }

    /// From now on, nothing but syntax errors is reported of this part of the text.
    pub(crate) fn ignore(&mut self, span: Span) {
        self.ignored.push(span);
    }

    pub(crate) fn error(&mut self, span: &Span, message: String, help: Option<String>) {
        self.push(Severity::Error, span, message, help);
    }

    pub(crate) fn warning(&mut self, span: &Span, message: String, help: Option<String>) {
        self.push(Severity::Warning, span, message, help);
    }

    fn push(&mut self, severity: Severity, span: &Span, message: String, help: Option<String>) {
        let found = Diagnostic::new(&self.source, severity, span, message, help);
        let ignored = self
            .ignored
            .iter()
            .any(|span| span.contains(&found.span.start));
        if !ignored && !self.broken.contains(&found.line) {
            self.diagnostics.push(found);
        }
    }

    /// A value that its key does not take.
    pub(crate) fn wrong(&mut self, key: &str, node: &Node, wrong: Wrong) {
        match node.value {
            Value::Broken => {}
            Value::Huge => self.wrong_at(
                key,
                &node.span,
                Wrong {
                    what: "the number is too large".to_owned(),
                    help: None,
                },
            ),
            _ => self.wrong_at(key, &node.span, wrong),
        }
    }

    /// The same for a value that is known by its place.
    pub(crate) fn wrong_at(&mut self, key: &str, span: &Span, wrong: Wrong) {
        let message = format!("{key} = {}: {}", self.written(span), wrong.what);
        self.error(span, message, wrong.help);
    }

    /// The text at a place, as a message may repeat it.
    pub(crate) fn written(&self, span: &Span) -> String {
        let text = self.source.shown(span);
        let line = text.lines().next().unwrap_or_default();
        let short: String = line.chars().take(ECHO).map(printable).collect();
        if short.len() < text.len() {
            format!("{short}…")
        } else {
            short
        }
    }

    /// Something required that is not there. Not reported beside syntax errors, which may be why it was not seen.
    pub(crate) fn missing(&mut self, span: &Span, message: String, help: Option<String>) {
        if self.broken.is_empty() {
            self.error(span, message, help);
        }
    }

    /// What to do about an unknown key of the table `place`.
    pub(crate) fn explain_key(&self, key: &str, place: &str, keys: &[&str]) -> String {
        (self.explain)(key, place, keys)
    }
}
