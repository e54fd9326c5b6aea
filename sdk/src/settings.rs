//! Typed settings.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::manifest::{SettingKind, SettingSpec, SettingValue};

/// A plugin's settings: what can be configured, and how the values come into a struct. Made by
/// [`settings!`](crate::settings!); `()` means that there are none.
pub trait Settings: Sized {
    /// What can be configured.
    fn specs() -> Vec<SettingSpec>;

    /// The struct with the values. The host has checked them against [`Self::specs`].
    ///
    /// # Errors
    /// A value that is missing or does not fit: the host did not do its part.
    fn from_values(values: Values) -> Result<Self, String>;
}

impl Settings for () {
    fn specs() -> Vec<SettingSpec> {
        Vec::new()
    }

    fn from_values(_: Values) -> Result<Self, String> {
        Ok(())
    }
}

/// The values on their way into a struct of settings.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Values(BTreeMap<String, SettingValue>);

impl FromIterator<(String, SettingValue)> for Values {
    fn from_iter<I: IntoIterator<Item = (String, SettingValue)>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

/// A type that a field of [`settings!`](crate::settings!) may have: `bool`, integers up to 64 bits,
/// `f64`, `String`, `Vec<String>`, [`Duration`], what [`choice!`](crate::choice!) makes, and `Option`
/// of these.
pub trait SettingType: Sized {
    /// How a default is written.
    type Literal;

    /// The values that it takes.
    fn kind() -> SettingKind;

    /// From a value of that kind; `None` if it is of another one or out of range.
    fn from_value(value: SettingValue) -> Option<Self>;

    /// The default, as the manifest says it.
    fn default_value(literal: Self::Literal) -> SettingValue;

