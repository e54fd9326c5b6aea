//! A server that refuses.

use evenkeel_sdk::CheckError;
use evenkeel_sdk::shown;

/// A server that has refused, in its own words: ERR, with or without the state that follows `#`.
pub(crate) fn refused(what: &str, body: &[u8]) -> CheckError {
    let [low, high, rest @ ..] = body else {
        return CheckError::new(format!("{what}: refused without a reason"));
    };
    let code = u16::from_le_bytes([*low, *high]);
    let text = match rest {
        [b'#', _, _, _, _, _, text @ ..] => text,
        text => text,
    };
    CheckError::new(format!("{what}: refused with {code}, {}", shown(text)))
}
