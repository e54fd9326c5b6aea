//! What the reference page shows of tables and keys.

/// A table as the reference page shows it.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) place: &'static str,
    pub(crate) about: String,
    pub(crate) keys: Vec<Key>,
}

/// A key as the reference page shows it.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: String,
    /// What holds if it is not written.
    pub(crate) otherwise: String,
    pub(crate) doc: String,
    /// The equivalent keywords of keepalived.
    pub(crate) keepalived: Option<&'static str>,
}

impl Key {
    /// Whether keepalived has this keyword for it.
    pub(crate) fn replaces(&self, keyword: &str) -> bool {
        let words = self.keepalived.unwrap_or_default();
        words
            .split(", ")
            .any(|word| word.split(' ').next() == Some(keyword))
    }
}
