//! keepalived's configuration files: read, and translated to Evenkeel's own.
//!
//! ```text
//! files --source--> lines --lexer--> tokens --parser--> statements --translate--> document --> TOML
//!           |                  |                |                         |              (each line's origin is known)
//!           +------------------+----------------+-------------------------+--> notes: what is not carried over
//! ```
//!
//! keepalived reads lines: a statement is the words of a line, and a brace opens or closes a block wherever it stands.
//! What a word means depends on the blocks that it is in. Nothing is dropped without a note, and no input makes any of
//! this panic.

mod document;
mod keywords;
mod lexer;
mod note;
mod parser;
mod source;
mod translate;
mod tree;

#[cfg(test)]
mod tests;

use evenkeel_config::Origin;

pub use note::{Kind, Note};
pub use source::{Included, Load};

/// What became of a keepalived configuration.
#[derive(Debug, Clone)]
pub struct Translation {
    /// The configuration as TOML, for [`evenkeel_config::parse_translated`] or to be kept. Ends with a newline.
    pub toml: String,
    /// Where each line of the TOML came from.
    pub origin: Vec<Option<Origin>>,
    /// What is not carried over, or not as it was, and what is wrong; in the order of the text.
    pub notes: Vec<Note>,
}

impl Translation {
    /// Whether the TOML has a password in it.
    #[must_use]
    pub fn has_password(&self) -> bool {
        let mut lines = self.toml.lines();
        lines.any(|line| line.trim_start().starts_with("password ="))
    }

    /// Whether something could not be understood, so that the TOML is not all that was meant.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.notes.iter().any(|note| note.kind == Kind::Error)
    }
}

/// Translates a configuration of keepalived. Never fails: what could be understood is there, with notes of the rest.
///
/// `file` is the file's name as notes are to show it. `id` is what `@NAME` lines are compared with (keepalived's
/// `--config-id`, by default the first part of the host's name); without one they are all left out. `load` reads the
/// files of `include` lines.
#[must_use]
pub fn translate(file: &str, bytes: &[u8], id: Option<&str>, load: &mut Load<'_>) -> Translation {
    let mut notes = note::Notes::new(file);
    let lines = source::lines(file, bytes, id, load, &mut notes);
    let tokens = lexer::tokens(&lines, &mut notes);
    let root = parser::parse(tokens, &mut notes);
    let document = translate::document(&root, &mut notes);
    let (toml, places) = document.render(notes.files());
    let origin = places
        .into_iter()
        .map(|place| place.map(|place| notes.origin(place)))
        .collect();
    Translation {
        toml,
        origin,
        notes: notes.into_notes(),
    }
}

/// Whether a configuration file is one of keepalived's, and not Evenkeel's own. It is told by what is in it: the first
/// word is one that begins a block there. Where that says nothing (an empty file, a slip in the first word), the name
/// does: `.conf`.
#[must_use]
pub fn is_keepalived(file: &str, bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.trim_start_matches('\u{feff}').lines();
    let mut lines = lines
        .map(|line| line.trim_matches(source::is_space))
        .filter(|line| !line.is_empty() && !line.starts_with(['#', '!']));
    let by_name = file.ends_with(".conf");
    let Some(first) = lines.next() else {
        return by_name;
    };
    let word = first
        .split(|c| source::is_space(c) || c == '{')
        .next()
        .unwrap_or_default();
    let rest = first.strip_prefix(word).unwrap_or_default();
    let is_key = rest.trim_start_matches(source::is_space).starts_with('=');
    let keyword = keywords::is_top(word) || word.starts_with(['$', '@', '~']);
    !is_key && (keyword || (by_name && !first.starts_with('[') && !word.contains('=')))
}
