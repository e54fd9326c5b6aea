//! Signatures of plugin files, by minisign: that of `rr.wasm` is the file `rr.wasm.minisig` beside it.
//!
//! What is judged is the content that is then described and loaded, not the file, which may have changed meanwhile.

mod key;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use ct_codecs::{Base64, Decoder as _};

pub use self::key::{KeyId, MAX_FILE, PublicKey};
use crate::{Sha256, files, text};

/// What a signature's file is called beside what it signs.
pub const EXTENSION: &str = "minisig";

/// Characters of a comment that are kept.
const MAX_COMMENT: usize = 1000;

/// Where the signature of a file is.
#[must_use]
pub fn file_of(signed: &Path) -> PathBuf {
    let mut name = OsString::from(signed);
    name.push(".");
    name.push(EXTENSION);
    name.into()
}

/// What is known of a file's signature. One that is not what it should be is an error of [`Trust::judge`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Signature {
    /// There is none.
    #[default]
    None,
    /// It is by a key that is not trusted: nothing else is known.
    Unknown(KeyId),
    /// It is the content's, by a trusted key.
    Valid {
        /// Whose.
        key: PublicKey,
        /// The trusted comment, which is signed, too. Fit for a terminal.
        comment: String,
    },
}

impl Signature {
    /// The key that has signed, and what was said with it, if it is trusted.
    #[must_use]
    pub fn signer(&self) -> Option<(&PublicKey, &str)> {
        match self {
            Self::Valid { key, comment } => Some((key, comment)),
            Self::None | Self::Unknown(_) => None,
        }
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("unsigned"),
            Self::Unknown(id) => write!(f, "signed by {id}, which is not trusted"),
            Self::Valid { key, comment } if comment.is_empty() => write!(f, "signed by {}", key.id),
            Self::Valid { key, comment } => write!(f, "signed by {} ({comment})", key.id),
        }
    }
}

/// Whose signatures count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    keys: Vec<PublicKey>,
    required: bool,
}

impl Trust {
    /// These keys are trusted. `required`: what has no valid signature by one of them is refused.
    #[must_use]
    pub fn new(keys: Vec<PublicKey>, required: bool) -> Self {
        Self { keys, required }
    }

    /// The keys that are trusted.
    #[must_use]
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// What the signature beside `file` says about this content, which was read from it.
    ///
    /// # Errors
    /// Why the content is not to be used: its signature cannot be read, is by a trusted key but not of this content, or
    /// is missing where one is required.
    pub fn judge(&self, file: &Path, content: &[u8]) -> Result<Signature, String> {
        let path = file_of(file);
        let signature = match files::read(&path, MAX_FILE) {
            Ok(written) => self.judge_with(&path, &written, content)?,
            Err(error) if is_missing(&path, &error) => Signature::None,
            Err(error) => return Err(unusable(&path, &error.to_string())),
        };
        self.permit(&signature).map_err(|reason| match signature {
            Signature::None => format!("{reason}; there is no {}", text::path(&path)),
            Signature::Unknown(_) | Signature::Valid { .. } => reason,
        })?;
        Ok(signature)
    }

    /// What a signature that is written in a file says about this content.
    ///
    /// # Errors
    /// When it is no signature, or is by a trusted key but not of this content.
    pub fn judge_with(
        &self,
        path: &Path,
        written: &[u8],
        content: &[u8],
    ) -> Result<Signature, String> {
        let wrong = |what: &str| unusable(path, what);
        let lines = std::str::from_utf8(written).map_err(|_| wrong("is no text"))?;
        let signature = minisign_verify::Signature::decode(lines)
            .map_err(|error| wrong(&format!("is none of minisign: {error}")))?;
        let id = signer(lines).ok_or_else(|| wrong("is none of minisign: it names no key"))?;
        let comment = text::clean(signature.trusted_comment(), MAX_COMMENT);
        let mut error = None;
        for key in self.keys.iter().filter(|key| key.id == id) {
            match key.verify(content, &signature) {
                Ok(()) => {
                    let key = key.clone();
                    return Ok(Signature::Valid { key, comment });
                }
                Err(reason) => error = Some(reason),
            }
        }
        match error {
            None => Ok(Signature::Unknown(id)),
            Some(minisign_verify::Error::UnexpectedAlgorithm) => Err(wrong(
                "is of the old form of minisign, which is not taken: sign again with minisign 0.10 or later, without -l",
            )),
            Some(_) => Err(format!(
                "its signature {}, by the trusted key {id}, does not fit: the file has SHA-256 {}, and the signature's \
                 comment is \"{comment}\"",
                text::path(path),
                Sha256::of(content)
            )),
        }
    }

    /// Whether what has this signature may be used.
    ///
    /// # Errors
    /// Why it may not.
    pub fn permit(&self, signature: &Signature) -> Result<(), String> {
        let trusted = match signature {
            Signature::Valid { key, .. } => self.keys.contains(key),
            Signature::None | Signature::Unknown(_) => false,
        };
        if trusted || !self.required {
            return Ok(());
        }
        let what = match signature {
            Signature::None => "is not signed".to_owned(),
            Signature::Unknown(id) => format!("is signed by key {id}"),
            Signature::Valid { key, .. } => format!("is signed by key {}", key.id),
        };
        let trust = match self.keys.as_slice() {
            [] => "no key is trusted ([plugins] trust is empty)".to_owned(),
            keys => {
                let ids: Vec<String> = keys.iter().map(|key| key.id.to_string()).collect();
                format!("[plugins] trust has {}", ids.join(", "))
            }
        };
        Err(format!(
            "{what}, and [plugins] require = \"signed\" wants a signature by a trusted key; {trust}"
        ))
    }
}

/// A link that leads nowhere is there.
fn is_missing(path: &Path, error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound && path.symlink_metadata().is_err()
}

fn unusable(path: &Path, why: &str) -> String {
    format!("its signature {} {why}", text::path(path))
}

/// Whose signature this says it is: the second line has two bytes for the algorithm, and then the key's number.
fn signer(lines: &str) -> Option<KeyId> {
    let bytes = Base64::decode_to_vec(lines.lines().nth(1)?, None).ok()?;
    KeyId::of(&bytes)
}
