//! What is said about signatures: keys, and whether one is needed.

use std::path::{Path, PathBuf};

use minisign_verify::PublicKey;

use super::reader::{Leaf, Wrong};
use super::tree::Value;
use super::value::{FilePath, one_of, text, word};

/// Characters of a public key.
const KEY: usize = 56;

/// A public key, or the file that it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyOrFile {
    Key(String),
    File(PathBuf),
}

impl Leaf for KeyOrFile {
    fn kind() -> String {
        "a public key of minisign (56 characters, `RW` first), or the path of a `.pub` file"
            .to_owned()
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let kind = "a public key of minisign, or the path of a .pub file";
        let written = text(value, kind)?;
        if Path::new(written).extension().is_some_and(|it| it == "pub") {
            let FilePath(path) = FilePath::leaf(value)?;
            return Ok(Self::File(path));
        }
        if PublicKey::from_base64(written).is_ok() {
            return Ok(Self::Key(written.to_owned()));
        }
        let help = if written.starts_with("RW") {
            format!(
                "a key has {KEY} characters, this has {}: copy the second line of minisign.pub",
                written.chars().count()
            )
        } else {
            "copy the second line of minisign.pub, which begins with RW, or name a file that ends in .pub"
                .to_owned()
        };
        Err(Wrong::new("no public key of minisign", help))
    }

    fn show(&self) -> String {
        match self {
            Self::Key(key) => format!("\"{key}\""),
            Self::File(path) => FilePath(path.clone()).show(),
        }
    }
}

/// Which plugins are loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Required {
    Any,
    Signed,
}

impl Leaf for Required {
    fn kind() -> String {
        one_of(&["any", "signed"])
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        word(value, &[("any", Self::Any), ("signed", Self::Signed)])
    }

    fn show(&self) -> String {
        match self {
            Self::Any => "\"any\"".to_owned(),
            Self::Signed => "\"signed\"".to_owned(),
        }
    }
}
