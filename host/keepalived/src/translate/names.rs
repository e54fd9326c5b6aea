//! Names as Evenkeel takes them: 1 to 64 of A-Z a-z 0-9 . _ -, each once.

use std::collections::{BTreeMap, BTreeSet};

/// The names of one kind of things.
#[derive(Debug, Default)]
pub(super) struct Names {
    given: BTreeMap<String, String>,
    taken: BTreeSet<String>,
}

impl Names {
    /// Chooses a name for what is called `original`; the same one each time.
    pub(super) fn add(&mut self, original: &str) {
        if !self.given.contains_key(original) {
            let name = self.free(original);
            self.given.insert(original.to_owned(), name);
        }
    }

    /// The name of something, if there is such a thing.
    pub(super) fn get(&self, original: &str) -> Option<String> {
        self.given.get(original).cloned()
    }

    /// The name of the only thing there is, if there is one.
    pub(super) fn only(&self) -> Option<String> {
        let mut names = self.given.values();
        let only = names.next().cloned();
        only.filter(|_| names.next().is_none())
    }

    /// A name like this one that nothing has yet.
    pub(super) fn free(&mut self, like: &str) -> String {
        let right = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let clean = like.chars().map(|c| if right(c) { c } else { '-' });
        let mut base: String = clean.take(56).collect();
        if base.is_empty() {
            base.push('-');
        }
        if like.len() <= 64 && like.chars().all(right) && !like.is_empty() {
            like.clone_into(&mut base);
        }
        let mut name = base.clone();
        let mut n = 1_u32;
        while !self.taken.insert(name.clone()) {
            n = n.saturating_add(1);
            let short: String = base.chars().take(56).collect();
            name = format!("{short}-{n}");
        }
        name
    }
}
