//! What must be unique.

use std::collections::BTreeMap;

use super::reader::{Reader, Wrong};
use super::tree::Span;

/// Reports a second use of what is to be unique.
pub(super) fn unique<K: Ord>(
    seen: &mut BTreeMap<K, Span>,
    value: K,
    key: &str,
    at: &Span,
    what: &str,
    reader: &mut Reader,
) {
    if let Some(first) = seen.get(&value) {
        let help = format!("first defined at {}", reader.source.place(first.start));
        reader.wrong_at(key, at, Wrong::new(what, help));
    } else {
        seen.insert(value, at.clone());
    }
}
