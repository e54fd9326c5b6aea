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
    /// With Go 1.25 or newer, and packages for the contract's interfaces.
    Go,
    /// With componentize-qjs: QuickJS is in the plugin.
    JavaScript,
    /// With componentize-py: CPython is in the plugin.
    Python,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Rust,
        Self::C,
        Self::Go,
        Self::JavaScript,
        Self::Python,
    ];

    /// The file by which a plugin's directory is known.
    pub(crate) const fn sign(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::C => "plugin.c",
            Self::Go => "go.mod",
            Self::JavaScript => "plugin.js",
            Self::Python => "plugin.py",
        }
    }

    /// Of the plugin in this directory, if there is one.
    pub(crate) fn of(dir: &Path) -> Option<Self> {
        (Self::ALL.into_iter()).find(|it| dir.join(it.sign()).is_file())
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "Rust",
            Self::C => "C",
            Self::Go => "Go",
            Self::JavaScript => "JavaScript",
            Self::Python => "Python",
        })
    }
}
