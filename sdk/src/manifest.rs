//! What a plugin says about itself.

use std::collections::BTreeMap;
use std::time::Duration;

/// What a plugin says about itself; made by the register macros.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The name that the configuration refers to: `[a-z][a-z0-9-]*`.
    pub name: String,
    /// The crate's version.
    pub version: String,
    /// One line for `evenkeel plugin list`.
    pub summary: String,
    /// The settings, in the order of their definition.
    pub settings: Vec<SettingSpec>,
}

/// One setting; made by [`settings!`](crate::settings!).
#[derive(Debug, Clone, PartialEq)]
pub struct SettingSpec {
    /// The key in the configuration's `settings` table.
    pub key: String,
    /// What it is for.
    pub doc: String,
    /// The values it takes.
    pub kind: SettingKind,
    /// The value it has when the configuration names none.
    pub default: Option<SettingValue>,
    /// Whether the configuration must name a value.
    pub required: bool,
}

/// The values that a setting takes.
#[derive(Debug, Clone, PartialEq)]
pub enum SettingKind {
    /// `true` or `false`.
    Boolean,
    /// A whole number between the two, both included.
    Integer(i64, i64),
    /// A finite number between the two, both included; they may be infinite.
    Number(f64, f64),
    /// A string.
    Text,
    /// A list of strings.
    TextList,
    /// A time such as `"3s"`, in whole milliseconds, between the two, both included.
    Duration(Duration, Duration),
    /// One of these words.
    Choice(Vec<String>),
    /// A string that matches this regular expression as a whole.
    Matching(String),
    /// A string that nobody is shown; a [`Secret`](crate::Secret).
    Secret,
    /// The path of a file, whose content is the value; a [`FileText`](crate::FileText).
    File,
    /// A list of tables with these keys.
    Tables(Vec<SettingSpec>),
}

/// A setting's value.
#[derive(Debug, Clone, PartialEq)]
pub enum SettingValue {
    /// See [`SettingKind::Boolean`].
    Boolean(bool),
    /// See [`SettingKind::Integer`].
    Integer(i64),
    /// See [`SettingKind::Number`].
    Number(f64),
    /// See [`SettingKind::Text`]; also the word of a [`SettingKind::Choice`], what is [`SettingKind::Matching`], a
    /// [`SettingKind::Secret`], and the content of a [`SettingKind::File`].
    Text(String),
    /// See [`SettingKind::TextList`].
    TextList(Vec<String>),
    /// See [`SettingKind::Duration`].
    Duration(Duration),
    /// See [`SettingKind::Tables`]: the keys of each that have a value.
    Tables(Vec<Values>),
}

/// The values on their way into a struct of settings.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Values(BTreeMap<String, SettingValue>);

impl FromIterator<(String, SettingValue)> for Values {
    fn from_iter<I: IntoIterator<Item = (String, SettingValue)>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

impl Values {
    /// The value of that key.
    pub(crate) fn get(&self, key: &str) -> Option<&SettingValue> {
        self.0.get(key)
    }

    /// Key and value of each.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn entries(&self) -> Vec<(&str, SettingValue)> {
        let entries = self.0.iter();
        entries
            .map(|(key, it)| (key.as_str(), it.clone()))
            .collect()
    }
}

/// Values are written in tests as in a configuration: `true`, `3`, `"GET"`.
macro_rules! value_from {
    ($($from:ty => $variant:ident),* $(,)?) => {$(
        impl From<$from> for SettingValue {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}

value_from! {
    bool => Boolean,
    i64 => Integer,
    i32 => Integer,
    u32 => Integer,
    f64 => Number,
    String => Text,
    &str => Text,
    Vec<String> => TextList,
    Duration => Duration,
}

/// Tables, each with some of its keys.
impl<const N: usize> From<[Vec<(&str, Self)>; N]> for SettingValue {
    fn from(tables: [Vec<(&str, Self)>; N]) -> Self {
        let table = |table: Vec<(&str, Self)>| {
            let entries = table.into_iter();
            entries
                .map(|(key, value)| (key.to_owned(), value))
                .collect()
        };
        Self::Tables(tables.map(table).into())
    }
}

impl<const N: usize> From<[&str; N]> for SettingValue {
    fn from(texts: [&str; N]) -> Self {
        Self::TextList(texts.map(str::to_owned).into())
    }
}
