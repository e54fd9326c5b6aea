//! Typed settings.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::declared::{DeclaredKind, DeclaredSetting, DeclaredValue, NoDefault, key_of};
use crate::manifest::{SettingKind, SettingSpec, SettingValue, Values};

/// A plugin's settings: what can be configured, and how the values come into a struct. Made by
/// [`settings!`](crate::settings!); `()` means that there are none.
pub trait Settings: Sized {
    /// What can be configured, as constants.
    #[doc(hidden)]
    const DECLARED: &'static [DeclaredSetting];

    /// What can be configured.
    #[must_use]
    fn specs() -> Vec<SettingSpec> {
        Self::DECLARED.iter().map(DeclaredSetting::spec).collect()
    }

    /// The struct with the values. The host has checked them against [`Self::specs`].
    ///
    /// # Errors
    /// A value that is missing or does not fit: the host did not do its part.
    fn from_values(values: Values) -> Result<Self, String>;
}

impl Settings for () {
    const DECLARED: &'static [DeclaredSetting] = &[];

    fn from_values(_: Values) -> Result<Self, String> {
        Ok(())
    }
}

/// A type that a field of [`settings!`](crate::settings!) may have: `bool`, integers up to 64 bits,
/// `f64`, `String`, [`Secret`](crate::Secret), [`FileText`](crate::FileText), `Vec<String>`, [`Duration`], what [`choice!`](crate::choice!) makes,
/// `Option` of these, and `Vec<T>` where `T` is another struct of [`settings!`](crate::settings!): a list of tables.
pub trait SettingType: Sized {
    /// How a default is written.
    type Literal;

    /// The values that it takes.
    #[doc(hidden)]
    const KIND: DeclaredKind;

    /// Whether it may be left out without a default: [`Self::absent`] has a value then.
    #[doc(hidden)]
    const OPTIONAL: bool = false;

    /// From a value of that kind; `None` if it is of another one or out of range.
    fn from_value(value: SettingValue) -> Option<Self>;

    /// What it is when nothing is configured and there is no default; `None`: it must be configured.
    #[must_use]
    fn absent() -> Option<Self> {
        None
    }
}

/// A default, as the definition of a field writes it. A type of its own for each field, so that it is a constant.
pub trait DefaultLiteral {
    /// The [`SettingType::Literal`] of the field's type.
    type Literal;

    /// The default.
    const LITERAL: Self::Literal;
}

/// A type that a field with the default `L` may have.
pub trait DeclaredDefault<L>: SettingType {
    /// The default, as the manifest says it.
    const VALUE: DeclaredValue;
}

/// A type of a field that may have a `#[range(..)]`.
pub trait Bounded: SettingType {
    /// How its bounds are written.
    type Bound;
}

/// A range, as the definition of a field writes it. A type of its own for each field, so that it is a constant.
pub trait RangeLiteral {
    /// The [`Bounded::Bound`] of the field's type.
    type Bound;

    /// The range.
    const RANGE: RangeInclusive<Self::Bound>;
}

/// A type that a field with the range `L` may have.
pub trait DeclaredRange<L>: SettingType {
    /// The kind, narrowed to the range.
    const WITHIN: DeclaredKind;
}

/// A type of a field that may have a `#[pattern(..)]`.
pub trait Patterned: SettingType {}

/// The kind of such a field.
#[doc(hidden)]
#[must_use]
pub const fn matching<T: Patterned>(pattern: &'static str) -> DeclaredKind {
    DeclaredKind::Matching(pattern)
}

