//! Results (RFC 4511, section 4.1.9 and appendix A).

use std::fmt::Write as _;

use evenkeel_sdk::{CheckError, shown};

use crate::ber::{self, ENUMERATED, OCTETS};

/// Whether a message (its kind and its content) is of the kind that is wanted and its result is success. `what` is what
/// was asked for.
pub(crate) fn of((kind, content): (u8, &[u8]), wanted: u8, what: &str) -> Result<(), CheckError> {
    if kind != wanted {
        return Err(CheckError::new(format!(
            "{what}: a message of type 0x{kind:02x}, wanted 0x{wanted:02x}"
        )));
    }
    let (code, text) = parse(content).ok_or_else(|| {
        let got = shown(content);
        CheckError::new(format!("{what}: got {got}, which is no result"))
    })?;
    if code == 0 {
        return Ok(());
    }
    let mut reason = format!("{what}: refused with {code}, {}", words(code));
    if !text.is_empty() {
        let _ = write!(reason, ", {}", shown(text));
    }
    Err(CheckError::new(reason))
}

/// The code, and what the server says about it.
fn parse(mut content: &[u8]) -> Option<(usize, &[u8])> {
    let code = ber::number(ber::expect(&mut content, ENUMERATED)?)?;
    let _matched = ber::expect(&mut content, OCTETS)?;
    let text = ber::expect(&mut content, OCTETS)?;
    // Some servers count a zero at its end.
    Some((code, text.strip_suffix(&[0]).unwrap_or(text)))
}

/// What a code means, of those that may be an answer to a bind, a search or StartTLS.
fn words(code: usize) -> &'static str {
    match code {
        1 => "operations error",
        2 => "protocol error",
        3 => "time limit exceeded",
        4 => "size limit exceeded",
        7 => "authentication method not supported",
        8 => "stronger authentication required",
        10 => "referral",
        11 => "administrative limit exceeded",
        12 => "unavailable critical extension",
        13 => "confidentiality required",
        14 => "SASL bind in progress",
        32 => "no such object",
        33 => "alias problem",
        34 => "invalid DN syntax",
        36 => "alias dereferencing problem",
        48 => "inappropriate authentication",
        49 => "invalid credentials",
        50 => "insufficient access rights",
        51 => "busy",
        52 => "unavailable",
        53 => "unwilling to perform",
        54 => "loop detected",
        80 => "other",
        _ => "a code that is not expected here",
    }
}
