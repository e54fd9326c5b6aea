//! Public keys of minisign.

use std::fmt;
use std::path::Path;

use ct_codecs::{Base64, Decoder as _};

use crate::{files, text};

/// The largest file that is read as a signature or a key. minisign takes comments of 8 KiB.
pub const MAX_FILE: u64 = 16 << 10;

/// The number that a pair of keys has, and every signature by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyId(u64);

impl KeyId {
    /// Of a key or a signature: two bytes for the algorithm, then the number.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let (_, rest) = bytes.split_first_chunk::<2>()?;
        let (number, _) = rest.split_first_chunk::<8>()?;
        Some(Self(u64::from_le_bytes(*number)))
    }
}

/// As minisign prints it.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", self.0)
    }
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// Its number.
    pub id: KeyId,
    /// As minisign writes it: 56 characters that begin with `RW`.
    pub text: String,
    key: minisign_verify::PublicKey,
}

impl PublicKey {
    /// A key as it stands in a configuration, or in a file of minisign.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(written: &str) -> Result<Self, String> {
        let mut lines = written.lines().map(str::trim).filter(|it| !it.is_empty());
        let text = lines.next_back().unwrap_or_default();
        let wrong = |why: &str| {
            format!(
                "no public key of minisign, whose last line has 56 characters that begin with RW: {why}"
            )
        };
        let key = minisign_verify::PublicKey::from_base64(text)
            .map_err(|error| wrong(&error.to_string()))?;
        let bytes = Base64::decode_to_vec(text, None).map_err(|error| wrong(&error.to_string()))?;
        let id = KeyId::of(&bytes).ok_or_else(|| wrong("it is too short"))?;
        Ok(Self {
            id,
            text: text.to_owned(),
            key,
        })
    }

    /// The key in a file, as minisign writes it.
    ///
    /// # Errors
    /// When it cannot be read, or is none.
    pub fn read(file: &Path) -> Result<Self, String> {
        let wrong = |why: &str| format!("key {}: {why}", text::path(file));
        let bytes = files::read(file, MAX_FILE).map_err(|error| wrong(&error.to_string()))?;
        let written = std::str::from_utf8(&bytes).map_err(|_| wrong("is no text"))?;
        Self::parse(written).map_err(|why| wrong(&format!("is {why}")))
    }

    /// Whether this is its signature of this content.
    pub(super) fn verify(
        &self,
        content: &[u8],
        signature: &minisign_verify::Signature,
    ) -> Result<(), minisign_verify::Error> {
        // In the old form the content itself is signed, in place of its hash: for signatures of former years.
        let old_form = false;
        self.key.verify(content, signature, old_form)
    }
}