/// Makes a struct of settings, with its description for the user.
///
/// ```
/// use std::time::Duration;
/// use evenkeel_sdk::{Secret, choice, settings};
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
///         #[range(Duration::from_millis(1)..=Duration::from_secs(5))]
///         pause: Duration = Duration::from_millis(200),
///         /// Name of the virtual host. (May be left out.)
///         #[pattern("[a-z0-9.-]+")]
///         host: Option<String>,
///         /// Password. (Must be configured: where it is kept.)
///         password: Secret,
///     }
/// }
/// ```
///
/// A field's documentation becomes the setting's; its key is the field's name with `-` for `_`
/// (`max-body`). A field with `= DEFAULT` has that when nothing is configured, an `Option` is `None`
/// then, and any other must be configured. `#[range(A..=B)]` narrows what an integer, number or [`Duration`] takes, and
/// `#[pattern("..")]` a string: all of it matches that regular expression (of at most 500 bytes, without look-around and
/// back-references). Defaults, ranges and patterns are constants: the file of the plugin carries them beside the code.
///
/// A list of tables is a `Vec` of another such struct, whose fields are the keys of a table (and are no lists of tables
/// themselves). It is empty when nothing is configured.
///
/// ```
/// evenkeel_sdk::settings! {
///     /// A site, as `{ name = "north", share = 3 }`.
///     pub struct Site {
///         /// Its name, as in the label `site` of its servers.
///         name: String,
///         /// Its part of the connections.
///         #[range(0..=100)]
///         share: u32 = 1,
///     }
/// }
///
/// evenkeel_sdk::settings! {
///     /// Settings of a scheduler.
///     pub struct Settings {
///         /// The sites, the nearest first.
///         sites: Vec<Site>,
///     }
/// }
/// ```
#[macro_export]
macro_rules! settings {
    (
        $(#[$meta:meta])* $vis:vis struct $name:ident {
            $(
                $(#[doc = $doc:literal])*
                $(#[range($range:expr)])?
                $(#[pattern($pattern:literal)])?
                $field_vis:vis $field:ident : $type:ty $(= $default:expr)?
            ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        $vis struct $name {
            $( $(#[doc = $doc])* $field_vis $field: $type, )*
        }

        impl $crate::Settings for $name {
            const DECLARED: &'static [$crate::__private::DeclaredSetting] = &[$(
                $crate::__private::DeclaredSetting::new(
                    ::core::stringify!($field),
                    &[$($doc),*],
                    (
                        <$type as $crate::SettingType>::KIND,
                        <$type as $crate::SettingType>::OPTIONAL,
                    ),
                    &[$({
                        struct FieldRange;
                        impl $crate::__private::RangeLiteral for FieldRange {
                            type Bound = <$type as $crate::__private::Bounded>::Bound;
                            const RANGE: ::core::ops::RangeInclusive<Self::Bound> = $range;
                        }
                        <$type as $crate::__private::DeclaredRange<FieldRange>>::WITHIN
                    })? $( $crate::__private::matching::<$type>($pattern) )?],
                    &[$({
                        struct FieldDefault;
                        impl $crate::__private::DefaultLiteral for FieldDefault {
                            type Literal = <$type as $crate::SettingType>::Literal;
                            const LITERAL: Self::Literal = $default;
                        }
                        <$type as $crate::__private::DeclaredDefault<FieldDefault>>::VALUE
                    })?],
                )
            ),*];

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

            const KIND: $crate::__private::DeclaredKind =
                $crate::__private::DeclaredKind::Choice(&[$( $word ),+]);

            fn from_value(value: $crate::SettingValue) -> ::core::option::Option<Self> {
                match value {
                    $( $crate::SettingValue::Text(word) if word == $word =>
                        ::core::option::Option::Some(Self::$variant), )+
                    _ => ::core::option::Option::None,
                }
            }
        }

        impl<L> $crate::__private::DeclaredDefault<L> for $name
        where
            L: $crate::__private::DefaultLiteral<Literal = Self>,
        {
            const VALUE: $crate::__private::DeclaredValue =
                $crate::__private::DeclaredValue::Text(match L::LITERAL {
                    $( Self::$variant => $word, )+
                });
        }
    };
}

/// Types that are a kind of value each.
macro_rules! setting_types {
    ($($type:ty, $literal:ty => $kind:ident $(($($bound:expr),*))?;)*) => {$(
        impl SettingType for $type {
            type Literal = $literal;

            const KIND: DeclaredKind = DeclaredKind::$kind $(($($bound),*))?;

            fn from_value(value: SettingValue) -> Option<Self> {
                match value {
                    SettingValue::$kind(value) => Some(value),
                    _ => None,
                }
            }
        }

        impl<L: DefaultLiteral<Literal = $literal>> DeclaredDefault<L> for $type {
            const VALUE: DeclaredValue = DeclaredValue::$kind(L::LITERAL);
        }
    )*};
}

setting_types! {
    bool, bool => Boolean;
    f64, f64 => Number(f64::NEG_INFINITY, f64::INFINITY);
    String, &'static str => Text;
    Duration, Duration => Duration(Duration::ZERO, LONGEST);
}

/// The longest time that the contract can say.
const LONGEST: Duration = Duration::from_millis(u64::MAX);

/// Types whose range is written in values of the type `$bound`.
macro_rules! bounded_types {
    ($($type:ty, $bound:ty => $kind:ident;)*) => {$(
        impl Bounded for $type {
            type Bound = $bound;
        }

        impl<L: RangeLiteral<Bound = $bound>> DeclaredRange<L> for $type {
            const WITHIN: DeclaredKind = DeclaredKind::$kind(*L::RANGE.start(), *L::RANGE.end());
        }
    )*};
}

bounded_types! {
    f64, f64 => Number;
    Duration, Duration => Duration;
    u8, i64 => Integer;
    u16, i64 => Integer;
    u32, i64 => Integer;
    u64, i64 => Integer;
    usize, i64 => Integer;
    i8, i64 => Integer;
    i16, i64 => Integer;
    i32, i64 => Integer;
    i64, i64 => Integer;
}

impl Patterned for String {}

impl<T: Patterned> Patterned for Option<T> {}

impl SettingType for Vec<String> {
    type Literal = &'static [&'static str];

    const KIND: DeclaredKind = DeclaredKind::TextList;

    fn from_value(value: SettingValue) -> Option<Self> {
        match value {
            SettingValue::TextList(texts) => Some(texts),
            _ => None,
        }
    }
}

impl<L> DeclaredDefault<L> for Vec<String>
where
    L: DefaultLiteral<Literal = &'static [&'static str]>,
{
    const VALUE: DeclaredValue = DeclaredValue::TextList(L::LITERAL);
}

/// A list of tables: `T` is what [`settings!`](crate::settings!) makes of one. It may be left out, and is empty then.
impl<T: Settings> SettingType for Vec<T> {
    type Literal = NoDefault;

    const KIND: DeclaredKind = DeclaredKind::tables(T::DECLARED);
    const OPTIONAL: bool = true;

    fn from_value(value: SettingValue) -> Option<Self> {
        match value {
            SettingValue::Tables(tables) => tables
                .into_iter()
                .map(|table| T::from_values(table).ok())
                .collect(),
            _ => None,
        }
    }

    fn absent() -> Option<Self> {
        Some(Self::new())
    }
}

/// Whole numbers: the contract carries 64 bits with a sign.
macro_rules! integers {
    ($($type:ty),*) => {$(
        impl SettingType for $type {
            type Literal = $type;

            const KIND: DeclaredKind =
                DeclaredKind::Integer(to_i64(<$type>::MIN as i128), to_i64(<$type>::MAX as i128));

            fn from_value(value: SettingValue) -> Option<Self> {
                match value {
                    SettingValue::Integer(value) => value.try_into().ok(),
                    _ => None,
                }
            }
        }

        impl<L: DefaultLiteral<Literal = $type>> DeclaredDefault<L> for $type {
            const VALUE: DeclaredValue = DeclaredValue::Integer(to_i64(L::LITERAL as i128));
        }
    )*};
}

integers!(u8, u16, u32, u64, usize, i8, i16, i32, i64);

/// The same number; the greatest that there is for one that is too great.
#[expect(clippy::cast_possible_truncation, reason = "checked before")]
const fn to_i64(number: i128) -> i64 {
    if number > i64::MAX as i128 {
        i64::MAX
    } else {
        number as i64
    }
}

impl<T: SettingType> SettingType for Option<T> {
    type Literal = T::Literal;

    const KIND: DeclaredKind = T::KIND;
    const OPTIONAL: bool = true;

    fn from_value(value: SettingValue) -> Option<Self> {
        T::from_value(value).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: DeclaredDefault<L>, L> DeclaredDefault<L> for Option<T> {
    const VALUE: DeclaredValue = T::VALUE;
}

impl<T: Bounded> Bounded for Option<T> {
    type Bound = T::Bound;
}

impl<T: DeclaredRange<L>, L> DeclaredRange<L> for Option<T> {
    const WITHIN: DeclaredKind = T::WITHIN;
}

/// The value of one field.
#[doc(hidden)]
pub fn take<T: SettingType>(values: &Values, field: &str) -> Result<T, String> {
    let key = key_of(field);
    match values.get(&key) {
        Some(value) => T::from_value(value.clone()).ok_or_else(|| {
            let kind = SettingKind::from(T::KIND);
            format!("setting {key} cannot be {value:?}: wanted {kind:?}")
        }),
        None => T::absent().ok_or_else(|| format!("setting {key} is missing")),
    }
}
