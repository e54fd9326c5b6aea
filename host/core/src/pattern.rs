//! Regular expressions that a plugin's settings must match.

use std::fmt;

use regex_lite::{Regex, RegexBuilder};

/// A regular expression that a text must match from its first character to its last. The syntax is that of the crate
/// `regex-lite`: without look-around and back-references, so that matching takes time in proportion to the text.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// As the plugin says it.
    text: String,
    whole: Regex,
}

impl Pattern {
    /// Bytes of a pattern, at most.
    pub const MAX_LENGTH: usize = 500;
    /// Bytes of memory that a pattern may take once it is compiled: `[a-z]{1,1000}{1,1000}` is short.
    const MAX_SIZE: usize = 256 << 10;

    /// Compiles one.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence; it is of more than [`Self::MAX_LENGTH`] bytes, or takes too
    /// much memory.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.len() > Self::MAX_LENGTH {
            let (is, most) = (text.len(), Self::MAX_LENGTH);
            return Err(format!("has a pattern of {is} bytes; {most} are allowed"));
        }
        // Alone first: `a)(b` is none, and `(?:a)(b)` would be.
        let build = |pattern: &str| {
            RegexBuilder::new(pattern)
                .size_limit(Self::MAX_SIZE)
                .build()
        };
        let whole = build(text).and_then(|_| build(&format!("^(?:{text})$")));
        match whole {
            Ok(whole) => Ok(Self {
                text: text.to_owned(),
                whole,
            }),
            Err(error) => Err(format!(
                "has the pattern {text:?}, which is no regular expression: {error}"
            )),
        }
    }

    /// Whether all of a text matches.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.whole.is_match(text)
    }

    /// As the plugin says it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_matches_as_a_whole_whatever_the_pattern_chooses_between() {
        let pattern = Pattern::new("a|b+").unwrap();
        for (text, matches) in [
            ("a", true),
            ("bb", true),
            ("ab", false),
            ("xa", false),
            ("a\n", false),
            ("", false),
        ] {
            assert_eq!(pattern.matches(text), matches, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_pattern_or_takes_too_much_memory_is_refused() {
        for (text, why) in [
            ("(", "no regular expression"),
            ("a)(b", "no regular expression"),
            ("[a-z]{1,1000}{1,1000}", "no regular expression"),
            (&"a".repeat(501), "501 bytes; 500 are allowed"),
        ] {
            let error = Pattern::new(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
