//! Texts of plugins, made fit for a log or a terminal.

use std::fmt::Write as _;
use std::path::Path;

/// The longest path that Linux takes (`PATH_MAX`).
const PATH: usize = 4096;

/// A path, with what could disturb a terminal escaped: names of files are anyone's.
#[must_use]
pub fn path(path: &Path) -> String {
    clean(&path.to_string_lossy(), PATH)
}

/// The text with what could forge log lines or disturb a terminal escaped, and no longer than `length` characters.
#[must_use]
pub fn clean(text: &str, length: usize) -> String {
    let mut clean = String::new();
    let mut characters = text.trim_end().chars();
    for character in characters.by_ref().take(length) {
        if disturbs(character) {
            // Writing to a string does not fail.
            let _ = write!(clean, "{}", character.escape_default());
        } else {
            clean.push(character);
        }
    }
    if characters.next().is_some() {
        clean.push('…');
    }
    clean
}

/// Whether nothing in the text would have to be escaped.
pub(crate) fn is_plain(text: &str) -> bool {
    !text.chars().any(disturbs)
}

fn disturbs(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_can_neither_end_its_line_nor_steer_the_terminal() {
        assert_eq!(
            clean("a\nb\x1b[2Jc\u{202e}d\n", 100),
            "a\\nb\\u{1b}[2Jc\\u{202e}d"
        );
    }

    #[test]
    fn a_files_name_cannot_steer_the_terminal_either() {
        assert_eq!(path(Path::new("/x/\x1b[2J.wasm")), "/x/\\u{1b}[2J.wasm");
    }

    #[test]
    fn a_long_message_is_cut_and_says_so() {
        assert_eq!(clean("häää", 3), "hää…");
        assert_eq!(clean("hää", 3), "hää");
    }
}
