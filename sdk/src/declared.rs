//! What a plugin is, as constants: its manifest can then be in its file, beside the code ([`section`](crate::section)).

use std::time::Duration;

use crate::backends::{Decision, Facts};
use crate::manifest::{SettingKind, SettingSpec, SettingValue};

/// A plugin's manifest.
#[derive(Debug, Clone, Copy)]
pub struct Declared {
    /// The plugin's name.
    pub name: &'static str,
    /// The version of its crate.
    pub version: &'static str,
    /// One line for the user.
    pub summary: &'static str,
    /// In the order of their definition.
    pub settings: &'static [DeclaredSetting],
    /// A scheduler's; `None` for a checker.
    pub abilities: Option<DeclaredAbilities>,
}

/// What a scheduler can do.
#[derive(Debug, Clone, Copy)]
pub struct DeclaredAbilities {
    /// See [`Scheduler::DECISIONS`](crate::Scheduler::DECISIONS).
    pub decisions: &'static [Decision],
    /// See [`Scheduler::FACTS`](crate::Scheduler::FACTS).
    pub facts: Facts,
    /// See [`Scheduler::DETERMINISTIC`](crate::Scheduler::DETERMINISTIC).
    pub deterministic: bool,
    /// See [`Scheduler::STATELESS`](crate::Scheduler::STATELESS).
    pub stateless: bool,
    /// See [`Scheduler::LABELS`](crate::Scheduler::LABELS).
    pub labels: &'static [DeclaredSetting],
    /// See [`Scheduler::DELEGATES`](crate::Scheduler::DELEGATES).
    pub delegates: &'static [&'static str],
}

/// One field of [`settings!`](crate::settings!).
#[derive(Debug, Clone, Copy)]
pub struct DeclaredSetting {
    /// The field's name.
    pub(crate) field: &'static str,
    /// Its documentation, line by line, as it was written.
    pub(crate) docs: &'static [&'static str],
    pub(crate) kind: DeclaredKind,
    pub(crate) default: Option<DeclaredValue>,
    pub(crate) required: bool,
}

/// How a default would be written of a setting that has none: a secret, a file, a list of tables.
#[derive(Debug, Clone, Copy)]
pub enum NoDefault {}

/// A [`SettingKind`].
#[derive(Debug, Clone, Copy)]
pub enum DeclaredKind {
    /// See [`SettingKind::Boolean`].
    Boolean,
    /// See [`SettingKind::Integer`].
    Integer(i64, i64),
    /// See [`SettingKind::Number`].
    Number(f64, f64),
    /// See [`SettingKind::Text`].
    Text,
    /// See [`SettingKind::TextList`].
    TextList,
    /// See [`SettingKind::Duration`].
    Duration(Duration, Duration),
    /// See [`SettingKind::Choice`].
    Choice(&'static [&'static str]),
    /// See [`SettingKind::Matching`].
    Matching(&'static str),
    /// See [`SettingKind::Secret`].
    Secret,
    /// See [`SettingKind::File`].
    File,
    /// See [`SettingKind::Tables`].
    Tables(&'static [DeclaredSetting]),
}

impl DeclaredKind {
    /// Tables with these keys.
    ///
    /// # Panics
    /// One of them is a list of tables itself, which the contract has not. At compile time.
    #[must_use]
    pub const fn tables(keys: &'static [DeclaredSetting]) -> Self {
        let mut rest = keys;
        while let [key, others @ ..] = rest {
            assert!(
                !matches!(key.kind, Self::Tables(_)),
                "a setting's tables have no tables in them"
            );
            rest = others;
        }
        Self::Tables(keys)
    }
}

/// A [`SettingValue`].
#[derive(Debug, Clone, Copy)]
pub enum DeclaredValue {
    /// See [`SettingKind::Boolean`].
    Boolean(bool),
    /// See [`SettingKind::Integer`].
    Integer(i64),
    /// See [`SettingKind::Number`].
    Number(f64),
    /// See [`SettingKind::Text`]; also the word of a [`SettingKind::Choice`].
    Text(&'static str),
    /// See [`SettingKind::TextList`].
    TextList(&'static [&'static str]),
    /// See [`SettingKind::Duration`].
    Duration(Duration),
}

impl DeclaredSetting {
    /// `narrowed` (by a range or a pattern) and `default` have one element where the field has one. `optional`: it may be
    /// left out without a default.
    #[must_use]
    pub const fn new(
        field: &'static str,
        docs: &'static [&'static str],
        (kind, optional): (DeclaredKind, bool),
        narrowed: &[DeclaredKind],
        default: &[DeclaredValue],
    ) -> Self {
        assert!(
            narrowed.len() <= 1,
            "a field has a range or a pattern, and not both"
        );
        let kind = match narrowed {
            [narrowed] => *narrowed,
            _ => kind,
        };
        let default = match default {
            [value] => Some(*value),
            _ => None,
        };
        Self {
            field,
            docs,
            kind,
            default,
            required: default.is_none() && !optional,
        }
    }

    /// The description that the contract carries.
    pub(crate) fn spec(&self) -> SettingSpec {
        let docs: Vec<&str> = self.docs.iter().map(|line| line.trim_ascii()).collect();
        SettingSpec {
            key: key_of(self.field),
            doc: docs.join(" ").trim_ascii().to_owned(),
            kind: self.kind.into(),
            default: self.default.map(Into::into),
            required: self.required,
        }
    }
}

/// The key in the configuration for a field of a struct.
pub(crate) fn key_of(field: &str) -> String {
    field.trim_start_matches("r#").replace('_', "-")
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

impl From<DeclaredKind> for SettingKind {
    fn from(kind: DeclaredKind) -> Self {
        match kind {
            DeclaredKind::Boolean => Self::Boolean,
            DeclaredKind::Integer(least, greatest) => Self::Integer(least, greatest),
            DeclaredKind::Number(least, greatest) => Self::Number(least, greatest),
            DeclaredKind::Text => Self::Text,
            DeclaredKind::TextList => Self::TextList,
            DeclaredKind::Duration(least, greatest) => Self::Duration(least, greatest),
            DeclaredKind::Choice(words) => Self::Choice(owned(words)),
            DeclaredKind::Matching(pattern) => Self::Matching(pattern.to_owned()),
            DeclaredKind::Secret => Self::Secret,
            DeclaredKind::File => Self::File,
            DeclaredKind::Tables(keys) => {
                Self::Tables(keys.iter().map(DeclaredSetting::spec).collect())
            }
        }
    }
}

impl From<DeclaredValue> for SettingValue {
    fn from(value: DeclaredValue) -> Self {
        match value {
            DeclaredValue::Boolean(value) => Self::Boolean(value),
            DeclaredValue::Integer(value) => Self::Integer(value),
            DeclaredValue::Number(value) => Self::Number(value),
            DeclaredValue::Text(text) => Self::Text(text.to_owned()),
            DeclaredValue::TextList(texts) => Self::TextList(owned(texts)),
            DeclaredValue::Duration(value) => Self::Duration(value),
        }
    }
}
