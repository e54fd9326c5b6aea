//! The languages that a plugin can be written in.

use std::fmt;
use std::path::Path;

/// A language that there is a beginning for, and a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// With cargo and the SDK.
    Rust,
    /// With clang or Zig and the contract's header.
    C,
}

impl Language {
    /// The file by which a plugin's directory is known.
    pub(crate) const fn sign(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::C => "plugin.c",
        }
    }

    /// Of the plugin in this directory, if there is one.
    pub(crate) fn of(dir: &Path) -> Option<Self> {
        let all = [Self::Rust, Self::C];
        all.into_iter().find(|it| dir.join(it.sign()).is_file())
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "Rust",
            Self::C => "C",
        })
    }
}
