//! Strings, and words out of a fixed set.

use std::fmt::Display;

use crate::reader::{Wrong, similar};
use crate::tree::Value;

/// A value of TOML's string type.
pub(crate) fn text<'a>(value: &'a Value, kind: &str) -> Result<&'a str, Wrong> {
    match value {
        Value::Text(text) => Ok(text),
        _ => Err(Wrong::kind(kind, None)),
    }
}

/// The same where any string will do: what lacks its quotes is told so.
pub(crate) fn any_text<'a>(value: &'a Value, kind: &str) -> Result<&'a str, Wrong> {
    let bare = match value {
        Value::Integer(n) => Some(n.to_string()),
        Value::Number(n) => Some(n.to_string()),
        Value::Boolean(b) => Some(b.to_string()),
        _ => None,
    };
    text(value, kind).map_err(|wrong| Wrong {
        help: bare.map(|text| format!("write it in quotes: \"{text}\"")),
        ..wrong
    })
}

/// A value as TOML writes it: JSON's escapes are among TOML's.
pub(in crate::value) fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// Reads one of several words.
pub(crate) fn word<T: Copy>(value: &Value, words: &[(&'static str, T)]) -> Result<T, Wrong> {
    let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
    let kind = one_of(&names);
    let written = text(value, &kind)?;
    words
        .iter()
        .find(|(name, _)| *name == written)
        .map(|(_, value)| *value)
        .ok_or_else(|| Wrong {
            what: format!("expected {kind}"),
            help: similar(written, names).map(|meant| format!("did you mean \"{meant}\"?")),
        })
}

/// "a", "b" or "c"
pub(crate) fn one_of(words: &[impl Display]) -> String {
    let mut out = String::new();
    for (i, word) in words.iter().enumerate() {
        let joint = if i == 0 {
            ""
        } else if i + 1 == words.len() {
            " or "
        } else {
            ", "
        };
        out.push_str(&format!("{joint}\"{word}\""));
    }
    out
}