    /// What it is when nothing is configured and there is no default; `None`: it must be configured.
    #[must_use]
    fn absent() -> Option<Self> {
        None
    }
}

/// Makes a struct of settings, with its description for the user.
///
/// ```
/// use std::time::Duration;
/// use evenkeel_sdk::{choice, settings};
///
/// choice! {
///     /// How to ask.
///     pub enum Method { Get = "GET", Head = "HEAD" }
/// }
///
/// settings! {
///     /// Settings of a checker.
///     pub struct Settings {
///         /// Request method.
///         method: Method = Method::Get,
///         /// Most bytes read of an answer.
///         #[range(1..=1_000_000)]
///         max_body: u32 = 65_536,
///         /// Words that the answer contains.
///         words: Vec<String> = &["ok"],
///         /// How long to wait between tries.
///         pause: Duration = Duration::from_millis(200),
///         /// Name of the virtual host. (May be left out.)
///         host: Option<String>,
///         /// Password. (Must be configured.)
///         password: String,
///     }
/// }
/// ```
///
/// A field's documentation becomes the setting's; its key is the field's name with `-` for `_`
/// (`max-body`). A field with `= DEFAULT` has that when nothing is configured, an `Option` is `None`
/// then, and any other must be configured. `#[range(A..=B)]` narrows what an integer takes.
#[macro_export]
macro_rules! settings {
    (
        $(#[$meta:meta])* $vis:vis struct $name:ident {
            $(
                $(#[doc = $doc:literal])*
                $(#[range($range:expr)])?
                $field_vis:vis $field:ident : $type:ty $(= $default:expr)?
            ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        $vis struct $name {
            $( $(#[doc = $doc])* $field_vis $field: $type, )*
        }

        impl $crate::Settings for $name {
            fn specs() -> ::std::vec::Vec<$crate::SettingSpec> {
                ::std::vec![$(
                    $crate::__private::spec::<$type>(
                        ::core::stringify!($field),
                        &[$($doc),*],
                        ::core::option::Option::<::core::ops::RangeInclusive<i64>>::None
                            $(.or(::core::option::Option::Some($range)))?,
                        ::core::option::Option::<$crate::SettingValue>::None
                            $(.or(::core::option::Option::Some(
                                <$type as $crate::SettingType>::default_value($default)
                            )))?,
                    )
                ),*]
            }

            fn from_values(
                values: $crate::Values,
            ) -> ::core::result::Result<Self, ::std::string::String> {
                let _ = &values;
                ::core::result::Result::Ok(Self {
                    $( $field: $crate::__private::take(&values, ::core::stringify!($field))?, )*
                })
            }
        }
    };
}

/// Makes an enum that a setting can be: one of some words.
///
/// ```
/// evenkeel_sdk::choice! {
///     /// How to ask.
///     pub enum Method {
///         /// With the body.
///         Get = "GET",
///         /// Without the body.
///         Head = "HEAD",
///     }
/// }
/// ```
#[macro_export]
macro_rules! choice {
    (
        $(#[$meta:meta])* $vis:vis enum $name:ident {
            $( $(#[$variant_meta:meta])* $variant:ident = $word:literal ),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $vis enum $name {
            $( $(#[$variant_meta])* $variant, )+
        }

        impl $crate::SettingType for $name {
            type Literal = Self;

            fn kind() -> $crate::SettingKind {
                $crate::SettingKind::Choice(::std::vec![$( $word.into() ),+])
            }

            fn from_value(value: $crate::SettingValue) -> ::core::option::Option<Self> {
                match value {
                    $( $crate::SettingValue::Text(word) if word == $word =>
                        ::core::option::Option::Some(Self::$variant), )+
                    _ => ::core::option::Option::None,
                }
            }

            fn default_value(literal: Self) -> $crate::SettingValue {
                match literal {
                    $( Self::$variant => $word.into(), )+
                }
            }
        }
    };
}

/// Types that are a kind of value each.
macro_rules! setting_types {
    ($($type:ty, $literal:ty => $kind:ident;)*) => {$(
        impl SettingType for $type {
            type Literal = $literal;

            fn kind() -> SettingKind {
                SettingKind::$kind
            }

            fn from_value(value: SettingValue) -> Option<Self> {
                match value {
                    SettingValue::$kind(value) => Some(value),
                    _ => None,
                }
            }

            fn default_value(literal: $literal) -> SettingValue {
                SettingValue::$kind(literal.into())
            }
        }
    )*};
}

setting_types! {
    bool, bool => Boolean;
    f64, f64 => Number;
    String, &'static str => Text;
    Duration, Duration => Duration;
}

impl SettingType for Vec<String> {
    type Literal = &'static [&'static str];

    fn kind() -> SettingKind {
        SettingKind::TextList
    }

    fn from_value(value: SettingValue) -> Option<Self> {
        match value {
            SettingValue::TextList(texts) => Some(texts),
            _ => None,
        }
    }

    fn default_value(literal: Self::Literal) -> SettingValue {
        SettingValue::TextList(literal.iter().map(|&text| text.to_owned()).collect())
    }
}

/// Whole numbers: the contract carries 64 bits with a sign.
macro_rules! integers {
    ($($type:ty),*) => {$(
        impl SettingType for $type {
            type Literal = $type;

            fn kind() -> SettingKind {
                SettingKind::Integer(to_i64(<$type>::MIN), to_i64(<$type>::MAX))
            }

            fn from_value(value: SettingValue) -> Option<Self> {
                match value {
                    SettingValue::Integer(value) => value.try_into().ok(),
                    _ => None,
                }
            }

            fn default_value(literal: Self) -> SettingValue {
                SettingValue::Integer(to_i64(literal))
            }
        }
    )*};
}

integers!(u8, u16, u32, u64, usize, i8, i16, i32, i64);

/// The same number; the greatest that there is for one that is too great.
fn to_i64(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

impl<T: SettingType> SettingType for Option<T> {
    type Literal = T::Literal;

    fn kind() -> SettingKind {
        T::kind()
    }

    fn from_value(value: SettingValue) -> Option<Self> {
        T::from_value(value).map(Some)
    }

    fn default_value(literal: Self::Literal) -> SettingValue {
        T::default_value(literal)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

/// The description of one field.
#[doc(hidden)]
#[must_use]
pub fn spec<T: SettingType>(
    field: &str,
    doc: &[&str],
    range: Option<RangeInclusive<i64>>,
    default: Option<SettingValue>,
) -> SettingSpec {
    let kind = match (T::kind(), range) {
        (SettingKind::Integer(..), Some(range)) => {
            SettingKind::Integer(*range.start(), *range.end())
        }
        (kind, _) => kind,
    };
    let doc: Vec<&str> = doc.iter().map(|line| line.trim()).collect();
    SettingSpec {
        key: key_of(field),
        doc: doc.join(" ").trim().to_owned(),
        kind,
        required: default.is_none() && T::absent().is_none(),
        default,
    }
}

/// The value of one field.
#[doc(hidden)]
pub fn take<T: SettingType>(values: &Values, field: &str) -> Result<T, String> {
    let key = key_of(field);
    match values.0.get(&key) {
        Some(value) => T::from_value(value.clone())
            .ok_or_else(|| format!("setting {key} cannot be {value:?}: wanted {:?}", T::kind())),
        None => T::absent().ok_or_else(|| format!("setting {key} is missing")),
    }
}

/// The key in the configuration for a field of a struct.
fn key_of(field: &str) -> String {
    field.trim_start_matches("r#").replace('_', "-")
}
