//! Packets: a length of three bytes, a number that counts within a command, and a payload.

use evenkeel_sdk::{CheckError, Dialogue};

/// The longest payload that is read. None of those that are waited for comes near.
const LONGEST: usize = 16 * 1024;

/// The command that ends a connection.
pub(crate) const COM_QUIT: u8 = 1;
/// The command that has a statement.
pub(crate) const COM_QUERY: u8 = 3;

/// What a payload begins with.
pub(crate) const OK: u8 = 0;
pub(crate) const ERR: u8 = 0xff;

/// The packet of this number and payload.
pub(crate) fn packet(number: u8, payload: &[u8]) -> Vec<u8> {
    let [a, b, c, ..] = payload.len().to_le_bytes();
    [&[a, b, c, number], payload].concat()
}

/// The next packet: its number and its payload, which is not empty.
pub(crate) fn read(server: &mut Dialogue, what: &str) -> Result<(u8, Vec<u8>), CheckError> {
    let head = server.exactly(what, 4)?;
    let [a, b, c, number] = head[..] else {
        return Err(CheckError::new(format!("{what}: no packet")));
    };
    let length = usize::try_from(u32::from_le_bytes([a, b, c, 0]))?;
    if !(1..=LONGEST).contains(&length) {
        let got = evenkeel_sdk::shown(&head);
        return Err(CheckError::new(format!(
            "{what}: got {got}, which is not MySQL"
        )));
    }
    Ok((number, server.exactly(what, length)?))
}

/// What is left of a payload.
#[derive(Debug)]
pub(crate) struct Rest<'a>(pub(crate) &'a [u8]);

impl<'a> Rest<'a> {
    /// The next bytes, so many.
    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// A number of two bytes.
    pub(crate) fn short(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.take(2)?.try_into().ok()?))
    }

    /// A text that a zero ends.
    pub(crate) fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.0.iter().position(|byte| *byte == 0)?;
        let text = self.take(length)?;
        self.byte()?;
        Some(text)
    }
}
