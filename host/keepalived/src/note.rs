//! What is said about a configuration while it is translated.

use std::fmt;

use evenkeel_config::Origin;

/// A place in one of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Which of [`Notes::files`].
    pub(super) file: usize,
    /// From 1.
    pub(super) line: usize,
    /// From 1, in characters.
    pub(super) column: usize,
}

/// How grave a note is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A keyword that is not carried over.
    NotCarried,
    /// It is carried over, but does not mean quite the same.
    Changed,
    /// Nothing is lost, but something deserves attention.
    Warning,
    /// It cannot be understood.
    Error,
}

/// Something that is not carried over as it was. Displays as `FILE:LINE: KEYWORD: why`, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// How grave.
    pub kind: Kind,
    /// The file, as it was named.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// keepalived's keyword, as written; empty for what concerns the text as such.
    pub keyword: String,
    /// Why, and what to do in Evenkeel.
    pub text: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if !self.keyword.is_empty() {
            write!(f, "{}: ", self.keyword)?;
        }
        f.write_str(match self.kind {
            Kind::NotCarried => "not carried over: ",
            Kind::Changed => "carried over, but: ",
            Kind::Warning => "warning: ",
            Kind::Error => "error: ",
        })?;
        f.write_str(&self.text)
    }
}

/// Collects notes, and knows the files.
#[derive(Debug)]
pub(super) struct Notes {
    files: Vec<String>,
    notes: Vec<(Place, Note)>,
}

impl Notes {
    /// With the main file, which is number 0.
    pub(super) fn new(file: &str) -> Self {
        Self {
            files: vec![file.to_owned()],
            notes: Vec::new(),
        }
    }

    /// Another file; its number.
    pub(super) fn add_file(&mut self, name: &str) -> usize {
        self.files.push(name.to_owned());
        self.files.len() - 1
    }

    pub(super) fn files(&self) -> &[String] {
        &self.files
    }

    pub(super) fn file(&self, place: Place) -> &str {
        self.files.get(place.file).map_or("", String::as_str)
    }

    /// As a message refers to a place.
    pub(super) fn show(&self, place: Place) -> String {
        format!("{}:{}", self.file(place), place.line)
    }

    pub(super) fn origin(&self, place: Place) -> Origin {
        (self.file(place).to_owned(), place.line)
    }

    pub(super) fn add(&mut self, kind: Kind, place: Place, keyword: &str, text: impl Into<String>) {
        let note = Note {
            kind,
            file: printable(self.file(place)),
            line: place.line,
            column: place.column,
            keyword: printable(keyword),
            text: printable(&text.into()),
        };
        self.notes.push((place, note));
    }

    /// In the order of the text; each once.
    pub(super) fn into_notes(mut self) -> Vec<Note> {
        self.notes.sort_by_key(|(place, _)| *place);
        let mut notes: Vec<Note> = self.notes.into_iter().map(|(_, note)| note).collect();
        notes.dedup();
        notes
    }
}

/// A terminal is not to be sent what a file holds as it is, and a note has one line.
pub(super) fn printable(text: &str) -> String {
    let cleaned = text.chars().map(|c| match c {
        '\t' | '\n' | '\r' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    });
    cleaned.collect()
}
