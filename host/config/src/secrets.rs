//! Passwords are told to nobody: neither in the excerpt of a line nor in what is said about it, whatever is wrong there.

use std::ops::Range;

/// Stands where something is hidden.
pub(super) const MASK: &str = "***";

/// How much a word is like `password` that is taken for one with a slip in it.
const ALIKE: f64 = 0.85;
/// Longer words are no keys.
const LONGEST: usize = 64;

/// Whether what is written behind this word may be a password, however the word is misspelt.
#[must_use]
pub fn is_secret(word: &str) -> bool {
    if word.len() > LONGEST {
        return false;
    }
    let letters = word.chars().filter(|c| c.is_alphanumeric());
    let word: String = letters.flat_map(char::to_lowercase).collect();
    ["pass", "secret", "auth", "pwd"]
        .iter()
        .any(|part| word.contains(part))
        || strsim::jaro_winkler(&word, "password") >= ALIKE
}

/// The parts of a text that are hidden, in its order.
pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    let mut hidden = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = text.get(at..).unwrap_or_default();
        let end = rest.find('\n').map_or(text.len(), |length| at + length);
        at = match in_line(text, at, end) {
            Some((range, next)) => {
                if !range.is_empty() {
                    hidden.push(range);
                }
                // At least one byte further, so that it comes to an end.
                next.max(at + 1)
            }
            None => end + 1,
        };
    }
    hidden
}

/// The first part that is hidden between two places of a line, and where to go on.
fn in_line(text: &str, start: usize, end: usize) -> Option<(Range<usize>, usize)> {
    let line = text.get(start..end)?;
    let is_key = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let mut from = 0;
    while let Some(rest) = line.get(from..) {
        let begin = from + rest.find(is_key)?;
        let word = line.get(begin..)?;
        let length = word.find(|c| !is_key(c)).unwrap_or(word.len());
        from = begin + length;
        let first = line.get(..begin)?.trim().is_empty();
        let behind = line.get(from..)?;
        let behind = behind
            .strip_prefix(['"', '\''])
            .unwrap_or(behind)
            .trim_start();
        let sign = behind.strip_prefix(['=', ':']);
        if (sign.is_some() || first) && is_secret(word.get(..length)?) {
            let value = sign.unwrap_or(behind).trim_start();
            return Some(value_at(text, end - value.len(), end));
        }
    }
    None
}

/// What a value consists of that begins there on a line with this end, and where to go on. Where its end cannot be
/// told, it is all of the line.
fn value_at(text: &str, start: usize, end: usize) -> (Range<usize>, usize) {
    let value = text.get(start..).unwrap_or_default();
    if let Some(quotes) = ["\"\"\"", "'''"].iter().find(|it| value.starts_with(**it)) {
        let inside = start + quotes.len();
        let rest = text.get(inside..).unwrap_or_default();
        let close = rest.find(*quotes).map_or(text.len(), |at| inside + at);
        return (inside..close, (close + quotes.len()).min(text.len()));
    }
    let line = text.get(start..end).unwrap_or_default();
    if let Some(close) = closing_quote(line) {
        let behind = line.get(close + 1..).unwrap_or_default().trim_start();
        if behind.is_empty() || behind.starts_with([',', '}', ']', '#']) {
            return (start + 1..start + close, start + close + 1);
        }
    }
    (start..end, end)
}

/// Where the string ends that a text begins with.
fn closing_quote(text: &str) -> Option<usize> {
    let mut letters = text.char_indices();
    let (_, quote) = letters.next().filter(|(_, c)| matches!(c, '"' | '\''))?;
    let mut escaped = false;
    letters
        .find(|(_, c)| {
            let ends = *c == quote && !escaped;
            escaped = *c == '\\' && !escaped && quote == '"';
            ends
        })
        .map(|(at, _)| at)
}
