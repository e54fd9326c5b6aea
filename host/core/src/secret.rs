//! Texts that nobody is shown.

use std::fmt;

/// A text that a plugin gets and nobody else is shown: `Debug` says only that there is one.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Bytes of a secret, at most.
    pub const MAX_LENGTH: u64 = 64 << 10;

    /// Keeps a text.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for who is meant to have it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(...)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_in_no_text_that_is_made_of_it() {
        let secret = Secret::new("zq7xv9wk".to_owned());
        assert_eq!(format!("{secret:?}"), "Secret(...)");
        assert_eq!(secret.expose(), "zq7xv9wk");
        assert_ne!(secret, Secret::new("zq7xv9wl".to_owned()));
    }
}
