//! Settings that the configuration has not in itself, and says where they are kept.

use std::fmt;

use crate::declared::{DeclaredKind, NoDefault};
use crate::manifest::SettingValue;
use crate::settings::SettingType;

/// A password, a token or the like: a type for a field of [`settings!`](crate::settings!). A configuration does not say
/// it but where it is kept, `{ file = "/etc/evenkeel/token" }` or `{ credential = "token" }` (systemd's
/// `LoadCredential=`), and neither log nor status shows it. So `Debug` does not either.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text; the host makes those that a plugin gets.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, to be sent to where it belongs.
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

/// The content of a file of text, such as certificates in PEM: a type for a field of [`settings!`](crate::settings!).
/// The configuration has the path; the file has 1 MiB at most and is read again when the daemon reloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileText(pub String);

/// Types whose text is kept elsewhere than in the configuration.
macro_rules! kept_elsewhere {
    ($($type:ident => $kind:ident),*) => {$(
        impl SettingType for $type {
            type Literal = NoDefault;

            const KIND: DeclaredKind = DeclaredKind::$kind;

            fn from_value(value: SettingValue) -> Option<Self> {
                match value {
                    SettingValue::Text(text) => Some(Self(text)),
                    _ => None,
                }
            }
        }
    )*};
}

kept_elsewhere!(Secret => Secret, FileText => File);
