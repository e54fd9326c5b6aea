//! Looking for something in a body that comes in pieces.

use evenkeel_sdk::CheckError;

/// Takes what comes in pieces.
pub(crate) trait Search {
    /// Takes the next piece. Whether enough is known by now.
    fn add(&mut self, piece: &[u8]) -> Result<bool, CheckError>;
}
