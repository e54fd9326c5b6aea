//! What is asked of a body as a whole: patterns and a digest.

use std::fmt::Write as _;
use std::io::Read;

use evenkeel_sdk::{CheckError, hex, shown};
use md5::{Digest as _, Md5};
use regex_lite::Regex;

use crate::body::{self, Search};
use crate::head::Head;
use crate::wire::Wire;

/// What the body must be.
#[derive(Debug)]
pub(crate) struct Whole {
    contains: Option<String>,
    matches: Option<Regex>,
    lacks: Option<Regex>,
    md5: Option<Vec<u8>>,
}

impl Whole {
    /// `None`: nothing is asked of it as a whole.
    pub(crate) fn new(
        contains: Option<&str>,
        matches: Option<&str>,
        lacks: Option<&str>,
        md5: Option<&str>,
    ) -> Result<Option<Self>, String> {
        let pattern = |key: &str, pattern: Option<&str>| {
            let compiled = pattern.map(Regex::new).transpose();
            compiled.map_err(|why| format!("{key}: {why}"))
        };
        let md5 = md5
            .map(hex)
            .transpose()
            .map_err(|why| format!("md5: {why}"))?;
        if md5.as_ref().is_some_and(|digest| digest.len() != 16) {
            return Err(
                "md5: wanted 32 hexadecimal digits, as md5sum and genhash print them".to_owned(),
            );
        }
        let whole = Self {
            contains: contains.map(str::to_owned),
            matches: pattern("regex", matches)?,
            lacks: pattern("regex-absent", lacks)?,
            md5,
        };
        let wanted = whole.matches.is_some() || whole.lacks.is_some() || whole.md5.is_some();
        Ok(wanted.then_some(whole))
    }

    /// Reads the body, of `max` bytes at most, and judges it.
    pub(crate) fn judge(
        &self,
        wire: &mut Wire<impl Read>,
        head: &Head,
        max: usize,
    ) -> Result<(), CheckError> {
        let mut all = All {
            seen: Vec::new(),
            max,
        };
        body::read(wire, head, &mut all)?;
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
        if let Some(wanted) = &self.md5 {
            let digest = Md5::digest(&all.seen);
            if digest[..] != wanted[..] {
                return lacking(format!(
                    "the digest of the body is {}, wanted {}",
                    digits(&digest),
                    digits(wanted)
                ));
            }
        }
        Ok(())
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
