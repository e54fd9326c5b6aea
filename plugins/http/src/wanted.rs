//! What the answer to a request must be.

use std::ops::RangeInclusive;

use evenkeel_sdk::{CheckError, Statuses};

use crate::body;
use crate::client::Client;
use crate::head::Head;
use crate::method::Method;
use crate::texts::Texts;
use crate::whole::Whole;

/// Three digits (RFC 9110, section 15).
const POSSIBLE: RangeInclusive<u16> = 100..=999;

/// What the answer to a request must be.
#[derive(Debug)]
pub(crate) struct Wanted {
    statuses: Statuses,
    contains: Option<String>,
    /// What is asked of the body as a whole, `contains` with it.
    whole: Option<Whole>,
    max_body: usize,
}

impl Wanted {
    /// Refuses what cannot be.
    pub(crate) fn new(
        method: Method,
        status: &str,
        texts: Texts,
        max_body: usize,
    ) -> Result<Self, String> {
        if method == Method::Head && !texts.is_empty() {
            return Err(
                "an answer to HEAD has no body: contains, regex, regex-absent, md5 and sha256 need method = \"GET\""
                    .into(),
            );
        }
        Ok(Self {
            statuses: Statuses::parse(status, &POSSIBLE)?,
            whole: Whole::new(&texts)?,
            contains: texts.contains.filter(|text| !text.is_empty()),
            max_body,
        })
    }

    /// Judges the answer that `client` has begun to read.
    pub(crate) fn judge(&self, client: &mut impl Client, head: &Head) -> Result<(), CheckError> {
        if !self.statuses.contains(head.status) {
            let reason = format!("status {}, wanted {}", head.status, self.statuses);
            return Err(CheckError::new(reason));
        }
        if let Some(whole) = &self.whole {
            whole.judge(client, self.max_body)
        } else if let Some(text) = &self.contains {
            body::find(client, text, self.max_body)
        } else {
            Ok(())
        }
    }
}
