//! What is asked of a body as a whole: patterns and a digest.

use std::fmt::Write as _;

use evenkeel_sdk::{CheckError, hex, shown};
use md5::{Digest as _, Md5};
use regex_lite::Regex;
use sha2::Sha256;

use crate::client::Client;
use crate::search::Search;
use crate::texts::Texts;

/// What the body must be.
#[derive(Debug)]
pub(crate) struct Whole {
    contains: Option<String>,
    matches: Option<Regex>,
    lacks: Option<Regex>,
    md5: Option<Vec<u8>>,
    sha256: Option<Vec<u8>>,
}

impl Whole {
    /// `None`: nothing is asked of it as a whole.
    pub(crate) fn new(texts: &Texts) -> Result<Option<Self>, String> {
        let pattern = |key: &str, pattern: &Option<String>| {
            let compiled = pattern.as_deref().map(Regex::new).transpose();
            compiled.map_err(|why| format!("{key}: {why}"))
        };
        let whole = Self {
            contains: texts.contains.clone(),
            matches: pattern("regex", &texts.regex)?,
            lacks: pattern("regex-absent", &texts.regex_absent)?,
            md5: digest("md5", texts.md5.as_deref(), 16)?,
            sha256: digest("sha256", texts.sha256.as_deref(), 32)?,
        };
        let digests = whole.md5.is_some() || whole.sha256.is_some();
        let wanted = whole.matches.is_some() || whole.lacks.is_some() || digests;
        Ok(wanted.then_some(whole))
    }

    /// Reads the body, of `max` bytes at most, and judges it.
    pub(crate) fn judge(&self, client: &mut impl Client, max: usize) -> Result<(), CheckError> {
        let mut all = All {
            seen: Vec::new(),
            max,
        };
        client.read(&mut all)?;
        let text = String::from_utf8_lossy(&all.seen);
        let lacking = |what: String| {
            let body = shown(&all.seen);
            Err(CheckError::new(format!("{what}, which is {body}")))
        };
        if let Some(wanted) = self
            .contains
            .as_ref()
            .filter(|it| !text.contains(it.as_str()))
        {
            return lacking(format!("{wanted:?} is not in the body"));
        }
        if let Some(pattern) = self.matches.as_ref().filter(|it| !it.is_match(&text)) {
            return lacking(format!("nothing matches /{pattern}/ in the body"));
        }
        if let Some(pattern) = &self.lacks
            && let Some(found) = pattern.find(&text)
        {
            let found = shown(found.as_str().as_bytes());
            return Err(CheckError::new(format!(
                "/{pattern}/ must not match the body, and {found} does"
            )));
        }
        let digests = [
            self.md5
                .as_ref()
                .map(|it| (it, Md5::digest(&all.seen).to_vec())),
            self.sha256
                .as_ref()
                .map(|it| (it, Sha256::digest(&all.seen).to_vec())),
        ];
        for (wanted, found) in digests.into_iter().flatten() {
            if found != *wanted {
                return lacking(format!(
                    "the digest of the body is {}, wanted {}",
                    digits(&found),
                    digits(wanted)
                ));
            }
        }
        Ok(())
    }
}

/// A digest of so many bytes, from its hexadecimal digits.
fn digest(key: &str, text: Option<&str>, length: usize) -> Result<Option<Vec<u8>>, String> {
    let Some(text) = text else {
        return Ok(None);
    };
    let bytes = hex(text).map_err(|why| format!("{key}: {why}"))?;
    if bytes.len() == length {
        Ok(Some(bytes))
    } else {
        Err(format!(
            "{key}: wanted {} hexadecimal digits, as {key}sum prints them",
            2 * length
        ))
    }
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Keeps all of it.
struct All {
    seen: Vec<u8>,
    max: usize,
}

impl Search for All {
    fn add(&mut self, piece: &[u8]) -> Result<bool, CheckError> {
        if self.seen.len() + piece.len() > self.max {
            return Err(CheckError::new(format!(
                "the body is longer than the {} bytes of max-body",
                self.max
            )));
        }
        self.seen.extend_from_slice(piece);
        Ok(false)
    }
}
